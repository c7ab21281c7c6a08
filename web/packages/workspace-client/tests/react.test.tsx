// @vitest-environment jsdom
import { act, cleanup, configure, render, screen, waitFor } from '@testing-library/react';
import { StrictMode } from 'react';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { WorkspaceOptions } from '../src/index.ts';
import { useWorkspace, type Workspace } from '../src/react.ts';
import { EXHAUSTED } from './support/billing.ts';
import { json, problem, ScriptedServer, Stream, sse, streamed, URL_OF_THREAD } from './support/server.ts';
import { begun, broken, counting, finished, started, THREAD, text } from './support/story.ts';

// On a machine that has more to do.
configure({ asyncUtilTimeout: 30_000 });

let server: ScriptedServer;
let workspace: Workspace;
let renderings: number;

beforeEach(() => {
  server = new ScriptedServer();
  renderings = 0;
});
afterEach(cleanup);

function Thread(options: WorkspaceOptions) {
  workspace = useWorkspace(options);
  renderings += 1;
  const { messages, status, error } = workspace;
  return (
    <main data-status={status}>
      {messages.map((message) => (
        <p key={message.id}>{message.content}</p>
      ))}
      {error?.kind === 'insufficient_balance' && <strong>{error.billing.messageEn}</strong>}
    </main>
  );
}

function thread(more: Partial<WorkspaceOptions> = {}) {
  return <Thread url={URL_OF_THREAD} fetch={server.fetch} {...more} />;
}

const status = () => screen.getByRole('main').dataset['status'];

it('shows a run from the first word to the top-up', async () => {
  const stream = new Stream();
  server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
  const newId = counting();
  render(thread({ newId }));
  await waitFor(() => expect(workspace.state.isLoaded).toBe(true));
  act(() => void workspace.send('Hello?'));
  expect(screen.getByText('Hello?')).toBeTruthy();
  expect(status()).toBe('sending');
  await waitFor(() => expect(status()).toBe('streaming'));
  stream.events(1, started(), begun(), text('Hi'));
  await screen.findByText('Hi');
  stream.events(4, broken('INSUFFICIENT_BALANCE', { billing: EXHAUSTED })).close();
  await screen.findByText(EXHAUSTED.messageEn);
  await waitFor(() => expect(status()).toBe('failed'));
  server.on('POST /runs/id-1/continue', streamed(sse(5, started(), begun(), text(' there'), finished())));
  await act(() => workspace.resume());
  expect(screen.getByText('Hi there')).toBeTruthy();
  expect(status()).toBe('idle');
  expect(screen.queryByText(EXHAUSTED.messageEn)).toBeNull();
});

it('takes up other options without a new connection', async () => {
  const stream = new Stream();
  server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
  const [first, second] = [vi.fn(), vi.fn()];
  const newId = counting();
  const view = render(thread({ newId, headers: { 'x-csrf-token': 'one' }, onError: first }));
  await waitFor(() => expect(workspace.state.isLoaded).toBe(true));
  act(() => void workspace.send('Hello?'));
  await waitFor(() => expect(status()).toBe('streaming'));
  const { send } = workspace;
  view.rerender(
    thread({ newId, headers: { 'x-csrf-token': 'two' }, onError: second, fetch: (...all) => server.fetch(...all) }),
  );
  expect(workspace.send).toBe(send);
  expect(stream.isLetGo).toBe(false);
  expect(server.lines).toEqual(['GET ', 'POST /runs']);
  server.on('POST /runs/id-1/stop', problem(403, 'csrf'));
  await act(() => workspace.stop());
  expect(server.last().headers.get('x-csrf-token')).toBe('two');
  expect(second).toHaveBeenCalledWith({ kind: 'forbidden', message: 'csrf', code: 'csrf' });
  expect(first).not.toHaveBeenCalled();
});

it('is another thread with another address, and lets go of the first', async () => {
  const stream = new Stream();
  const running = { id: 'r', status: 'RUNNING', stepCount: 0, cost: null, lastEventId: 0, error: null, billing: null };
  server.on('GET ', json({ ...THREAD, run: running })).on('GET /runs/r/events', stream.reply);
  const view = render(thread());
  await waitFor(() => expect(server.lines).toHaveLength(2));
  const other = 'https://bursar.example/other';
  server.on(`GET ${other}`, json({ ...THREAD, messages: [{ id: 'q', role: 'user', content: 'Elsewhere' }] }));
  view.rerender(thread({ url: other }));
  expect(stream.isLetGo).toBe(true);
  await screen.findByText('Elsewhere');
});

it('lets go when it leaves the page', async () => {
  const stream = new Stream();
  const running = { id: 'r', status: 'RUNNING', stepCount: 0, cost: null, lastEventId: 0, error: null, billing: null };
  server.on('GET ', json({ ...THREAD, run: running })).on('GET /runs/r/events', stream.reply);
  const view = render(thread());
  await waitFor(() => expect(server.lines).toHaveLength(2));
  view.unmount();
  expect(stream.isLetGo).toBe(true);
});

it('works in strict mode, where effects run twice', async () => {
  server.on('GET ', json(THREAD)).on('GET ', json(THREAD));
  render(<StrictMode>{thread()}</StrictMode>);
  await waitFor(() => expect(workspace.state.isLoaded).toBe(true));
  expect(workspace.error).toBeNull();
});

it('is the same object while nothing changes', async () => {
  server.on('GET ', json(THREAD));
  const view = render(thread());
  await waitFor(() => expect(workspace.state.isLoaded).toBe(true));
  const [before, count] = [workspace, renderings];
  view.rerender(thread({ onEnd: () => {} }));
  expect(renderings).toBe(count + 1);
  expect(workspace).toBe(before);
});
