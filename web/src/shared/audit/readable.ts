import type { EntryAnswer } from '../api/index.ts';
import { plainAmount } from '../i18n/index.ts';
import type { auditTexts } from './texts.ts';

type AuditText = ReturnType<typeof auditTexts.use>;
type AuditKey = Parameters<AuditText>[0];

/** Every kind of entry that the filter offers. */
export const ACTIONS = {
  ofMandate: [
    'mandate.changed',
    'billing_settings.changed',
    'notice_settings.changed',
    'user.created',
    'user.changed',
    'user.deleted',
    'invitation.created',
    'invitation.revoked',
    'key.created',
    'key.changed',
    'key.rotated',
    'key.revoked',
    'limit.created',
    'limit.changed',
    'limit.deleted',
    'money.top_up',
    'money.correction',
    'money.refund',
    'money.wallet_transfer',
    'voucher.redeemed',
  ],
  ofInstallation: ['voucher.created', 'voucher.revoked', 'operator.added', 'operator.removed'],
} as const;

const isKnown = (text: string, key: string): boolean => text !== key;

/** `key.revoked` as people say it; what is not known stays as the API calls it. */
export function actionText(t: AuditText, action: string): string {
  const whole = t(action as AuditKey);
  if (isKnown(whole, action)) return whole;
  const [thing = '', verb = ''] = action.split('.');
  const [what, did] = [t(thing as AuditKey), t(`did.${verb}` as AuditKey)];
  return isKnown(what, thing) && isKnown(did, `did.${verb}`) ? `${what}: ${did}` : action;
}

/** Who it was: the API gives ids, and names only where the reader may see them. */
export function actorText(t: AuditText, actor: string, nameOf: (id: string) => string | undefined): string {
  const [kind = '', id = ''] = actor.split(':');
  const known = id === '' ? undefined : nameOf(id);
  if (known !== undefined) return known;
  if (kind === 'key') return t('byKey', { id: id.slice(0, 8) });
  if (kind === 'user') return t('byUser', { id: id.slice(0, 8) });
  if (kind === 'identity') return t('byOperator', { id: id.slice(0, 8) });
  if (kind === 'root') return t('root');
  return kind === 'system' ? t('system') : actor;
}

export interface Difference {
  readonly field: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** What was and what is, field by field, in the order of the entry. */
export function differences({
  before,
  after,
  object,
}: Pick<EntryAnswer, 'before' | 'after' | 'object'>): readonly Difference[] {
  const fields = new Set([...Object.keys(before ?? {}), ...Object.keys(after ?? {})]);
  return (
    [...fields]
      .filter((field) => !UNSAID.has(field))
      .map((field) => ({ field, before: before?.[field] ?? null, after: after?.[field] ?? null }))
      .filter((each) => each.before !== null || each.after !== null)
      // What the entry is about stands beside it.
      .filter((each) => each.after !== object)
  );
}

/** Ids of accounts, which are shown nowhere else either. */
const UNSAID: ReadonlySet<string> = new Set(['debitAccountId', 'creditAccountId']);

export function fieldText(t: AuditText, field: string): string {
  return t(field as AuditKey);
}

const AMOUNT = /^-?\d+\.\d{9}$/;
const MOMENT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}/;

function wordText(t: AuditText, value: string, dateTime: (at: string) => string): string {
  if (MOMENT.test(value)) return dateTime(value);
  if (AMOUNT.test(value)) return plainAmount(value);
  const known = t(`is.${value}` as AuditKey);
  return isKnown(known, `is.${value}`) ? known : value;
}

/** A value as people read it: moments by locale, lists in a row. */
export function valueText(t: AuditText, value: unknown, dateTime: (at: string) => string): string {
  if (value === null || value === undefined || value === '') return t('empty');
  if (value === '(not kept)') return t('notKept');
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
  if (typeof value === 'string') return wordText(t, value, dateTime);
  if (Array.isArray(value)) return value.length === 0 ? t('empty') : value.map(String).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
