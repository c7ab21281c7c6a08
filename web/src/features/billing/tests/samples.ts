import type { OverviewAnswer, PostedAnswer } from '../../../shared/api/index.ts';
import { MANDATE } from '../../../shared/testing/surroundings.tsx';

export const BASE = '/api/mandates/{mandateId}';

export function overview(fields: Partial<OverviewAnswer> = {}): OverviewAnswer {
  return {
    mandateId: MANDATE,
    name: 'Helvetia Treuhand AG',
    status: 'active',
    currency: 'CHF',
    timeZone: 'Europe/Zurich',
    billingModel: 'PREPAY_MANDATE',
    payer: 'pool',
    seesPool: true,
    mayTopUp: true,
    spentThisMonth: '1.250000000',
    callsThisMonth: 12,
    forecast: null,
    means: { voucher: true, online: null, byHand: false, fromPool: true },
    ...fields,
  };
}

export function posted(fields: Partial<PostedAnswer> = {}): PostedAnswer {
  return {
    id: 'posted-1',
    at: '2026-11-28T08:00:00Z',
    kind: 'TOP_UP',
    amount: '50.000000000',
    payer: 'pool',
    debit: 'funding',
    credit: 'pool',
    userId: null,
    keyId: null,
    requestId: null,
    model: null,
    upstream: null,
    inputTokens: null,
    cachedInputTokens: null,
    outputTokens: null,
    usageDetails: null,
    priceUsed: null,
    costSource: null,
    billingModel: null,
    tags: null,
    reference: null,
    reason: null,
    actor: null,
    currency: 'CHF',
    balance: '50.050000000',
    ...fields,
  };
}

export const POOL_BALANCE = {
  currency: 'CHF',
  accounts: [
    {
      payer: 'pool',
      userId: null,
      userName: null,
      posted: '10.000000000',
      held: '0.000000000',
      available: '10.000000000',
      creditLimit: '0.000000000',
    },
  ],
  nextCursor: null,
};
