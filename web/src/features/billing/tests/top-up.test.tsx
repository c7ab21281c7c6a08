import { fireEvent, screen, waitFor } from '@testing-library/react';
import { beforeEach, expect, it } from 'vitest';
import { ApiProblem } from '../../../shared/api/index.ts';
import { leavePlace } from '../../../shared/session/index.ts';
import { answering, type Call, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import TopUp from '../top-up/top-up.tsx';
import { BASE, overview, POOL_BALANCE, posted } from './samples.ts';

prepareBrowser();
beforeEach(() => sessionStorage.clear());

const BY_HAND = { voucher: true, online: null, byHand: true, fromPool: true };
const READ = { [`GET ${BASE}/billing-overview`]: () => overview(), [`GET ${BASE}/balance`]: () => POOL_BALANCE };
const REDEEM = `POST ${BASE}/vouchers/redeem`;
const keysOf = (calls: readonly Call[], path: string) =>
  calls.filter((call) => `POST ${call.path}` === path).map(({ params }) => params.header?.['Idempotency-Key']);

async function redeem(code: string) {
  fireEvent.change(await screen.findByLabelText('Voucher code'), { target: { value: code } });
  fireEvent.click(screen.getByRole('button', { name: 'Redeem' }));
}

it('shows what is wrong with a voucher at its field', async () => {
  answering({
    ...READ,
    [REDEEM]: () => {
      throw new ApiProblem(404, 'voucher_unknown', 'There is no such voucher.', 'code');
    },
  });
  show(<TopUp />);
  await redeem('WRONG');
  await screen.findByText('There is no such voucher.');
  expect(screen.getByLabelText('Voucher code').getAttribute('aria-invalid')).toBe('true');
});

it('asks for a code before it asks the server', async () => {
  const calls = answering({ ...READ, [REDEEM]: () => posted() });
  show(<TopUp />);
  await redeem('  ');
  await screen.findByText('Please fill this in.');
  expect(keysOf(calls, REDEEM)).toEqual([]);
});

it('keeps the key over a retry after a lost answer, and takes a new one after success', async () => {
  let tries = 0;
  const path = `POST ${BASE}/top-ups`;
  const calls = answering({
    ...READ,
    [`GET ${BASE}/billing-overview`]: () => overview({ means: BY_HAND }),
    [path]: () => {
      tries += 1;
      if (tries === 1) throw new ApiProblem(0, 'network', '');
      return posted({ id: `posted-${tries}` });
    },
  });
  show(<TopUp />);
  const [amount] = await screen.findAllByLabelText('Amount');
  if (!amount) throw new Error('no field');
  const post = () => fireEvent.click(screen.getByRole('button', { name: 'Post top-up' }));
  fireEvent.change(amount, { target: { value: '1’250,50' } });
  post();
  await screen.findByText(/The server cannot be reached/);
  post();
  await screen.findByText('CHF 50.00 came in.');
  fireEvent.change(amount, { target: { value: '1250.50' } });
  post();
  await waitFor(() => expect(tries).toBe(3));
  const [first, again, next] = keysOf(calls, path);
  expect(again).toBe(first);
  expect(next).not.toBe(first);
  expect(calls.find(({ method }) => method === 'POST')?.body).toEqual({ amount: '1250.50' });
});

it('leads back to the conversation after a top-up', async () => {
  leavePlace('/workspace/0198');
  answering({ ...READ, [REDEEM]: () => posted() });
  show(<TopUp />);
  await redeem('ABCD-EFGH');
  const back = await screen.findByRole('link', { name: 'Back to your conversation' });
  expect(back.getAttribute('href')).toBe('/workspace/0198');
  expect(screen.getByText(/Balance after it: CHF 50.05/)).toBeTruthy();
});

it('has nothing but the question for a member whose calls the pool pays', async () => {
  const means = { voucher: true, online: null, byHand: false, fromPool: false };
  const calls = answering({
    ...READ,
    [`GET ${BASE}/billing-overview`]: () => overview({ seesPool: false, mayTopUp: false, means }),
    [`GET ${BASE}/top-up-requests`]: () => ({ requests: [], nextCursor: null }),
    [`POST ${BASE}/top-up-requests`]: ({ body }) => body,
  });
  show(<TopUp />, { role: 'member' });
  fireEvent.change(await screen.findByLabelText('What is it for?'), { target: { value: 'The report' } });
  fireEvent.click(screen.getByRole('button', { name: 'Send request' }));
  await screen.findByText('Your request was sent.');
  expect(calls.find(({ method }) => method === 'POST')?.body).toEqual({ reason: 'The report' });
  expect(screen.queryByLabelText('Voucher code')).toBeNull();
  expect(screen.queryByText('Move credit')).toBeNull();
});
