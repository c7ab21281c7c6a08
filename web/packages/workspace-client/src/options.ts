import type { WorkspaceError } from './errors.ts';
import type { WorkspaceEvent } from './events.ts';

export type RequestHeaders = Readonly<Record<string, string>>;

export interface WorkspaceOptions {
  /** The thread's address: `/api/mandates/{mandateId}/threads/{threadId}`, or the same with a server before it. */
  readonly url: string;
  /** Headers of every request: a CSRF token or a bearer key, `accept-language`. */
  readonly headers?:
    | RequestHeaders
    | ((method: 'GET' | 'POST') => RequestHeaders | Promise<RequestHeaders>)
    | undefined;
  /** As in `fetch`: whether cookies go along. `same-origin` unless said otherwise. */
  readonly credentials?: RequestCredentials | undefined;
  readonly fetch?: typeof fetch | undefined;
  /** Told of every error, beside `error` in the state: for logs, toasts, a place of your own. */
  readonly onError?: ((error: WorkspaceError) => void) | undefined;
  /** Told when a run has come to a standstill, however, or could not begin. */
  readonly onEnd?: (() => void) | undefined;
  /** Told of every event, once it is in the state. */
  readonly onEvent?: ((event: WorkspaceEvent) => void) | undefined;
  /** How long to wait before the nth attempt to reconnect (from 0); `null` gives up. */
  readonly reconnectMillis?: ((attempt: number) => number | null) | undefined;
  /** After how long a silence a connection is taken for dead; a server says something every 15 seconds. */
  readonly silenceMillis?: number | undefined;
  /** Whether held funds are waited for, and the run resumed by itself. On unless switched off. */
  readonly retryHeldFunds?: boolean | undefined;
  /** Ids of messages and runs: letters, digits and `_.:-`, 100 at most. */
  readonly newId?: (() => string) | undefined;
}
