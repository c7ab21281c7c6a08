import { expect, test } from 'vitest';
import type { Membership } from '../../../shared/session/index.ts';
import { mainAccount } from '../overview/figures.tsx';
import { TABS, tabsFor } from '../place.ts';

function as(role: Membership['role'], userId: string | null = 'me'): Membership {
  return { id: 'm', name: 'M', status: 'active', currency: 'CHF', timeZone: 'UTC', role, userId };
}

const account = (payer: 'pool' | 'wallet', userId: string | null, posted: string) => ({
  payer,
  userId,
  posted,
  held: '0',
  available: posted,
  creditLimit: '0',
});

test('owner, finance and operators see every part, members what is theirs', () => {
  for (const role of ['owner', 'finance', 'operator'] as const) expect(tabsFor(as(role))).toEqual(TABS);
  expect(tabsFor(as('member'))).toEqual(['overview', 'top-up', 'usage', 'journal', 'statements']);
});

test('the figures are about the pool for whoever sees it, else about one’s own wallet where it matters', () => {
  const accounts = [account('pool', null, '9'), account('wallet', 'other', '5'), account('wallet', 'me', '2')];
  const all = { currency: 'CHF', accounts };
  expect(mainAccount({ payer: 'wallet', seesPool: true }, as('finance'), all)?.payer).toBe('pool');
  expect(mainAccount({ payer: 'wallet', seesPool: false }, as('member'), all)?.userId).toBe('me');
  const empty = { currency: 'CHF', accounts: [account('wallet', 'me', '0')] };
  expect(mainAccount({ payer: 'pool', seesPool: false }, as('member'), empty)).toBeNull();
  expect(mainAccount({ payer: 'wallet', seesPool: false }, as('member'), empty)?.userId).toBe('me');
});
