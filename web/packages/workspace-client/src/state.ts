import type { WorkspaceError } from './errors.ts';

/**
 * - `idle`: nothing is going on.
 * - `sending`: a run was asked for, and the server has not answered yet.
 * - `streaming`: the run is under way, and heard.
 * - `reconnecting`: the run is under way, and the connection is not.
 * - `stopping`: the run was asked to stop.
 * - `failed`: it stands still; `error` says why, `resumption` how `resume` goes on.
 */
export type Status = 'idle' | 'sending' | 'streaming' | 'reconnecting' | 'stopping' | 'failed';

/** What `resume` does: read the thread, send again what was not taken, listen again, or let the run go on. */
export type Resumption = 'load' | 'send' | 'follow' | 'continue';

export interface ToolCall {
  readonly id: string;
  readonly name: string;
  /** JSON, as the model wrote it. */
  readonly arguments: string;
  /** `null` until the tool has answered. */
  readonly result: string | null;
}

export interface Message {
  readonly id: string;
  readonly role: 'user' | 'assistant';
  readonly content: string;
  readonly toolCalls: readonly ToolCall[];
  /** A decimal string; `null` while it is not known. */
  readonly cost: string | null;
  /** How many calls of a model wrote it: more than one, where an answer was cut off and went on. */
  readonly calls: number;
  readonly runId: string | null;
}

/** Everything that is known of a thread. Immutable: what has not changed is the same object. */
export interface WorkspaceState {
  /** Whether the thread has been read. */
  readonly isLoaded: boolean;
  readonly messages: readonly Message[];
  readonly status: Status;
  readonly error: WorkspaceError | null;
  /** `null`: there is nothing that `resume` could do. */
  readonly resumption: Resumption | null;
  /** When the run goes on by itself (milliseconds since 1970), while held funds are waited for. */
  readonly retryAt: number | null;
  /** Of the latest run: its id, … */
  readonly runId: string | null;
  /** … the number of the last event that came, … */
  readonly lastEventId: number;
  /** … how many steps (calls of a model) it took so far, … */
  readonly steps: number;
  /** … what they cost (a decimal string; `null` while that is not known), … */
  readonly runCost: string | null;
  /** … and whether it was stopped. */
  readonly wasStopped: boolean;
  readonly currency: string | null;
  /** A message of the person's that the server has not taken yet; it is the last of `messages`, too. */
  readonly unsent: Message | null;
  /** Events up to here tell what was before the thread was read: an end among them is not the end. */
  readonly replayUntil: number;
}

export const INITIAL_STATE: WorkspaceState = Object.freeze({
  isLoaded: false,
  messages: Object.freeze([]),
  status: 'idle',
  error: null,
  resumption: null,
  retryAt: null,
  runId: null,
  lastEventId: 0,
  steps: 0,
  runCost: null,
  wasStopped: false,
  currency: null,
  unsent: null,
  replayUntil: 0,
});

/** Whether a run is being begun, is under way, or is being stopped: nothing can be sent meanwhile. */
export function isBusy(state: WorkspaceState): boolean {
  return state.status !== 'idle' && state.status !== 'failed';
}

/** For how long funds are held, where that is what the run stands still for. */
export function heldSeconds({ error, resumption }: WorkspaceState): number | null {
  const isHeld = error?.kind === 'insufficient_balance' && error.billing.reason === 'FUNDS_HELD';
  return isHeld && resumption !== null ? error.billing.retryAfterSeconds : null;
}
