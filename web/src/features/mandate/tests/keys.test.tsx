import { fireEvent, screen, waitFor } from '@testing-library/react';
import { describe, expect, it } from 'vitest';
import { ApiProblem } from '../../../shared/api/index.ts';
import { ANNA, answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import { exampleCall, stateOf } from '../keys/key-state.ts';
import { Keys } from '../keys/keys.tsx';
import { apiKey, KEYS, newKey, SECRET, USERS, user } from './samples.ts';

prepareBrowser();

const ONE_KEY = {
  [`GET ${KEYS}`]: () => ({ keys: [apiKey()], nextCursor: null }),
  [`GET ${USERS}`]: () => ({ users: [user()], nextCursor: null }),
};

async function fillIn(name: string) {
  fireEvent.click(screen.getByRole('button', { name: 'Create key' }));
  fireEvent.change(await screen.findByLabelText('Name'), { target: { value: name } });
  fireEvent.submit(screen.getByLabelText('Name'));
}

describe('the text of a new key', () => {
  it('is shown once, with a call to try, and is gone when its dialog is closed', async () => {
    const calls = answering({ ...ONE_KEY, [`POST ${KEYS}`]: () => newKey() });
    show(<Keys />);
    await fillIn('Laptop');
    expect(await screen.findByText(SECRET)).toBeTruthy();
    expect(screen.getByText(/curl .*\/v1\/models/)).toBeTruthy();
    expect(calls.find(({ method }) => method === 'POST')?.body).toMatchObject({
      kind: 'user',
      userId: ANNA,
      name: 'Laptop',
      expiresAt: null,
      allowedModels: null,
      maxCallsPerMinute: null,
    });
    fireEvent.click(screen.getByRole('button', { name: 'I have stored it' }));
    await waitFor(() => expect(document.body.textContent).not.toContain(SECRET));
    fireEvent.click(screen.getByRole('button', { name: 'Create key' }));
    await screen.findByRole('dialog', { name: 'Create key' });
    expect(document.body.innerHTML).not.toContain(SECRET);
  });

  it('is not closed by Escape', async () => {
    answering({ ...ONE_KEY, [`POST ${KEYS}`]: () => newKey() });
    show(<Keys />);
    await fillIn('Laptop');
    fireEvent.keyDown(await screen.findByText(SECRET), { key: 'Escape' });
    expect(screen.getByText(SECRET)).toBeTruthy();
  });

  it('of a management key tells of managing, and tries the management API', () => {
    const call = exampleCall({ kind: 'admin', readOnlyBilling: true }, 'bur_x', 'id');
    expect(call).toContain('/api/mandates/id/balance');
    expect(exampleCall({ kind: 'service', readOnlyBilling: false }, 'bur_x', 'id')).toContain('/v1/models');
  });
});

it('says a refusal at the field that it names, in the words of the API without the name', async () => {
  answering({
    ...ONE_KEY,
    [`POST ${KEYS}`]: () => {
      throw new ApiProblem(422, 'invalid_request', 'name: must have 1 to 300 characters', 'name');
    },
  });
  show(<Keys />);
  await fillIn('');
  expect(await screen.findByText('Must have 1 to 300 characters')).toBeTruthy();
  await waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText('Name')));
  expect(screen.getByLabelText('Name').getAttribute('aria-invalid')).toBe('true');
});

it('lets members make user keys of their own only', async () => {
  answering(ONE_KEY);
  show(<Keys />, { role: 'member' });
  fireEvent.click(screen.getByRole('button', { name: 'Create key' }));
  await screen.findByRole('dialog', { name: 'Create key' });
  expect(screen.queryByLabelText('Kind')).toBeNull();
  expect(screen.queryByLabelText('Person')).toBeNull();
});

it('asks before it revokes, and does nothing when that is called off', async () => {
  const calls = answering({ ...ONE_KEY, [`DELETE ${KEYS}/{keyId}`]: () => undefined });
  show(<Keys />);
  const revoke = async () => {
    fireEvent.click(await screen.findByRole('button', { name: 'Actions for Laptop' }));
    fireEvent.click(await screen.findByRole('menuitem', { name: 'Revoke' }));
    await screen.findByRole('dialog', { name: 'Revoke Laptop?' });
  };
  await revoke();
  fireEvent.click(screen.getByRole('button', { name: 'Cancel' }));
  await waitFor(() => expect(screen.queryByRole('dialog')).toBeNull());
  expect(calls.some(({ method }) => method === 'DELETE')).toBe(false);
  await revoke();
  fireEvent.click(screen.getByRole('button', { name: 'Revoke' }));
  await waitFor(() => expect(calls.some(({ method }) => method === 'DELETE')).toBe(true));
});

it('hides keys that have ended until they are asked for', async () => {
  const ended = apiKey({ id: 'gone', name: 'Old', revokedAt: '2026-11-02T09:00:00Z' });
  answering({ ...ONE_KEY, [`GET ${KEYS}`]: () => ({ keys: [apiKey(), ended], nextCursor: null }) });
  show(<Keys />);
  await screen.findByText('Laptop');
  expect(screen.queryByText('Old')).toBeNull();
  fireEvent.click(screen.getByLabelText('Show ended keys'));
  expect(screen.getByText('Old')).toBeTruthy();
  expect(screen.queryByRole('button', { name: 'Actions for Old' })).toBeNull();
});

describe('the state of a key', () => {
  const now = new Date('2026-11-28T08:00:00Z');
  it.each([
    [{ revokedAt: null, expiresAt: null }, 'active'],
    [{ revokedAt: null, expiresAt: '2026-11-28T08:00:01Z' }, 'until'],
    [{ revokedAt: null, expiresAt: '2026-11-28T08:00:00Z' }, 'expired'],
    [{ revokedAt: '2026-11-01T08:00:00Z', expiresAt: '2026-11-02T08:00:00Z' }, 'revoked'],
  ])('of %j is %s', (key, expected) => {
    expect(stateOf(key, now).is).toBe(expected);
  });
});
