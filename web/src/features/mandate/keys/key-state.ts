import type { KeyAnswer } from '../../../shared/api/index.ts';

export type KeyState =
  | { readonly is: 'active' }
  | { readonly is: 'until' | 'expired' | 'revoked'; readonly at: string };

/** What a key is at `now`: what was revoked stays revoked, whenever it would have expired. */
export function stateOf(key: Pick<KeyAnswer, 'revokedAt' | 'expiresAt'>, now: Date): KeyState {
  if (key.revokedAt !== null) return { is: 'revoked', at: key.revokedAt };
  if (key.expiresAt === null) return { is: 'active' };
  return { is: new Date(key.expiresAt) <= now ? 'expired' : 'until', at: key.expiresAt };
}

export function hasEnded(key: Pick<KeyAnswer, 'revokedAt' | 'expiresAt'>, now: Date): boolean {
  const { is } = stateOf(key, now);
  return is === 'revoked' || is === 'expired';
}

/** How a key begins, without the organisation's id, which all of them have. */
export function beginningOf(prefix: string): string {
  return prefix.replace(/^(bur_)[0-9a-f]{32}_/, '$1…_');
}

/** The end of a day that a date field names, where the reader is; `null` for an empty field. */
export function endOfDay(date: string): string | null {
  return date === '' ? null : new Date(`${date}T23:59:59`).toISOString();
}

/** The day of a moment, where the reader is, as a date field has it. */
export function dayOf(at: string | null): string {
  if (at === null) return '';
  const moment = new Date(at);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${moment.getFullYear()}-${two(moment.getMonth() + 1)}-${two(moment.getDate())}`;
}

/** A call that shows what a key is good for, ready to paste. */
export function exampleCall(key: Pick<KeyAnswer, 'kind' | 'readOnlyBilling'>, text: string, mandateId: string): string {
  const own = `/api/mandates/${mandateId}`;
  const path = key.kind === 'admin' ? (key.readOnlyBilling ? `${own}/balance` : own) : '/v1/models';
  return `curl ${location.origin}${path} \\\n  -H 'Authorization: Bearer ${text}'`;
}
