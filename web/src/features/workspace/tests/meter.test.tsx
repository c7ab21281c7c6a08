import { act, screen, waitFor } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { createFormat } from '../../../shared/i18n/index.ts';
import { balanceKey } from '../../../shared/live/index.ts';
import { amountLeft, callCost } from '../amounts.ts';
import { BudgetMeter, shareLeft } from '../meter.tsx';
import { ANNA, MANDATE, pool, prepareBrowser, show } from './surroundings.tsx';

prepareBrowser();

const meter = () => screen.queryByRole<HTMLMeterElement>('meter');
const text = (container: HTMLElement) => container.textContent?.replace(/\u00a0/g, ' ');

describe('the meter', () => {
  it('shows what is left, and moves', async () => {
    const { container, client } = show(<BudgetMeter />, { balance: pool('8.5'), overview: { spentThisMonth: '1.5' } });
    expect(text(container)).toContain('CHF 8.50 left');
    expect(meter()?.value).toBeCloseTo(0.85);
    act(() => void client.setQueryData(balanceKey(MANDATE), pool('3.25')));
    await waitFor(() => expect(text(container)).toContain('CHF 3.25 left'));
  });

  it('shows a member nothing of the pool', () => {
    const { container } = show(<BudgetMeter />, { role: 'member', balance: { currency: 'CHF', accounts: [] } });
    expect(text(container)).toBe('');
    expect(meter()).toBeNull();
  });

  it('shows one’s own wallet, where that pays', () => {
    const [own] = pool('2.5').accounts;
    if (own === undefined) throw new Error('no account');
    const balance = { currency: 'CHF', accounts: [{ ...own, payer: 'wallet' as const, userId: ANNA }] };
    const { container } = show(<BudgetMeter />, { role: 'member', balance, overview: { payer: 'wallet' } });
    expect(text(container)).toContain('CHF 2.50 left');
  });

  it('has no end where nothing is refused for money', () => {
    const { container } = show(<BudgetMeter />, { balance: pool('-4'), overview: { billingModel: 'UNLIMITED' } });
    expect(text(container)).toBe('Metered only');
  });
});

const plain = (amount: string) => amount.replace(/\u00a0/g, ' ');
const english = createFormat('en-CH');

it.each([
  ['12.345678901', 'CHF 12.35'],
  ['0.047595000', 'CHF 0.0475'],
  ['0.000099', 'CHF 0.00'],
])('of %s is left %s', (amount, shown) => {
  expect(plain(amountLeft(english, amount, 'CHF'))).toBe(shown);
});

it.each([
  ['1.234567', 'CHF 1.23'],
  ['0.012650000', 'CHF 0.0127'],
  ['0.000792', 'CHF 0.00079'],
  ['0', 'CHF 0.00'],
])('a call of %s costs %s', (amount, shown) => {
  expect(plain(callCost(english, amount, 'CHF'))).toBe(shown);
});

it.each([
  ['0', '0', 0],
  ['-1', '5', 0],
  ['5', '0', 1],
  ['1', '3', 0.25],
])('of %s left and %s spent the share is %d', (available, spent, share) => {
  expect(shareLeft(available, spent)).toBe(share);
});
