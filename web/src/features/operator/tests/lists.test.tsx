import { fireEvent, screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import type { PriceAnswer, VerificationAnswer } from '../../../shared/api/index.ts';
import { answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import Books from '../books/books.tsx';
import Prices from '../prices.tsx';
import { csvOf } from '../vouchers/make-vouchers.tsx';
import Vouchers from '../vouchers/vouchers.tsx';

prepareBrowser();

const VOUCHER = {
  id: 'v1',
  state: 'open',
  hint: 'BUR-7K2M',
  amount: '20.000000000',
  currency: 'CHF',
  mandateId: null,
  note: 'Workshop',
  expiresAt: '2027-11-28T22:59:59Z',
  createdBy: 'root',
  createdAt: '2026-11-28T08:00:00Z',
  revokedAt: null,
  redeemedAt: null,
  redeemedBy: null,
  redeemedForMandateId: null,
  redeemedForUserId: null,
  transferId: null,
} as const;
const CODE = 'BUR-7K2M-SECRET-CODE';

it('shows the codes of new vouchers once', async () => {
  const calls = answering({
    'GET /api/vouchers': () => ({ vouchers: [VOUCHER], nextCursor: null }),
    'POST /api/vouchers': () => ({ vouchers: [{ ...VOUCHER, code: CODE }] }),
  });
  show(<Vouchers />, { operator: true });
  fireEvent.click(await screen.findByRole('button', { name: 'Make vouchers' }));
  fireEvent.change(await screen.findByLabelText('Amount of each'), { target: { value: '20' } });
  fireEvent.submit(screen.getByLabelText('Amount of each'));
  expect(await screen.findByText(CODE)).toBeTruthy();
  expect(calls.find(({ method }) => method === 'POST')?.body).toMatchObject({
    amount: '20',
    count: 1,
    mandateId: null,
  });
  fireEvent.click(screen.getByRole('button', { name: 'I have stored them' }));
  await waitFor(() => expect(document.body.innerHTML).not.toContain(CODE));
});

it('hands codes on as a table', () => {
  expect(csvOf([{ ...VOUCHER, code: CODE }])).toBe(
    `code,amount,currency,expiresAt\n${CODE},20.000000000,CHF,2027-11-28T22:59:59Z\n`,
  );
});

const price = (model: string, problem: PriceAnswer['problem']): PriceAnswer => ({
  model,
  upstream: 'openai',
  currency: 'CHF',
  inputPerMillion: problem ? null : '1.250000000',
  problem: problem ?? null,
});

it('puts models that cannot be used before the others, and counts them', async () => {
  answering({
    'GET /api/prices': () => ({
      currency: 'CHF',
      prices: [price('gpt-5-mini', null), price('house-model', 'NOT_PRICED')],
      nextCursor: null,
    }),
  });
  show(<Prices />, { operator: true });
  expect(await screen.findByText('One model cannot be used.')).toBeTruthy();
  const rows = screen.getAllByRole('row').map((row) => row.textContent);
  expect(rows[1]).toContain('house-model');
  expect(rows[1]).toContain('No price: calls are refused');
  expect(rows[2]).toContain('gpt-5-mini');
});

it('watches a verification to its end, and opens what it found', async () => {
  const verification: VerificationAnswer = {
    id: 'check',
    state: 'RUNNING',
    mandateId: null,
    startedBy: 'root',
    startedAt: '2026-11-28T08:00:00Z',
    endedAt: null,
    violations: null,
    warnings: null,
    findings: [],
  };
  let reads = 0;
  answering({
    'GET /api/verifications': () => {
      reads += 1;
      const ended: VerificationAnswer = {
        ...verification,
        state: 'VIOLATED',
        endedAt: '2026-11-28T08:00:02Z',
        violations: 1,
        warnings: 0,
        findings: [
          {
            invariant: 'accounts equal their journal',
            mandateId: '11111111-1111-4111-8111-111111111111',
            subject: 'account pool',
            detail: 'off by 0.01',
            isWarning: false,
          },
        ],
      };
      return { verifications: [reads === 1 ? verification : ended], nextCursor: null };
    },
  });
  show(<Books />, { operator: true });
  expect(await screen.findByText('Verification is running …')).toBeTruthy();
  fireEvent.click(await screen.findByRole('button', { name: 'Show findings' }));
  expect(await screen.findByText(/off by 0\.01/)).toBeTruthy();
});
