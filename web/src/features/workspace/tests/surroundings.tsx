import { MantineProvider } from '@mantine/core';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeAll, vi } from 'vitest';
import type { OverviewAnswer, RequestAnswer } from '../../../shared/api/index.ts';
import { setLanguage } from '../../../shared/i18n/index.ts';
import { type Balance, balanceKey } from '../../../shared/live/index.ts';
import { MandateProvider, SESSION_KEY } from '../../../shared/session/index.ts';
import type { Billing, Workspace } from '../client.ts';

export const MANDATE = '11111111-1111-4111-8111-111111111111';
export const ANNA = '22222222-2222-4222-8222-222222222222';

/** What a browser has and jsdom has not. */
export function prepareBrowser(): void {
  beforeAll(() => {
    vi.stubGlobal('matchMedia', (query: string) => ({
      matches: query.includes('fine'),
      addEventListener: () => {},
      removeEventListener: () => {},
      addListener: () => {},
      removeListener: () => {},
    }));
    vi.stubGlobal(
      'ResizeObserver',
      class {
        observe() {}
        unobserve() {}
        disconnect() {}
      },
    );
    Object.defineProperty(document, 'fonts', { value: new EventTarget(), configurable: true });
    // Whatever is not given in the test is never answered.
    vi.stubGlobal('fetch', () => new Promise(() => {}));
  });
  afterEach(() => {
    cleanup();
    sessionStorage.clear();
    setLanguage('en', false);
  });
}

interface Given {
  readonly role?: 'owner' | 'finance' | 'member';
  readonly balance?: Balance;
  /** What was left when the notice came. */
  readonly before?: Balance;
  readonly overview?: Partial<OverviewAnswer>;
  readonly requests?: readonly RequestAnswer[];
}

/** A component on the page of somebody who has signed in. */
export function show(content: ReactNode, given: Given = {}) {
  const { role = 'owner', balance, before, overview, requests = [] } = given;
  const client = new QueryClient({
    defaultOptions: { queries: { staleTime: Number.POSITIVE_INFINITY, retry: false } },
  });
  const mandate = { id: MANDATE, name: 'Helvetia Treuhand AG', status: 'active', currency: 'CHF' };
  client.setQueryData(SESSION_KEY, {
    person: { email: 'anna@example.ch', displayName: 'Anna' },
    operator: false,
    mandates: [{ ...mandate, timeZone: 'Europe/Zurich', role, userId: ANNA }],
  });
  const key = ['mandate', MANDATE];
  if (balance) client.setQueryData(balanceKey(MANDATE), balance);
  if (before) client.setQueryData([...key, 'balance-before', 'request-1'], before);
  client.setQueryData([...key, 'top-up-requests', 'own'], { requests, nextCursor: null });
  client.setQueryData([...key, 'billing-overview'], {
    billingModel: 'PREPAY_MANDATE',
    payer: 'pool',
    spentThisMonth: '0',
    ...overview,
  });
  const result = render(
    <MantineProvider env="test" withGlobalClasses={false} withCssVariables={false}>
      <QueryClientProvider client={client}>
        <MandateProvider>{content}</MandateProvider>
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { ...result, client };
}

export function pool(available: string): Balance {
  const zero = '0.000000000';
  return {
    currency: 'CHF',
    accounts: [{ payer: 'pool', userId: null, posted: available, held: zero, available, creditLimit: zero }],
  };
}

const EXHAUSTED: Billing = {
  code: 'INSUFFICIENT_BALANCE',
  reason: 'BALANCE_EXHAUSTED',
  billingModel: 'PREPAY_MANDATE',
  userAction: 'TOP_UP_SELF',
  payer: 'pool',
  mandateId: MANDATE,
  mandateName: 'Helvetia Treuhand AG',
  currency: 'CHF',
  currentBalance: '0.000000000',
  requiredAmount: '0.012000000',
  messageDe: 'Das KI-Guthaben ist aufgebraucht, sagt der Server.',
  messageEn: 'The AI credit is used up, says the server.',
  messageFr: 'Le crédit IA est épuisé, dit le serveur.',
  messageIt: 'Il credito IA è esaurito, dice il server.',
  billingUrl: `http://127.0.0.1/billing?mandate=${MANDATE}`,
  notifiedAt: null,
  retryAfterSeconds: null,
  requestId: 'request-1',
};

export const billing = {
  exhausted: EXHAUSTED,
  tooLarge: { ...EXHAUSTED, reason: 'REQUEST_TOO_LARGE', affordableOutputTokens: 800 },
  limit: {
    ...EXHAUSTED,
    reason: 'LIMIT_REACHED',
    limit: {
      scope: 'user',
      scopeId: ANNA,
      period: 'month',
      amount: '20.000000000',
      spent: '19.990000000',
      resetsAt: '2030-01-31T23:00:00Z',
    },
  },
  held: { ...EXHAUSTED, reason: 'FUNDS_HELD', userAction: 'RETRY_LATER', retryAfterSeconds: 20 },
} satisfies Record<string, Billing>;

/** For whoever cannot top up: no amounts and no address. */
export function ofMember(given: Billing): Billing {
  return { ...given, userAction: 'CONTACT_MANDATE_ADMIN', currentBalance: null, billingUrl: null };
}

/** A workspace that stands still. */
export function workspace(given: Billing, changed: Partial<Workspace['state']> = {}): Workspace {
  const error = { kind: 'insufficient_balance', message: given.messageEn, billing: given } as const;
  const state: Workspace['state'] = {
    isLoaded: true,
    messages: [],
    status: 'failed',
    error,
    resumption: 'continue',
    retryAt: null,
    runId: 'run-1',
    lastEventId: 9,
    steps: 1,
    runCost: '0.01',
    wasStopped: false,
    currency: 'CHF',
    unsent: null,
    replayUntil: 0,
    ...changed,
  };
  const done = vi.fn(async () => {});
  return {
    messages: [],
    status: 'failed',
    error,
    send: done,
    stop: vi.fn(async () => {}),
    resume: vi.fn(async () => {}),
    load: done,
    state,
  };
}
