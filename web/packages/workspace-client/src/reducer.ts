import { addAmounts } from './amounts.ts';
import { NETWORK_LOST, runError, type WorkspaceError } from './errors.ts';
import type { CustomEvent, WorkspaceEvent } from './events.ts';
import { isBusy, type Message, type Resumption, type ToolCall, type WorkspaceState } from './state.ts';

export type Action =
  /** The thread was read. */
  | { readonly type: 'loaded'; readonly state: WorkspaceState }
  | { readonly type: 'sent'; readonly message: Message; readonly runId: string }
  /** The server answers: it has taken what was sent, or is heard again. */
  | { readonly type: 'connected' }
  | { readonly type: 'disconnected' }
  | { readonly type: 'event'; readonly id: number | null; readonly event: WorkspaceEvent }
  | { readonly type: 'stop_asked' }
  | { readonly type: 'stop_failed' }
  | { readonly type: 'resumed' }
  | { readonly type: 'failed'; readonly error: WorkspaceError; readonly resumption: Resumption | null }
  /** Held funds are waited for, until then; `null`: no longer. */
  | { readonly type: 'waiting'; readonly retryAt: number | null };

/** The state after an action. Pure; the same object where nothing has changed. */
export function reduce(state: WorkspaceState, action: Action): WorkspaceState {
  switch (action.type) {
    case 'loaded':
      return loaded(state, action.state);
    case 'sent':
      return sent(state, action.message, action.runId);
    case 'connected':
      return connected(state);
    case 'disconnected':
      return state.status === 'stopping' || state.status === 'reconnecting'
        ? state
        : { ...state, status: 'reconnecting' };
    case 'event':
      return numbered(state, action.id, action.event);
    case 'stop_asked':
      return { ...state, status: 'stopping' };
    case 'stop_failed':
      return state.status === 'stopping' ? { ...state, status: 'streaming' } : state;
    case 'resumed':
      return { ...state, status: 'sending', error: null, resumption: null, retryAt: null };
    case 'failed':
      return { ...state, status: 'failed', error: action.error, resumption: action.resumption, retryAt: null };
    case 'waiting':
      return state.retryAt === action.retryAt ? state : { ...state, retryAt: action.retryAt };
  }
}

/** What the server does not have yet stays. */
function loaded(state: WorkspaceState, thread: WorkspaceState): WorkspaceState {
  const { unsent } = state;
  if (unsent === null || thread.messages.some((message) => message.id === unsent.id)) return thread;
  return {
    ...thread,
    messages: [...thread.messages, unsent],
    unsent,
    runId: unsent.runId,
    lastEventId: 0,
    steps: 0,
    runCost: null,
    wasStopped: false,
    replayUntil: 0,
    status: isBusy(state) ? state.status : 'failed',
    error: isBusy(state) ? null : (state.error ?? NETWORK_LOST),
    resumption: isBusy(state) ? null : 'send',
  };
}

/** What never reached the server gives way: it is not part of the conversation. */
function sent(state: WorkspaceState, message: Message, runId: string): WorkspaceState {
  const before = state.unsent === null ? state.messages : state.messages.filter((each) => each !== state.unsent);
  return {
    ...state,
    messages: [...before, message],
    unsent: message,
    status: 'sending',
    error: null,
    resumption: null,
    retryAt: null,
    runId,
    lastEventId: 0,
    steps: 0,
    runCost: null,
    wasStopped: false,
    replayUntil: 0,
  };
}

function connected(state: WorkspaceState): WorkspaceState {
  const { status } = state;
  if (status !== 'sending' && status !== 'reconnecting' && state.unsent === null) return state;
  return { ...state, status: status === 'stopping' ? 'stopping' : 'streaming', unsent: null };
}

/** An event that was here already changes nothing. */
function numbered(state: WorkspaceState, id: number | null, event: WorkspaceEvent): WorkspaceState {
  if (id === null) return happened(state, event);
  if (id <= state.lastEventId) return state;
  const isEnd = event.type === 'RUN_FINISHED' || event.type === 'RUN_ERROR';
  const next = isEnd && id <= state.replayUntil ? state : happened(state, event);
  return { ...next, lastEventId: id };
}

function happened(state: WorkspaceState, event: WorkspaceEvent): WorkspaceState {
  switch (event.type) {
    case 'RUN_STARTED':
      return {
        ...state,
        status: state.status === 'stopping' ? 'stopping' : 'streaming',
        error: null,
        resumption: null,
        retryAt: null,
        runId: event.runId,
        wasStopped: false,
        unsent: null,
      };
    case 'STEP_STARTED':
      return { ...state, steps: stepOf(event.stepName) ?? state.steps + 1 };
    case 'TEXT_MESSAGE_START':
      return withMessage(state, event.messageId, (message) => message);
    case 'TEXT_MESSAGE_CONTENT':
      return withMessage(state, event.messageId, (message) => ({
        ...message,
        content: message.content + event.delta,
      }));
    case 'TOOL_CALL_START':
      return called(state, event.parentMessageId ?? event.toolCallId, event.toolCallId, event.toolCallName);
    case 'TOOL_CALL_ARGS':
      return withCall(state, event.toolCallId, (call) => ({ ...call, arguments: call.arguments + event.delta }));
    case 'TOOL_CALL_RESULT':
      return withCall(state, event.toolCallId, (call) => ({ ...call, result: event.content }));
    case 'CUSTOM':
      return custom(state, event);
    case 'RUN_FINISHED':
      return {
        ...state,
        status: 'idle',
        error: null,
        resumption: null,
        retryAt: null,
        wasStopped: state.wasStopped || event.outcome?.type === 'cancelled',
      };
    case 'RUN_ERROR':
      return {
        ...state,
        status: 'failed',
        error: runError(event.code ?? '', event.message, event.metadata),
        resumption: 'continue',
        retryAt: null,
      };
    default:
      return state;
  }
}

function custom(state: WorkspaceState, { name, value }: CustomEvent): WorkspaceState {
  const told = typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {};
  const currency = textOf(told['currency']) ?? state.currency;
  switch (name) {
    case 'bursar.step':
      return priced({ ...state, runCost: textOf(told['runCost']), currency }, told['messageId'], textOf(told['cost']));
    case 'bursar.cost': {
      const steps = typeof told['steps'] === 'number' ? told['steps'] : state.steps;
      return { ...state, runCost: textOf(told['cost']), currency, steps };
    }
    case 'bursar.stopped':
      return { ...state, wasStopped: true };
    default:
      return state;
  }
}

/** An answer that was cut off and went on costs what both calls cost. */
function priced(state: WorkspaceState, messageId: unknown, cost: string | null): WorkspaceState {
  if (!state.messages.some((message) => message.id === messageId)) return state;
  return withMessage(state, messageId as string, (message) => {
    const isSum = message.calls > 0;
    const sum = message.cost === null || cost === null ? null : addAmounts(message.cost, cost);
    return { ...message, cost: isSum ? sum : cost, calls: message.calls + 1 };
  });
}

/** The message changed; a new one of the assistant's, where there is none of this id. */
function withMessage(state: WorkspaceState, id: string, change: (message: Message) => Message): WorkspaceState {
  const place = state.messages.findLastIndex((message) => message.id === id);
  const message = state.messages[place];
  if (message === undefined) {
    const made = {
      id,
      role: 'assistant',
      content: '',
      toolCalls: [],
      cost: null,
      calls: 0,
      runId: state.runId,
    } as const;
    return { ...state, messages: [...state.messages, change(made)] };
  }
  const changed = change(message);
  return changed === message ? state : { ...state, messages: state.messages.with(place, changed) };
}

function called(state: WorkspaceState, messageId: string, id: string, name: string): WorkspaceState {
  return withMessage(state, messageId, (message) =>
    message.toolCalls.some((call) => call.id === id)
      ? message
      : { ...message, toolCalls: [...message.toolCalls, { id, name, arguments: '', result: null }] },
  );
}

function withCall(state: WorkspaceState, id: string, change: (call: ToolCall) => ToolCall): WorkspaceState {
  const owner = state.messages.findLast((message) => message.toolCalls.some((call) => call.id === id));
  if (owner === undefined) return state;
  return withMessage(state, owner.id, (message) => ({
    ...message,
    toolCalls: message.toolCalls.map((call) => (call.id === id ? change(call) : call)),
  }));
}

function stepOf(stepName: string): number | null {
  const digits = /\d+$/.exec(stepName)?.[0];
  return digits === undefined ? null : Number(digits);
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
