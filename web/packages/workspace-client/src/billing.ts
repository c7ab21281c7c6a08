/**
 * The billing object: why a call was refused for lack of money, and what can be done. The same on every surface of a
 * server (HTTP, streams, events). Amounts are decimal strings in `currency`; `null` for who may not see them.
 */
export type Billing = BalanceExhausted | RequestTooLarge | LimitReached | FundsHeld;

export type BillingModel = 'PREPAY_MANDATE' | 'PREPAY_USER' | 'POSTPAY' | 'UNLIMITED';
export type UserAction = 'TOP_UP_SELF' | 'CONTACT_MANDATE_ADMIN' | 'RETRY_LATER';
export type Language = 'de' | 'en' | 'fr' | 'it';

interface BillingFields {
  readonly code: 'INSUFFICIENT_BALANCE';
  readonly billingModel: BillingModel;
  /** The one thing that this person can do. */
  readonly userAction: UserAction;
  readonly payer: 'pool' | 'wallet';
  readonly mandateId: string;
  readonly mandateName: string;
  readonly currency: string;
  readonly currentBalance: string | null;
  readonly requiredAmount: string;
  readonly messageDe: string;
  readonly messageEn: string;
  readonly messageFr: string;
  readonly messageIt: string;
  /** Where to top up; only with `TOP_UP_SELF`. */
  readonly billingUrl: string | null;
  /** When a finance contact's mail server took the mail about this shortage (RFC 3339). */
  readonly notifiedAt: string | null;
  readonly retryAfterSeconds: number | null;
  readonly requestId: string | null;
}

/** The money is used up. */
export interface BalanceExhausted extends BillingFields {
  readonly reason: 'BALANCE_EXHAUSTED';
}

/** There is money, but this call alone costs more. */
export interface RequestTooLarge extends BillingFields {
  readonly reason: 'REQUEST_TOO_LARGE';
  readonly affordableOutputTokens: number | null;
}

/** A cap, not the balance. */
export interface LimitReached extends BillingFields {
  readonly reason: 'LIMIT_REACHED';
  readonly limit: BillingLimit;
}

/** The money is there, but calls in flight hold it. */
export interface FundsHeld extends BillingFields {
  readonly reason: 'FUNDS_HELD';
  readonly retryAfterSeconds: number;
}

export interface BillingLimit {
  readonly scope: 'mandate' | 'user' | 'key' | 'model';
  readonly scopeId: string | null;
  readonly period: 'day' | 'week' | 'month' | 'total';
  readonly amount: string | null;
  readonly spent: string | null;
  /** When the period ends (RFC 3339); `null` for a cap in total. */
  readonly resetsAt: string | null;
}

const TEXTS = [
  'billingModel',
  'userAction',
  'payer',
  'mandateId',
  'mandateName',
  'currency',
  'requiredAmount',
] as const;
const MESSAGES = { de: 'messageDe', en: 'messageEn', fr: 'messageFr', it: 'messageIt' } as const;

/**
 * Whether something that came over the wire is a billing object. A `reason` of a newer server passes: have a `default`
 * where you switch over it.
 */
export function isBilling(value: unknown): value is Billing {
  if (!isObject(value) || value['code'] !== 'INSUFFICIENT_BALANCE' || typeof value['reason'] !== 'string') return false;
  if (!TEXTS.every((name) => typeof value[name] === 'string')) return false;
  if (value['reason'] === 'FUNDS_HELD') return typeof value['retryAfterSeconds'] === 'number';
  return value['reason'] !== 'LIMIT_REACHED' || isObject(value['limit']);
}

/** What to tell the person, in the language of a tag like `de-CH`; in English where there is none of that language. */
export function billingText(billing: Billing, languageTag: string): string {
  const language = languageTag.toLowerCase().split(/[-_]/)[0] ?? '';
  const key = Object.hasOwn(MESSAGES, language) ? MESSAGES[language as Language] : 'messageEn';
  return billing[key] || billing.messageEn;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
