import { fireEvent, screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import { Bell } from '../bell.tsx';

prepareBrowser();

const INBOX = '/api/mandates/{mandateId}/inbox';
const item = (id: string, readAt: string | null) => ({
  id,
  kind: 'EXHAUSTED',
  createdAt: '2026-11-28T08:00:00Z',
  readAt,
  title: `Credit used up ${id}`,
  text: 'The AI credit of Helvetia Treuhand AG is used up.',
});

it('opens the inbox and marks one notice as read', async () => {
  let readAt: string | null = null;
  const calls = answering({
    [`GET ${INBOX}`]: () => ({ items: [item('new', readAt), item('old', '2026-11-28T09:00:00Z')], nextCursor: null }),
    [`POST ${INBOX}/{itemId}/read`]: () => {
      readAt = '2026-11-28T10:00:00Z';
      return { read: 1 };
    },
  });
  show(<Bell />);
  const bell = screen.getByRole('button', { name: 'Notices' });
  expect(calls).toEqual([]);
  fireEvent.click(bell);
  const mark = await screen.findByRole('button', { name: 'Mark as read: Credit used up new' });
  expect(screen.queryByRole('button', { name: 'Mark as read: Credit used up old' })).toBeNull();
  fireEvent.click(mark);
  await waitFor(() => expect(screen.queryByRole('button', { name: /Mark as read/ })).toBeNull());
  expect(calls.find(({ method }) => method === 'POST')?.params.path?.['itemId']).toBe('new');
});
