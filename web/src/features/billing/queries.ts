import { keepPreviousData, useInfiniteQuery, useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useMemo, useRef } from 'react';
import { answer, api, type BalanceAnswer, type operations, type TransferPage } from '../../shared/api/index.ts';
import { type Balance, useBalance } from '../../shared/live/index.ts';
import { useMandate, useSession } from '../../shared/session/index.ts';
import { type Period, spanOf } from './period.ts';
import { useMandatePath } from './place.ts';

/** What changes whenever money moves stands below this, what is set up by people below `setupKey`. */
export const moneyKey = (mandateId: string) => ['mandate', mandateId, 'money'] as const;
export const setupKey = (mandateId: string) => ['mandate', mandateId, 'billing-setup'] as const;

export type GroupBy = NonNullable<NonNullable<UsageOperation['parameters']['query']>['groupBy']>;
type UsageOperation = operations['read_usage_api_mandates__mandateId__usage_get'];
type JournalOperation = operations['list_transfers_api_mandates__mandateId__transfers_get'];
export type JournalQuery = NonNullable<JournalOperation['parameters']['query']>;

/** A burst of calls is one reading of what they changed. */
const FOLLOW_MILLIS = 2_000;

function pagesOf(data: unknown): number {
  const isPaged = typeof data === 'object' && data !== null && 'pages' in data && Array.isArray(data.pages);
  return isPaged ? (data.pages as unknown[]).length : 1;
}

/** Reads again what the moved balances have changed, a moment later and not more often. */
export function useFollowBalance(): void {
  const client = useQueryClient();
  const { id } = useMandate();
  const balance = useBalance();
  const seen = useRef<Balance | undefined>(undefined);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    const isFirst = seen.current === undefined;
    seen.current = balance;
    if (isFirst || timer.current !== undefined) return;
    timer.current = setTimeout(() => {
      timer.current = undefined;
      // Somebody who has read far back is not sent to the beginning again.
      const isAtHand = ({ state }: { state: { data?: unknown } }) => pagesOf(state.data) <= 1;
      void client.invalidateQueries({ queryKey: moneyKey(id), predicate: isAtHand });
    }, FOLLOW_MILLIS);
  }, [balance, client, id]);
  useEffect(() => () => clearTimeout(timer.current), []);
}

export function useOverview() {
  const path = useMandatePath();
  return useQuery({
    queryKey: [...moneyKey(path.mandateId), 'overview'],
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/billing-overview', { params: { path } })),
  });
}

export function useHistory(userId: string | null, period: Period) {
  const path = useMandatePath();
  const query = { ...(userId === null ? {} : { userId }), ...spanOf(period) };
  return useQuery({
    queryKey: [...moneyKey(path.mandateId), 'history', query],
    placeholderData: keepPreviousData,
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/balance-history', { params: { path, query } })),
  });
}

export function useUsage(groupBy: GroupBy, period: Period, enabled = true) {
  const path = useMandatePath();
  const query = { groupBy, ...spanOf(period) };
  return useQuery({
    queryKey: [...moneyKey(path.mandateId), 'usage', query],
    placeholderData: keepPreviousData,
    enabled,
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/usage', { params: { path, query } })),
  });
}

const JOURNAL_PAGE = 50;

export function useJournal(filter: JournalQuery) {
  const path = useMandatePath();
  return useInfiniteQuery({
    queryKey: [...moneyKey(path.mandateId), 'journal', filter],
    placeholderData: keepPreviousData,
    initialPageParam: undefined as string | undefined,
    getNextPageParam: (page: TransferPage) => page.nextCursor ?? undefined,
    queryFn: ({ pageParam }): Promise<TransferPage> => {
      const query = { ...filter, limit: JOURNAL_PAGE, ...(pageParam === undefined ? {} : { cursor: pageParam }) };
      return answer(api.GET('/api/mandates/{mandateId}/transfers', { params: { path, query } }));
    },
  });
}

export function useHolds() {
  const path = useMandatePath();
  return useQuery({
    queryKey: [...moneyKey(path.mandateId), 'holds'],
    queryFn: () =>
      answer(api.GET('/api/mandates/{mandateId}/holds', { params: { path, query: { state: 'PENDING', limit: 50 } } })),
  });
}

export function useLimits() {
  const path = useMandatePath();
  return useQuery({
    queryKey: [...moneyKey(path.mandateId), 'limits'],
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/limits', { params: { path, query: { limit: 1000 } } })),
  });
}

/** So many thousand people are read for their names; more would be chosen from by their id. */
const MOST_PAGES = 5;

async function readPeople(mandateId: string): Promise<readonly (readonly [string, string])[]> {
  const found: (readonly [string, string])[] = [];
  let cursor: string | null = null;
  for (let page = 0; page < MOST_PAGES; page += 1) {
    const query: { withEmpty: true; cursor?: string } =
      cursor === null ? { withEmpty: true } : { withEmpty: true, cursor };
    const read: BalanceAnswer = await answer(
      api.GET('/api/mandates/{mandateId}/balance', { params: { path: { mandateId }, query } }),
    );
    found.push(
      ...read.accounts.flatMap(({ userId, userName }) =>
        userId ? [[userId, userName || userId.slice(0, 8)] as const] : [],
      ),
    );
    cursor = read.nextCursor;
    if (cursor === null) break;
  }
  return found.sort(([, one], [, other]) => one.localeCompare(other));
}

/** Names of people by their id, as far as one may see them: everybody in the mandate, or oneself. */
export function usePeople(): ReadonlyMap<string, string> {
  const { id, userId } = useMandate();
  const { person } = useSession();
  const { data } = useQuery({
    queryKey: [...setupKey(id), 'people'],
    staleTime: 60_000,
    queryFn: () => readPeople(id),
  });
  const own = person.displayName ?? person.email;
  return useMemo(
    () => new Map([...(userId && own ? [[userId, own] as const] : []), ...(data ?? [])]),
    [data, userId, own],
  );
}

/** Somebody's name, or the beginning of the id of somebody who has left. */
export function nameOf(people: ReadonlyMap<string, string>, userId: string): string {
  return people.get(userId) ?? userId.slice(0, 8);
}
