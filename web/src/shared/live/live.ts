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

function take(client: QueryClient, mandateId: string, source: EventSource): void {
  source.addEventListener('open', () => become('live'));
  source.addEventListener('error', () => become('lost'));
  source.addEventListener('balance', ({ data }: MessageEvent<string>) => {
    const changed = JSON.parse(data) as BalanceAnswer;
    client.setQueryData<Balance>(balanceKey(mandateId), (before) => merged(before, changed));
  });
  source.addEventListener('notices', ({ data }: MessageEvent<string>) => {
    client.setQueryData(unreadKey(mandateId), (JSON.parse(data) as { unread: number }).unread);
    void client.invalidateQueries({ queryKey: ['mandate', mandateId, 'inbox'] });
  });
  source.addEventListener('end', ({ data }: MessageEvent<string>) => {
    if ((JSON.parse(data) as { reason: string }).reason !== 'signedOut') return;
    source.close();
    void client.invalidateQueries({ queryKey: SESSION_KEY });
  });
}

/** One connection for the whole page: balances and unread notices of the chosen mandate go into the query cache. */
export function useLiveConnection(): void {
  const client = useQueryClient();
  const { mandate } = useChosenMandate();
  const mandateId = mandate?.id;
  useEffect(() => {
    if (mandateId === undefined) return;
    become('connecting');
    let source: EventSource | null = null;
    let again: ReturnType<typeof setTimeout> | undefined;
    const open = () => {
      source = new EventSource(`/api/mandates/${mandateId}/live`);
      take(client, mandateId, source);
      // A refusal ends an EventSource for good: it is opened anew, not too often.
      source.addEventListener('error', () => {
        if (source?.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN_MILLIS);
      });
    };
    open();
    return () => {
      clearTimeout(again);
      source?.close();
    };
  }, [client, mandateId]);
}

const AGAIN_MILLIS = 10_000;
