import type { BalanceExhausted, FundsHeld, LimitReached, RequestTooLarge } from '../../src/index.ts';

export const EXHAUSTED: BalanceExhausted = {
  code: 'INSUFFICIENT_BALANCE',
  reason: 'BALANCE_EXHAUSTED',
  billingModel: 'PREPAY_MANDATE',
  userAction: 'TOP_UP_SELF',
  payer: 'pool',
  mandateId: '489bbc6a-6efa-4105-9e46-cc5b76c067ce',
  mandateName: 'Werkstatt AG',
  currency: 'CHF',
  currentBalance: '0.000500000',
  requiredAmount: '0.001190000',
  messageDe: 'Das Guthaben ist aufgebraucht.',
  messageEn: 'The credit is used up.',
  messageFr: 'Le crédit est épuisé.',
  messageIt: 'Il credito è esaurito.',
  billingUrl: 'https://bursar.example/billing?mandate=489bbc6a',
  notifiedAt: '2026-11-28T08:00:00Z',
  retryAfterSeconds: null,
  requestId: '01a220b2-6347-75f1-8b9c-b10abfb8a2da',
};

export const HELD: FundsHeld = {
  ...EXHAUSTED,
  reason: 'FUNDS_HELD',
  userAction: 'RETRY_LATER',
  billingUrl: null,
  retryAfterSeconds: 2,
};

export const TOO_LARGE: RequestTooLarge = { ...EXHAUSTED, reason: 'REQUEST_TOO_LARGE', affordableOutputTokens: 120 };

export const LIMITED: LimitReached = {
  ...EXHAUSTED,
  reason: 'LIMIT_REACHED',
  limit: {
    scope: 'user',
    scopeId: 'anna',
    period: 'month',
    amount: '5.000000000',
    spent: '5.000000000',
    resetsAt: '2026-12-01T00:00:00Z',
  },
};
