import { screen } from '@testing-library/react';
import { beforeEach, expect, it } from 'vitest';
import type { PaymentAnswer } from '../../../shared/api/index.ts';
import { leavePlace } from '../../../shared/session/index.ts';
import { answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import PaymentReturn from '../top-up/payment-return.tsx';
import { BASE } from './samples.ts';

prepareBrowser();
beforeEach(() => sessionStorage.clear());

function payment(state: PaymentAnswer['state']): PaymentAnswer {
  return {
    id: 'payment',
    provider: 'stripe',
    state,
    amount: '50.000000000',
    currency: 'CHF',
    userId: null,
    createdAt: '2026-11-28T08:00:00Z',
    paidAt: null,
    creditedAt: null,
  };
}

it('waits for the provider’s word, and then leads back to the conversation', async () => {
  leavePlace('/workspace/0198');
  let asked = 0;
  answering({
    [`GET ${BASE}/payments/{paymentId}`]: () => {
      asked += 1;
      return payment(asked === 1 ? 'OPEN' : 'CREDITED');
    },
  });
  show(<PaymentReturn paymentId="payment" isCancelled={false} />);
  await screen.findByText(/Waiting for the payment to be confirmed/);
  await screen.findByText(/has been paid and credited/);
  expect(screen.getByRole('link', { name: 'Back to your conversation' }).getAttribute('href')).toBe('/workspace/0198');
});

it('says that nothing was paid where somebody turned back', async () => {
  const calls = answering({ [`GET ${BASE}/payments/{paymentId}`]: () => payment('OPEN') });
  show(<PaymentReturn paymentId="payment" isCancelled={true} />);
  await screen.findByText('The payment was cancelled. Nothing was paid.');
  expect(calls).toHaveLength(1);
});

it('says that nothing was credited where the payment failed', async () => {
  answering({ [`GET ${BASE}/payments/{paymentId}`]: () => payment('FAILED') });
  show(<PaymentReturn paymentId="payment" isCancelled={false} />);
  await screen.findByText('The payment did not go through. Nothing was credited.');
});
