import { fireEvent, screen, waitFor } from '@testing-library/react';
import { expect, it } from 'vitest';
import { ApiProblem, type EndpointAnswer } from '../../../shared/api/index.ts';
import { answering, prepareBrowser, show } from '../../../shared/testing/surroundings.tsx';
import { Webhooks } from '../notices/endpoints.tsx';
import { BASE } from './samples.ts';

prepareBrowser();

const WEBHOOKS = `${BASE}/webhooks`;

function webhook(fields: Partial<EndpointAnswer> = {}): EndpointAnswer {
  return {
    id: 'hook',
    url: 'https://books.example/hook',
    createdAt: '2026-11-01T08:00:00Z',
    failingSince: null,
    disabledAt: null,
    disabledReason: null,
    ...fields,
  };
}

it('shows a new webhook’s secret once, and what is wrong with its URL at the field', async () => {
  let tries = 0;
  answering({
    [`GET ${WEBHOOKS}`]: () => ({ webhooks: [webhook()] }),
    [`POST ${WEBHOOKS}`]: () => {
      tries += 1;
      if (tries === 1) throw new ApiProblem(422, 'invalid_request', 'url: must be https', 'url');
      return { id: 'new', secret: 'whsec_only_now' };
    },
  });
  show(<Webhooks />);
  fireEvent.click(await screen.findByRole('button', { name: 'Add a webhook' }));
  const url = await screen.findByLabelText('URL');
  fireEvent.change(url, { target: { value: 'http://books.example' } });
  fireEvent.submit(url);
  await screen.findByText('Must be https');
  fireEvent.change(url, { target: { value: 'https://books.example' } });
  fireEvent.submit(url);
  await screen.findByText('whsec_only_now');
  for (const close of screen.getAllByRole('button', { name: 'Close' }).slice(-1)) fireEvent.click(close);
  await waitFor(() => expect(screen.queryByText('whsec_only_now')).toBeNull());
});

it('switches on again what was switched off, with what it has missed', async () => {
  const off = {
    failingSince: '2026-11-20T08:00:00Z',
    disabledAt: '2026-11-23T08:00:00Z',
    disabledReason: 'three days',
  };
  const calls = answering({
    [`GET ${WEBHOOKS}`]: () => ({ webhooks: [webhook(off)] }),
    [`POST ${WEBHOOKS}/{webhookId}/replay`]: () => ({ queued: 2 }),
  });
  show(<Webhooks />);
  fireEvent.click(await screen.findByRole('button', { name: 'Switch on again: https://books.example/hook' }));
  await screen.findByText('Switched on again. What was missed is sent.');
  expect(calls.find(({ method }) => method === 'POST')?.body).toEqual({ since: '2026-11-20T08:00:00Z' });
});
