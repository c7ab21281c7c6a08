import { type QueryClient, useQueryClient } from '@tanstack/react-query';
import { useEffect, useSyncExternalStore } from 'react';
import type { AccountAnswer, BalanceAnswer } from '../api/index.ts';
import { SESSION_KEY, useChosenMandate } from '../session/index.ts';

export type Account = Omit<AccountAnswer, 'userName'> & Partial<Pick<AccountAnswer, 'userName'>>;
export interface Balance {
  readonly currency: string;
  readonly accounts: readonly Account[];
}

export const balanceKey = (mandateId: string) => ['mandate', mandateId, 'balance'] as const;
export const unreadKey = (mandateId: string) => ['mandate', mandateId, 'unread'] as const;

type State = 'connecting' | 'live' | 'lost';
let state: State = 'connecting';
const listeners = new Set<() => void>();

function become(next: State): void {
  if (state === next) return;
  state = next;
  for (const listener of listeners) listener();
}

/** Whether figures on the page move by themselves at the moment. */
export function useLiveState(): State {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}

const identityOf = (account: Account) => `${account.payer} ${account.userId ?? ''}`;

/** Later events carry only accounts that changed. Exported for its test. */
export function merged(before: Balance | undefined, changed: Balance): Balance {
  const byIdentity = new Map((before?.accounts ?? []).map((each) => [identityOf(each), each]));
  for (const account of changed.accounts) {
    byIdentity.set(identityOf(account), { ...byIdentity.get(identityOf(account)), ...account });
  }
  return { currency: changed.currency, accounts: [...byIdentity.values()] };
}

/** The first event of a connection has every account that the person may see: those that are missing are no longer theirs. */
export function renewed(before: Balance | undefined, all: Balance): Balance {
  const seen = new Set(all.accounts.map(identityOf));
  const kept = before && { ...before, accounts: before.accounts.filter((each) => seen.has(identityOf(each))) };
  return merged(kept, all);
}

function take(client: QueryClient, mandateId: string, source: EventSource): void {
  let isFirst = true;
  source.addEventListener('open', () => {
    isFirst = true;
    become('live');
  });
  source.addEventListener('error', () => become('lost'));
  source.addEventListener('balance', ({ data }: MessageEvent<string>) => {
    const told = JSON.parse(data) as BalanceAnswer;
    const take = isFirst ? renewed : merged;
    isFirst = false;
    client.setQueryData<Balance>(balanceKey(mandateId), (before) => take(before, told));
  });
  source.addEventListener('notices', ({ data }: MessageEvent<string>) => {
    client.setQueryData(unreadKey(mandateId), (JSON.parse(data) as { unread: number }).unread);
    void client.invalidateQueries({ queryKey: ['mandate', mandateId, 'inbox'] });
  });
}

const AGAIN_MILLIS = 10_000;
const ANEW_MILLIS = 1_000;

/**
 * Follows a mandate until what is returned is called. Not while the page is hidden: browsers have six connections for a
 * host, and each tab that is open somewhere would hold one.
 */
function follow(client: QueryClient, mandateId: string): () => void {
  let source: EventSource | null = null;
  let again: ReturnType<typeof setTimeout> | undefined;
  const close = () => {
    clearTimeout(again);
    source?.close();
    source = null;
  };
  const open = () => {
    close();
    const opened = new EventSource(`/api/mandates/${mandateId}/live`);
    source = opened;
    take(client, mandateId, opened);
    // A refusal ends an EventSource for good: it is opened anew, not too often.
    opened.addEventListener('error', () => {
      if (opened.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MILLIS);
    });
    opened.addEventListener('end', ({ data }: MessageEvent<string>) => {
      if ((JSON.parse(data) as { reason: string }).reason !== 'signedOut') return;
      // Signed out, or somebody else's rights from now on: what was known under the old ones is forgotten.
      close();
      become('lost');
      void client.resetQueries({ queryKey: ['mandate', mandateId] });
      void client.invalidateQueries({ queryKey: SESSION_KEY });
      again = setTimeout(open, ANEW_MILLIS);
    });
  };
  const onVisibility = () => (document.hidden ? close() : open());
  document.addEventListener('visibilitychange', onVisibility);
  become('connecting');
  onVisibility();
  return () => {
    document.removeEventListener('visibilitychange', onVisibility);
    close();
  };
}

/** One connection for the whole page: balances and unread notices of the chosen mandate go into the query cache. */
export function useLiveConnection(): void {
  const client = useQueryClient();
  const { mandate } = useChosenMandate();
  const mandateId = mandate?.id;
  useEffect(() => (mandateId === undefined ? undefined : follow(client, mandateId)), [client, mandateId]);
}
