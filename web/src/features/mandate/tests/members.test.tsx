import { fireEvent, screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { ApiProblem } from '../../../shared/api/index.ts';
import { answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import { Members } from '../members/members.tsx';
import { USERS, user } from './samples.ts';

prepareBrowser();

const BEAT = user({ id: 'beat', displayName: 'Beat Beispiel', email: 'beat@example.ch', role: 'member' });
const BALANCE = 'GET /api/mandates/{mandateId}/balance';
const LISTED = {
  [`GET ${USERS}`]: () => ({ users: [user(), BEAT], nextCursor: null }),
  [`GET ${USERS}/{userId}`]: () => BEAT,
};

async function choose(action: string) {
  fireEvent.click(await screen.findByRole('button', { name: 'Actions for Beat Beispiel' }));
  fireEvent.click(await screen.findByRole('menuitem', { name: action }));
}

it('searches by name and address, and reads the whole list to do so', async () => {
  const calls = answering({
    ...LISTED,
    [`GET ${USERS}`]: ({ params }) =>
      params.query?.['cursor'] === 'next' || params.query?.['limit']
        ? { users: [BEAT], nextCursor: null }
        : { users: [user()], nextCursor: 'next' },
  });
  show(<Members />);
  await screen.findByText('Anna Muster');
  expect(screen.queryByText('Beat Beispiel')).toBeNull();
  fireEvent.change(screen.getByLabelText('Search'), { target: { value: 'BEAT@' } });
  expect(await screen.findByText('Beat Beispiel')).toBeTruthy();
  expect(screen.queryByText('Anna Muster')).toBeNull();
  expect(calls.some(({ params }) => params.query?.['cursor'] === 'next')).toBe(true);
});

it('changes somebody on the version that was read', async () => {
  const calls = answering({ ...LISTED, [`PATCH ${USERS}/{userId}`]: () => BEAT });
  show(<Members />);
  await choose('Edit');
  const name = await screen.findByLabelText('Name');
  fireEvent.change(name, { target: { value: 'Beat B.' } });
  fireEvent.submit(name);
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  const patch = calls.find(({ method }) => method === 'PATCH');
  expect(patch?.params.header).toEqual({ 'If-Match': '"7"' });
  expect(patch?.body).toMatchObject({ displayName: 'Beat B.', role: 'member', language: null });
});

it('keeps what was typed when somebody else was faster, and says so', async () => {
  answering({
    ...LISTED,
    [`PATCH ${USERS}/{userId}`]: () => {
      throw new ApiProblem(412, 'changed_meanwhile', 'Changed since you read it.', 'If-Match');
    },
  });
  show(<Members />);
  await choose('Edit');
  const name = await screen.findByLabelText<HTMLInputElement>('Name');
  fireEvent.change(name, { target: { value: 'Beat B.' } });
  fireEvent.submit(name);
  expect(await screen.findByText('Changed since you read it.')).toBeTruthy();
  expect(name.value).toBe('Beat B.');
});

it('tells what a removal ends, with what is left in the wallet', async () => {
  const wallet = {
    payer: 'wallet',
    userId: 'beat',
    posted: '4.500000000',
    held: '0',
    available: '4.5',
    creditLimit: '0',
  };
  const calls = answering({
    ...LISTED,
    [BALANCE]: () => ({ currency: 'CHF', accounts: [wallet], nextCursor: null }),
    [`DELETE ${USERS}/{userId}`]: () => undefined,
  });
  show(<Members />);
  await choose('Remove');
  await screen.findByRole('dialog', { name: 'Remove Beat Beispiel?' });
  expect(await screen.findByText(/CHF\s4\.50.*returns to the shared one/)).toBeTruthy();
  expect(screen.getByText(/All keys end at once/)).toBeTruthy();
  expect(screen.getByText(/All sessions end/)).toBeTruthy();
  expect(calls.some(({ method }) => method === 'DELETE')).toBe(false);
  fireEvent.click(screen.getByRole('button', { name: 'Remove' }));
  await waitFor(() => expect(calls.some(({ method }) => method === 'DELETE')).toBe(true));
});
