import { screen } from '@testing-library/react';
import { expect, it } from 'vitest';
import { ANNA, answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import { Overview } from '../overview/overview.tsx';
import { BASE, overview, POOL_BALANCE } from './samples.ts';

prepareBrowser();

it('shows what there is and how long it lasts to whoever sees the pool', async () => {
  const forecast = { perDay: '1.500000000', endsAt: new Date(Date.now() + 7.2 * 86_400_000).toISOString() };
  answering({
    [`GET ${BASE}/billing-overview`]: () => overview({ forecast }),
    [`GET ${BASE}/balance`]: () => POOL_BALANCE,
  });
  show(<Overview />);
  expect(await screen.findByText('CHF 10.00')).toBe(screen.getByTestId('available').firstElementChild);
  expect(screen.getByText('CHF 1.25')).toBeTruthy();
  expect(screen.getByText('next week, at CHF 1.50 a day')).toBeTruthy();
  expect(screen.getByText(/paid from the shared credit/)).toBeTruthy();
});

it('shows a member whose calls the pool pays no balance, and does not ask for one', async () => {
  const own = { ...POOL_BALANCE.accounts[0], payer: 'wallet', userId: ANNA, available: '0.000000000', posted: '0' };
  const calls = answering({
    [`GET ${BASE}/billing-overview`]: () => overview({ seesPool: false, mayTopUp: false }),
    [`GET ${BASE}/balance`]: () => ({ ...POOL_BALANCE, accounts: [own] }),
  });
  show(<Overview />, { role: 'member' });
  await screen.findByText(/Its balance is shown to its owner/);
  expect(screen.queryByTestId('available')).toBeNull();
  expect(screen.getByText('Your calls this month')).toBeTruthy();
  const asked = new Set(calls.map(({ path }) => path));
  expect([`${BASE}/balance-history`, `${BASE}/holds`].filter((path) => asked.has(path))).toEqual([]);
});
