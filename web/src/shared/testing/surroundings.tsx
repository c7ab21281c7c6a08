import { MantineProvider } from '@mantine/core';
import { Notifications } from '@mantine/notifications';
import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { cleanup, configure, render } from '@testing-library/react';
import type { ReactNode } from 'react';
import { afterEach, beforeAll, vi } from 'vitest';
import { Router } from 'wouter';
import { memoryLocation } from 'wouter/memory-location';
import { api } from '../api/index.ts';
import { setLanguage } from '../i18n/index.ts';
import { MandateProvider, type Membership, SESSION_KEY, type Session } from '../session/index.ts';

export const MANDATE = '11111111-1111-4111-8111-111111111111';
export const ANNA = '22222222-2222-4222-8222-222222222222';

/** What a browser has and jsdom has not; in English, and nothing left over from one test to the next. */
export function prepareBrowser(): void {
  // What is waited for comes, but not within a second on a machine that has other things to do.
  configure({ asyncUtilTimeout: 20_000 });
  vi.setConfig({ testTimeout: 60_000 });
  beforeAll(() => {
    vi.stubGlobal('matchMedia', () => ({
      matches: false,
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
    Element.prototype.scrollIntoView = () => {};
    URL.createObjectURL = () => 'blob:made';
    URL.revokeObjectURL = () => {};
    setLanguage('en', false);
  });
  afterEach(() => {
    cleanup();
    vi.restoreAllMocks();
    localStorage.clear();
    setLanguage('en', false);
  });
}

export interface Call {
  readonly method: string;
  readonly path: string;
  readonly params: { path?: Record<string, string>; query?: Record<string, unknown>; header?: Record<string, string> };
  readonly body: unknown;
}

/** What the API answers, by `GET /api/…` as its document writes the path. It may throw an `ApiProblem`. */
type Answers = Readonly<Record<string, (call: Call) => unknown>>;

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;

/** In the place of the API. What has no answer here is never answered. Returns the calls as they come. */
export function answering(answers: Answers): Call[] {
  const calls: Call[] = [];
  for (const method of METHODS) {
    const respond = async (path: string, init: Partial<Call> = {}) => {
      const call: Call = { method, path, params: init.params ?? {}, body: init.body };
      calls.push(call);
      const answer = answers[`${method} ${path}`];
      if (answer === undefined) return new Promise(() => {});
      return { data: answer(call), response: new Response(null, { headers: { etag: '"7"' } }) };
    };
    vi.spyOn(api, method).mockImplementation(respond as never);
  }
  return calls;
}

interface Visitor {
  readonly role?: Exclude<Membership['role'], 'operator'>;
  readonly operator?: boolean;
  readonly path?: string;
}

/** A component at an address, for somebody who has signed in. */
export function show(content: ReactNode, { role = 'owner', operator = false, path = '/' }: Visitor = {}) {
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const session: Session = {
    person: { identityId: ANNA, email: 'anna@example.ch', displayName: 'Anna' },
    operator,
    mandates: [
      {
        id: MANDATE,
        name: 'Helvetia Treuhand AG',
        status: 'active',
        currency: 'CHF',
        timeZone: 'Europe/Zurich',
        role,
        userId: ANNA,
      },
    ],
    language: 'en',
    csrfToken: 'token',
    expiresAt: '2999-01-01T00:00:00Z',
  };
  client.setQueryData(SESSION_KEY, session);
  client.setQueryDefaults(SESSION_KEY, { staleTime: Number.POSITIVE_INFINITY });
  const { hook, searchHook } = memoryLocation({ path });
  return render(
    <MantineProvider env="test">
      <QueryClientProvider client={client}>
        <Notifications />
        <Router hook={hook} searchHook={searchHook}>
          <MandateProvider>{content}</MandateProvider>
        </Router>
      </QueryClientProvider>
    </MantineProvider>,
  );
}
