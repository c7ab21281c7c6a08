import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WorkspaceState } from '../src/index.ts';
import { json, ScriptedServer, settled, sse, streamed, until } from './support/server.ts';
import { begun, finished, held, run, started, THREAD, text, workspace } from './support/story.ts';

const answer = (state: WorkspaceState) => state.messages.find((message) => message.role === 'assistant')?.content;
let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
  expect(server.left).toBe(0);
});

describe('held funds', () => {
  it('are waited for, with a countdown, and the run goes on by itself', async () => {
    server.on('GET ', json(THREAD)).on('POST /runs', streamed(sse(1, started(), held)));
    server.on('POST /runs/id-1/continue', streamed(sse(3, started(), held)));
    server.on('POST /runs/id-1/continue', streamed(sse(5, started(), begun(), text('Hi'), finished())));
    const onEnd = vi.fn();
    const store = workspace(server, { onEnd });
    const done = store.send('Hello?');
    await until(() => store.getState().retryAt !== null);
    expect(store.getState()).toMatchObject({
      status: 'failed',
      retryAt: Date.now() + 2000,
      error: { billing: { reason: 'FUNDS_HELD' } },
    });
    await vi.advanceTimersByTimeAsync(1999);
    await settled();
    expect(server.lines).toEqual(['GET ', 'POST /runs']);
    await vi.advanceTimersByTimeAsync(1);
    await until(() => store.getState().lastEventId === 4 && store.getState().retryAt !== null);
    expect(store.getState().retryAt).toBe(Date.now() + 2000);
    await vi.advanceTimersByTimeAsync(2000);
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', error: null, retryAt: null });
    expect(answer(store.getState())).toBe('Hi');
    expect(onEnd).toHaveBeenCalledTimes(3);
  });

  it('are not tried for ever: after twenty times in a row somebody decides', async () => {
    server.on('GET ', json(THREAD)).on('POST /runs', streamed(sse(1, started(), held)));
    for (let time = 0; time < 20; time += 1) {
      server.on('POST /runs/id-1/continue', streamed(sse(3 + 2 * time, started(), held)));
    }
    const store = workspace(server);
    const done = store.send('Hello?');
    for (let time = 0; time < 20; time += 1) {
      await until(() => store.getState().retryAt !== null && store.getState().lastEventId === 2 + 2 * time);
      await vi.advanceTimersByTimeAsync(2000);
    }
    await done;
    expect(store.getState()).toMatchObject({ status: 'failed', retryAt: null, resumption: 'continue' });
    await vi.advanceTimersByTimeAsync(60_000);
    server.on('POST /runs/id-1/continue', streamed(sse(43, started(), finished())));
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'idle', error: null });
  });

  const waiting = async () => {
    server.on('GET ', json(THREAD)).on('POST /runs', streamed(sse(1, started(), held)));
    const store = workspace(server);
    void store.send('Hello?');
    await until(() => store.getState().retryAt !== null);
    return store;
  };

  it.each(['stop', 'close'] as const)('are not waited for after %s', async (ending) => {
    const store = await waiting();
    await store[ending]();
    expect(store.getState()).toMatchObject({ status: 'failed', retryAt: null, resumption: 'continue' });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.lines).toEqual(['GET ', 'POST /runs']);
  });

  it('are tried at once by resume', async () => {
    const store = await waiting();
    server.on('POST /runs/id-1/continue', streamed(sse(3, started(), finished())));
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'idle', retryAt: null });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(server.lines).toHaveLength(3);
  });

  it('are still waited for when the thread is read meanwhile', async () => {
    const store = await waiting();
    const { retryAt, error } = store.getState();
    const billing = error?.kind === 'insufficient_balance' ? error.billing : null;
    const parked = { ...THREAD, run: run({ id: 'id-1', status: 'PARKED', lastEventId: 2, billing }) };
    server.on('GET ', json(parked)).on('POST /runs/id-1/continue', streamed(sse(3, started(), finished())));
    await vi.advanceTimersByTimeAsync(500);
    const done = store.load();
    await until(() => store.getState().retryAt === retryAt && server.lines.length === 3);
    await vi.advanceTimersByTimeAsync(1500);
    await done;
    expect(store.getState().status).toBe('idle');
  });

  it('are not waited for where that is switched off, nor when an old thread is opened', async () => {
    server.on('GET ', json(THREAD)).on('POST /runs', streamed(sse(1, started(), held)));
    const store = workspace(server, { retryHeldFunds: false });
    await store.send('Hello?');
    expect(store.getState()).toMatchObject({ status: 'failed', retryAt: null, resumption: 'continue' });
    const error = store.getState().error;
    const billing = error?.kind === 'insufficient_balance' ? error.billing : null;
    server.on('GET ', json({ ...THREAD, run: run({ status: 'PARKED', billing }) }));
    const other = workspace(server);
    await other.load();
    expect(other.getState()).toMatchObject({ status: 'failed', retryAt: null, resumption: 'continue' });
  });
});
