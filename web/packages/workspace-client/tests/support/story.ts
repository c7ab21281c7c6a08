import { createWorkspace, type ServerRun, type ServerThread, type WorkspaceOptions } from '../../src/index.ts';
import { HELD } from './billing.ts';
import { type ScriptedServer, URL_OF_THREAD } from './server.ts';

/** Ids of what a store makes: `id-1` is a run, `id-2` its message, and so on. */
export function counting(): () => string {
  let count = 0;
  return () => {
    count += 1;
    return `id-${count}`;
  };
}

export function workspace(server: ScriptedServer, more: Partial<WorkspaceOptions> = {}) {
  return createWorkspace({ url: URL_OF_THREAD, fetch: server.fetch, newId: counting(), ...more });
}

export const THREAD: ServerThread = { currency: 'CHF', messages: [], run: null };

export function run(more: Partial<ServerRun> = {}): ServerRun {
  const rest = { stepCount: 1, cost: '0.001000000', lastEventId: 5, error: null, billing: null };
  return { id: 'older', status: 'FINISHED', ...rest, ...more };
}

export const started = (runId = 'id-1') => ({ type: 'RUN_STARTED', threadId: 't', runId });
export const begun = (messageId = 'a') => ({ type: 'TEXT_MESSAGE_START', messageId, role: 'assistant' });
export const text = (delta: string, messageId = 'a') => ({ type: 'TEXT_MESSAGE_CONTENT', messageId, delta });
export const finished = (runId = 'id-1') => ({ type: 'RUN_FINISHED', threadId: 't', runId });
export const cancelled = { ...finished(), outcome: { type: 'cancelled' } };
export const broken = (code: string, metadata: object | null = null) => ({
  type: 'RUN_ERROR',
  code,
  message: code,
  metadata,
});
export const held = broken('INSUFFICIENT_BALANCE', { billing: HELD });
