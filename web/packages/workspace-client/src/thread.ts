import { runError, type WorkspaceError } from './errors.ts';
import { INITIAL_STATE, type Message, type Status, type WorkspaceState } from './state.ts';

/** A thread as `GET …/threads/{threadId}` answers it, as far as it is read here. */
export interface ServerThread {
  readonly currency: string;
  readonly messages: readonly ServerMessage[];
  readonly run: ServerRun | null;
}

export interface ServerMessage {
  readonly id: string;
  readonly role: 'user' | 'assistant' | 'tool';
  readonly content?: string | null;
  readonly toolCalls?: readonly { id: string; function: { name: string; arguments: string } }[];
  readonly toolCallId?: string;
  readonly cost?: string | null;
  readonly runId?: string | null;
}

export interface ServerRun {
  readonly id: string;
  readonly status: 'RUNNING' | 'PARKED' | 'FINISHED' | 'STOPPED' | 'FAILED' | 'INTERRUPTED';
  readonly stepCount: number;
  readonly cost: string | null;
  readonly lastEventId: number;
  readonly error: { code: string; message: string; retryAfterSeconds?: number | null } | null;
  readonly billing: unknown;
}

const RESUMABLE: ReadonlySet<string> = new Set(['PARKED', 'FAILED', 'INTERRUPTED']);

/**
 * The state that the events of a thread's runs would have led to. Of a run under way the events are heard again from
 * its first, so that nothing is missed between two answers: what it has written so far is left out here.
 */
export function stateOfThread(thread: ServerThread): WorkspaceState {
  const { run } = thread;
  const isRunning = run?.status === 'RUNNING';
  const canContinue = run !== null && RESUMABLE.has(run.status);
  const status: Status = isRunning ? 'streaming' : canContinue ? 'failed' : 'idle';
  const messages = thread.messages.filter(
    (message) => !isRunning || message.role === 'user' || message.runId !== run.id,
  );
  return {
    ...INITIAL_STATE,
    isLoaded: true,
    messages: joined(messages),
    status,
    error: canContinue ? errorOf(run) : null,
    resumption: canContinue ? 'continue' : null,
    runId: run?.id ?? null,
    lastEventId: run === null || isRunning ? 0 : run.lastEventId,
    replayUntil: isRunning ? run.lastEventId : 0,
    steps: run?.stepCount ?? 0,
    runCost: run?.cost ?? null,
    wasStopped: run?.status === 'STOPPED',
    currency: thread.currency,
  };
}

/** Tools' answers become part of the message that called them. */
function joined(messages: readonly ServerMessage[]): Message[] {
  const results = new Map(
    messages.filter((each) => each.role === 'tool').map((each) => [each.toolCallId, each.content ?? '']),
  );
  return messages.flatMap(({ id, role, content, toolCalls = [], cost = null, runId = null }) =>
    role === 'tool'
      ? []
      : {
          id,
          role,
          content: content ?? '',
          toolCalls: toolCalls.map((call) => ({
            id: call.id,
            name: call.function.name,
            arguments: call.function.arguments,
            result: results.get(call.id) ?? null,
          })),
          cost,
          calls: role === 'assistant' ? 1 : 0,
          runId,
        },
  );
}

function errorOf(run: ServerRun): WorkspaceError {
  const { code = run.status, message = '', retryAfterSeconds = null } = run.error ?? {};
  return runError(code, message, { billing: run.billing, retryAfterSeconds });
}
