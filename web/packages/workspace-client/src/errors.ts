import { type Billing, isBilling } from './billing.ts';

/**
 * Everything that can go wrong, told apart by `kind`. `message` is for the person, in the language that the server was
 * asked in; it is empty where no server has said anything (`network`).
 */
export type WorkspaceError =
  | InsufficientBalance
  | RateLimited
  | Unavailable
  | NetworkLost
  | SignedOut
  | Forbidden
  | NotFound
  | RunInProgress
  | RunFailed
  | Problem;

/** The money ended: before the first word, or in the middle of an answer. */
export interface InsufficientBalance {
  readonly kind: 'insufficient_balance';
  readonly message: string;
  readonly billing: Billing;
}

/** Too much at once; nothing to do with money. */
export interface RateLimited {
  readonly kind: 'rate_limited';
  readonly message: string;
  readonly retryAfterSeconds: number | null;
}

/** The model, or the server itself, cannot be reached at the moment. */
export interface Unavailable {
  readonly kind: 'unavailable';
  readonly message: string;
  readonly retryAfterSeconds: number | null;
}

/** The server could not be heard, and reconnecting was given up. */
export interface NetworkLost {
  readonly kind: 'network';
  readonly message: '';
}

/** No session, or a key that is not good any more. */
export interface SignedOut {
  readonly kind: 'signed_out';
  readonly message: string;
}

/** Not allowed: this thread, this model, or (`code: 'csrf'`) a CSRF token of another session. */
export interface Forbidden {
  readonly kind: 'forbidden';
  readonly message: string;
  readonly code: string;
}

/** The thread, or the run, is not there any more. */
export interface NotFound {
  readonly kind: 'not_found';
  readonly message: string;
}

/** A thread has one run at a time, and there is one. */
export interface RunInProgress {
  readonly kind: 'run_in_progress';
  readonly message: string;
}

/** The run stands still by a fault. A newer server may have further codes. */
export interface RunFailed {
  readonly kind: 'run_failed';
  readonly message: string;
  readonly code: 'MODEL_REFUSED' | 'STEP_LIMIT' | 'INTERRUPTED' | 'INTERNAL' | (string & {});
}

/** Any other refusal, as problem details (RFC 9457). */
export interface Problem {
  readonly kind: 'problem';
  readonly message: string;
  readonly status: number;
  readonly code: string;
  /** What of the request was wrong. */
  readonly field: string | null;
}

export const NETWORK_LOST: NetworkLost = Object.freeze({ kind: 'network', message: '' });

/** What a `RUN_ERROR` says. */
export function runError(code: string, message: string, metadata: unknown): WorkspaceError {
  const { billing, retryAfterSeconds } = membersOf(metadata);
  if (isBilling(billing)) return { kind: 'insufficient_balance', message, billing };
  switch (code) {
    case 'RATE_LIMITED':
      return { kind: 'rate_limited', message, retryAfterSeconds: secondsOf(retryAfterSeconds) };
    case 'UNAVAILABLE':
      return { kind: 'unavailable', message, retryAfterSeconds: secondsOf(retryAfterSeconds) };
    case 'FORBIDDEN':
      return { kind: 'forbidden', message, code };
    default:
      return { kind: 'run_failed', message, code };
  }
}

/** What a response that is not `ok` says. Reads its body. */
export async function responseError(response: Response): Promise<WorkspaceError> {
  const body = membersOf(await response.json().catch(() => null));
  const message = textOf(body['detail']) || textOf(body['title']);
  const code = textOf(body['code']);
  const retryAfterSeconds = retryAfter(response.headers.get('retry-after'));
  const { status } = response;
  if (isBilling(body['billing'])) return { kind: 'insufficient_balance', message, billing: body['billing'] };
  if (status === 401) return { kind: 'signed_out', message };
  if (status === 403) return { kind: 'forbidden', message, code };
  if (status === 404) return { kind: 'not_found', message };
  if (status === 429) return { kind: 'rate_limited', message, retryAfterSeconds };
  if (status >= 502 && status <= 504) return { kind: 'unavailable', message, retryAfterSeconds };
  if (code === 'run_in_progress') return { kind: 'run_in_progress', message };
  return { kind: 'problem', message, status, code, field: textOf(body['field']) || null };
}

function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function secondsOf(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 ? value : null;
}

function retryAfter(header: string | null): number | null {
  return header !== null && /^\d+$/.test(header) ? Number(header) : null;
}
