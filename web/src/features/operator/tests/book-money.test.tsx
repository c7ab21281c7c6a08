import { fireEvent, screen, waitFor } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { ApiProblem, type MandateAnswer } from '../../../shared/api/index.ts';
import { answering, MANDATE, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import { amountInWords } from '../mandates/amount-in-words.ts';
import { BookMoney } from '../mandates/book-money.tsx';

prepareBrowser();

const TOP_UPS = 'POST /api/mandates/{mandateId}/top-ups';
const CORRECTIONS = 'POST /api/mandates/{mandateId}/corrections';
const mandate: MandateAnswer = {
  id: MANDATE,
  name: 'Helvetia Treuhand AG',
  currency: 'CHF',
  status: 'active',
  billingModel: 'PREPAY_MANDATE',
  language: 'de',
  timeZone: 'Europe/Zurich',
  createdAt: '2026-11-01T09:00:00Z',
};

function type(amount: string) {
  fireEvent.change(screen.getByLabelText('Amount (CHF)'), { target: { value: amount } });
  fireEvent.click(screen.getByRole('button', { name: 'Next' }));
}

describe('a top-up', () => {
  it('is asked for once more in words, and only then posted', async () => {
    const calls = answering({ [TOP_UPS]: () => ({ balance: '60.000000000', currency: 'CHF' }) });
    show(<BookMoney mandate={mandate} />, { operator: true });
    type("1'050,5");
    expect(
      await screen.findByText('1,050.50 Swiss francs are credited: Shared credit, Helvetia Treuhand AG.'),
    ).toBeTruthy();
    expect(calls.some(({ method }) => method === 'POST')).toBe(false);
    fireEvent.click(screen.getByRole('button', { name: /^Post CHF\s1,050\.50$/ }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    const [posted] = calls.filter(({ method }) => method === 'POST');
    expect(posted?.body).toEqual({ amount: '1050.5', userId: null, reference: null });
    expect(screen.getByLabelText<HTMLInputElement>('Amount (CHF)').value).toBe('');
  });

  it('whose answer was lost is asked for again under the same key, and another under another', async () => {
    let tries = 0;
    const calls = answering({
      [TOP_UPS]: () => {
        tries += 1;
        if (tries === 1) throw new ApiProblem(0, 'network', '');
        return { balance: '60.000000000', currency: 'CHF' };
      },
    });
    show(<BookMoney mandate={mandate} />, { operator: true });
    type('50');
    fireEvent.click(await screen.findByRole('button', { name: /^Post/ }));
    expect(await screen.findByText(/server cannot be reached/)).toBeTruthy();
    fireEvent.click(screen.getByRole('button', { name: /^Post/ }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    type('50');
    fireEvent.click(await screen.findByRole('button', { name: /^Post/ }));
    await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
    const keys = calls
      .filter(({ method }) => method === 'POST')
      .map(({ params }) => params.header?.['Idempotency-Key']);
    expect(keys).toHaveLength(3);
    expect(keys[0]).toBe(keys[1]);
    expect(keys[2]).not.toBe(keys[1]);
  });
});

it('says at the amount what is no amount, and asks nothing', async () => {
  answering({});
  show(<BookMoney mandate={mandate} />, { operator: true });
  type('a lot');
  expect(await screen.findByText(/That is no amount/)).toBeTruthy();
  expect(screen.queryByRole('dialog')).toBeNull();
});

it('says at the amount what the API has against it', async () => {
  answering({
    [TOP_UPS]: () => {
      throw new ApiProblem(422, 'invalid_request', 'amount: must not be zero', 'amount');
    },
  });
  show(<BookMoney mandate={mandate} />, { operator: true });
  type('0');
  fireEvent.click(await screen.findByRole('button', { name: /^Post/ }));
  expect(await screen.findByText('Must not be zero')).toBeTruthy();
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
});

it('corrects with a sign, and wants a reason', async () => {
  const calls = answering({ [CORRECTIONS]: () => ({ balance: null, currency: 'CHF' }) });
  show(<BookMoney mandate={mandate} />, { operator: true });
  fireEvent.click(screen.getByLabelText('Correction'));
  type('-5');
  expect(await screen.findByText(/Say why/)).toBeTruthy();
  fireEvent.change(screen.getByLabelText('Reason'), { target: { value: 'Billed twice' } });
  fireEvent.click(screen.getByRole('button', { name: 'Next' }));
  expect(await screen.findByText(/Correction by -5\.00 Swiss francs/)).toBeTruthy();
  fireEvent.click(screen.getByRole('button', { name: /^Post/ }));
  await waitFor(() => expect(calls.some(({ method }) => method === 'POST')).toBe(true));
  expect(calls.find(({ method }) => method === 'POST')?.body).toEqual({
    amount: '-5',
    userId: null,
    reason: 'Billed twice',
  });
});

it('names the currency in the language of the reader, with every decimal', () => {
  expect(amountInWords('0.000000001', 'EUR', 'de-CH')).toBe('0.000000001 Euro');
  expect(amountInWords('20', 'CHF', 'it-CH')).toBe('20.00 franchi svizzeri');
});
