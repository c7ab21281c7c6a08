import { expect, it } from 'vitest';
import { type Account, merged, renewed } from './live.ts';

const account = (payer: 'pool' | 'wallet', userId: string | null, available: string): Account => ({
  payer,
  userId,
  posted: available,
  held: '0.000000000',
  available,
  creditLimit: '0.000000000',
});

it('keeps accounts that did not change, and what only the first answer told', () => {
  const before = {
    currency: 'CHF',
    accounts: [account('pool', null, '10'), { ...account('wallet', 'anna', '2'), userName: 'Anna' }],
  };
  const after = merged(before, { currency: 'CHF', accounts: [account('wallet', 'anna', '1.5')] });
  expect(after.accounts).toEqual([before.accounts[0], { ...before.accounts[1], available: '1.5', posted: '1.5' }]);
});

it('takes the first event as it is, and new wallets behind the others', () => {
  const first = { currency: 'CHF', accounts: [account('pool', null, '10')] };
  expect(merged(undefined, first)).toEqual(first);
  expect(merged(first, { currency: 'CHF', accounts: [account('wallet', 'beat', '1')] }).accounts).toHaveLength(2);
});

it('forgets accounts that the first event of a connection does not have, and keeps the names of the others', () => {
  const before = {
    currency: 'CHF',
    accounts: [account('pool', null, '10'), { ...account('wallet', 'anna', '2'), userName: 'Anna' }],
  };
  const after = renewed(before, { currency: 'CHF', accounts: [account('wallet', 'anna', '3')] });
  expect(after.accounts).toEqual([{ ...account('wallet', 'anna', '3'), userName: 'Anna' }]);
});
