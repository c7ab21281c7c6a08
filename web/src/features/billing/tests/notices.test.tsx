import { fireEvent, screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { ApiProblem } from '../../../shared/api/index.ts';
import { answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import { Recipients } from '../notices/recipients.tsx';
import { thresholdOf } from '../notices/thresholds.tsx';
import { BASE } from './samples.ts';

prepareBrowser();

const address = (name: string, state = 'ok', reason: string | null = null) => ({
  address: name,
  state,
  reason,
  since: null,
});
const WISHES = {
  lowBalanceThresholds: [],
  runningOutHours: 72,
  limitNearPercent: 80,
  notifyEmails: [address('finance@example.com'), address('gone@example.com', 'dead', '550 5.1.1')],
};

it('names the address that is none, and keeps what was typed', async () => {
  const message = 'notifyEmails: "finance@example" is not a valid e-mail address.';
  const calls = answering({
    [`GET ${BASE}/notice-settings`]: () => WISHES,
    [`PUT ${BASE}/billing-settings`]: () => {
      throw new ApiProblem(422, 'invalid', message, 'notifyEmails');
    },
  });
  show(<Recipients />);
  const field = await screen.findByRole('combobox', { name: 'Addresses' });
  field.focus();
  fireEvent.change(field, { target: { value: 'finance@example' } });
  fireEvent.keyDown(field, { key: 'Enter', code: 'Enter' });
  fireEvent.click(screen.getByRole('button', { name: 'Save' }));
  await screen.findByText('"finance@example" is not a valid e-mail address.');
  const put = calls.find(({ method }) => method === 'PUT');
  expect(put?.body).toEqual({ notifyEmails: ['finance@example.com', 'gone@example.com', 'finance@example'] });
  expect(screen.getByText('finance@example')).toBeTruthy();
});

it('shows how each address stands, and tries one', async () => {
  const calls = answering({
    [`GET ${BASE}/notice-settings`]: () => WISHES,
    [`POST ${BASE}/notices/test`]: () => ({ id: 'x', recipient: 'finance@example.com' }),
  });
  show(<Recipients />);
  await screen.findByText('does not exist, says its mail server');
  expect(screen.getByText(/550 5.1.1/)).toBeTruthy();
  fireEvent.click(screen.getByRole('button', { name: 'Send a test mail: finance@example.com' }));
  await screen.findByText(/A test mail to finance@example.com is on its way/);
  await waitFor(() =>
    expect(calls.find(({ method }) => method === 'POST')?.body).toEqual({ address: 'finance@example.com' }),
  );
});

it.each([
  ['20 %', '20%'],
  ["1'000,50", '1000.50'],
  ['much', 'much'],
])('a threshold of %s is sent as %s', (typed, sent) => expect(thresholdOf(typed)).toBe(sent));
