import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { answer, api } from '../../shared/api/index.ts';
import { type Account, type Balance, payingAccount } from '../../shared/live/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import type { Billing } from './client.ts';

/** Whoever has so much of a currency is never told that it is used up. */
const NEVER_EXHAUSTED = 1;

/**
 * Whether what was missing is there now, as far as this person may see it. `postedBefore` is what was posted to the
 * account when it stopped: only money that comes in makes that more, while what an answer that was cut off gives back,
 * and does not carry far, makes more available.
 */
export function isMoneyThere(billing: Billing, account: Account | null, postedBefore: string | null): boolean {
  if (billing.reason === 'LIMIT_REACHED' || billing.reason === 'FUNDS_HELD' || account === null) return false;
  const [available, required] = [Number(account.available), Number(billing.requiredAmount)];
  if (available < required || available <= 0) return false;
  if (billing.reason === 'BALANCE_EXHAUSTED' && available >= NEVER_EXHAUSTED) return true;
  return postedBefore !== null && Number(account.posted) > Number(postedBefore);
}

/** What was posted to the account when this refusal came to the page, or less since: what was cut off is paid late. */
export function usePostedBefore(billing: Billing, account: Account | null): string | null {
  const client = useQueryClient();
  const mandate = useMandate();
  const queryKey = ['mandate', mandate.id, 'balance-before', billing.requestId];
  const { data } = useQuery({
    queryKey,
    staleTime: Number.POSITIVE_INFINITY,
    gcTime: Number.POSITIVE_INFINITY,
    queryFn: async (): Promise<Balance> =>
      answer(api.GET('/api/mandates/{mandateId}/balance', { params: { path: { mandateId: mandate.id } } })),
  });
  const before = payingAccount(data, mandate, billing.payer)?.posted ?? null;
  const fallen = before !== null && account !== null && Number(account.posted) < Number(before);
  useEffect(() => {
    if (fallen && data && account) client.setQueryData(queryKey, { ...data, accounts: [account] });
  });
  return before;
}
