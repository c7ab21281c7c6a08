import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../api/index.ts';
import { type Membership, useMandate } from '../session/index.ts';
import { type Account, type Balance, balanceKey, unreadKey } from './live.ts';

/** Balances that the person may see: read once, then kept up to date by the live connection. */
export function useBalance(): Balance | undefined {
  const { id } = useMandate();
  const { data } = useQuery({
    queryKey: balanceKey(id),
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: async (): Promise<Balance> =>
      answer(api.GET('/api/mandates/{mandateId}/balance', { params: { path: { mandateId: id } } })),
  });
  return data;
}

/** The account that pays for this person's calls, where they may see it. */
export function payingAccount(
  balance: Balance | undefined,
  mandate: Membership,
  payer: 'pool' | 'wallet',
): Account | null {
  const own = (each: Account) => each.payer === payer && (payer === 'pool' || each.userId === mandate.userId);
  return balance?.accounts.find(own) ?? null;
}

export function useUnread(): number {
  const { id } = useMandate();
  const { data } = useQuery({ queryKey: unreadKey(id), enabled: false, queryFn: () => 0 });
  return data ?? 0;
}
