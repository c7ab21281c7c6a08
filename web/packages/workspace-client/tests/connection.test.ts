import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WorkspaceOptions, WorkspaceState } from '../src/index.ts';
import { eventsOf, RECORDINGS, stateAfter } from './support/recordings.ts';
import { json, LOST, problem, ScriptedServer, Stream, settled, sse, streamed, until } from './support/server.ts';
import { begun, finished, run, started, THREAD, text, workspace } from './support/story.ts';

const answer = (state: WorkspaceState) => state.messages.find((message) => message.role === 'assistant')?.content;
const EVENTS = 'GET /runs/id-1/events';
let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  server = new ScriptedServer();
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
  expect(server.left).toBe(0);
});

/** A run whose stream a test has in its hands, after `Hi`. */
async function running(more: Partial<WorkspaceOptions> = {}) {
  const stream = new Stream();
  server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
  const store = workspace(server, more);
  const done = store.send('Hello?');
  await until(() => store.getState().status === 'streaming');
  stream.events(1, started(), begun(), text('Hi'));
  await until(() => answer(store.getState()) === 'Hi');
  return { stream, store, done };
}

describe('a stream that breaks', () => {
  it.each(['close', 'breakOff'] as const)('is taken up after the last event that came (%s)', async (how) => {
    const { stream, store, done } = await running();
    server.on(EVENTS, streamed(sse(4, text(' there'), finished())));
    stream[how]();
    await until(() => store.getState().status === 'reconnecting' || server.lines.length === 3);
    await done;
    expect(server.last().headers.get('last-event-id')).toBe('3');
    expect(store.getState()).toMatchObject({ status: 'idle', error: null });
    expect(answer(store.getState())).toBe('Hi there');
  });

  it('is the same answer where events come twice, and they are told once', async () => {
    const onEvent = vi.fn();
    const { stream, store, done } = await running({ onEvent });
    server.on(EVENTS, streamed(sse(1, started(), begun(), text('Hi'), text(' there'), finished())));
    stream.breakOff();
    await done;
    expect(answer(store.getState())).toBe('Hi there');
    expect(onEvent).toHaveBeenCalledTimes(5);
  });

  it.each(RECORDINGS)('may break at any event (%s)', async (name, whole) => {
    const events = eventsOf(whole);
    const first = events[0]?.id ?? 1;
    const told = events.map(({ event }) => event);
    const runId = told[0]?.type === 'RUN_STARTED' ? told[0].runId : '';
    const newId = () => runId;
    const expected = stateAfter(events).messages;
    for (let count = 1; count < events.length; count += 1) {
      const stream = new Stream();
      server = new ScriptedServer();
      server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
      server.on(`GET /runs/${runId}/events`, streamed(sse(first + count, ...told.slice(count))));
      const store = workspace(server, { newId, retryHeldFunds: false });
      const done = store.send(name);
      await until(() => store.getState().status === 'streaming');
      stream.events(first, ...told.slice(0, count));
      await until(() => store.getState().lastEventId === first + count - 1);
      stream.breakOff();
      await done;
      expect(store.getState().messages.slice(1)).toEqual(expected);
      expect(server.last().headers.get('last-event-id')).toBe(String(first + count - 1));
    }
  });

  it('is tried again and again, ever more slowly, while the network is away', async () => {
    const { stream, store, done } = await running();
    server.on(EVENTS, LOST).on(EVENTS, problem(503, 'down')).on(EVENTS, LOST);
    server.on(EVENTS, streamed(sse(4, text(' there'), finished())));
    stream.breakOff();
    for (const [place, millis] of [500, 1000, 2000].entries()) {
      await until(() => server.lines.length === 3 + place && store.getState().status === 'reconnecting');
      await settled();
      await vi.advanceTimersByTimeAsync(millis - 1);
      await settled();
      expect(server.lines).toHaveLength(3 + place);
      await vi.advanceTimersByTimeAsync(1);
    }
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', error: null });
    expect(answer(store.getState())).toBe('Hi there');
  });

  it('is not tried more slowly where something came meanwhile', async () => {
    const { stream, store, done } = await running();
    server.on(EVENTS, streamed(sse(4, text('.')))).on(EVENTS, streamed(sse(5, text('.'))));
    server.on(EVENTS, streamed(sse(6, finished())));
    stream.breakOff();
    for (const requests of [3, 4]) {
      await until(() => server.lines.length === requests && store.getState().status === 'reconnecting');
      await settled();
      await vi.advanceTimersByTimeAsync(500);
    }
    await done;
    expect(answer(store.getState())).toBe('Hi..');
  });

  it('is tried at once where the browser is told of a network again', async () => {
    const browser = new EventTarget();
    const listen = vi.spyOn(browser, 'addEventListener');
    const leave = vi.spyOn(browser, 'removeEventListener');
    vi.stubGlobal('addEventListener', browser.addEventListener.bind(browser));
    vi.stubGlobal('removeEventListener', browser.removeEventListener.bind(browser));
    const { stream, store, done } = await running();
    server.on(EVENTS, LOST).on(EVENTS, streamed(sse(4, text(' there'), finished())));
    stream.breakOff();
    await until(() => listen.mock.calls.length > 0);
    browser.dispatchEvent(new Event('online'));
    await done;
    expect(answer(store.getState())).toBe('Hi there');
    expect(leave).toHaveBeenCalledTimes(listen.mock.calls.length);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is given up when it is said so, and resume listens again', async () => {
    const store = workspace(server, { reconnectMillis: (attempt) => (attempt < 1 ? 10 : null) });
    const stream = new Stream();
    server.on('GET ', json(THREAD)).on('POST /runs', stream.reply).on(EVENTS, LOST).on(EVENTS, LOST);
    const done = store.send('Hello?');
    await until(() => store.getState().status === 'streaming');
    stream.events(1, started(), begun(), text('Hi')).breakOff();
    await until(() => server.lines.length === 3 && store.getState().status === 'reconnecting');
    await settled();
    await vi.advanceTimersByTimeAsync(10);
    await done;
    expect(store.getState()).toMatchObject({ status: 'failed', error: { kind: 'network' }, resumption: 'follow' });
    expect(answer(store.getState())).toBe('Hi');
    server.on(EVENTS, streamed(sse(4, text(' there'), finished())));
    await store.resume();
    expect(server.last().headers.get('last-event-id')).toBe('3');
    expect(answer(store.getState())).toBe('Hi there');
  });

  it('is taken for dead after a long silence', async () => {
    const { stream, store, done } = await running();
    await vi.advanceTimersByTimeAsync(30_000);
    stream.write(new TextEncoder().encode(': keep-alive\n\n'));
    await settled();
    await vi.advanceTimersByTimeAsync(44_999);
    await settled();
    expect(stream.isLetGo).toBe(false);
    server.on(EVENTS, streamed(sse(4, finished())));
    await vi.advanceTimersByTimeAsync(1);
    await done;
    expect(stream.isLetGo).toBe(true);
    expect(store.getState().status).toBe('idle');
  });

  it('stands still where the server says so: signed out, or gone', async () => {
    const { stream, store, done } = await running();
    server.on(EVENTS, problem(401, 'unauthorized'));
    stream.breakOff();
    await done;
    expect(store.getState()).toMatchObject({ status: 'failed', error: { kind: 'signed_out' }, resumption: 'follow' });
    server.on(EVENTS, problem(404, 'not_found'));
    await store.resume();
    expect(store.getState()).toMatchObject({ error: { kind: 'not_found' }, resumption: 'load' });
    server.on('GET ', json({ ...THREAD, run: run({ id: 'newer' }) }));
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'idle', runId: 'newer' });
  });

  it('reads the thread where the run stands still without an end', async () => {
    const { stream, store, done } = await running();
    server.on(EVENTS, streamed('')).on(EVENTS, streamed(''));
    server.on('GET ', json({ ...THREAD, run: run({ id: 'newer' }) }));
    stream.breakOff();
    await until(() => server.lines.length === 3 && store.getState().status === 'reconnecting');
    await settled();
    await vi.advanceTimersByTimeAsync(500);
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', runId: 'newer' });
  });

  it('stops what it was told to stop while the network was away', async () => {
    const { stream, store, done } = await running();
    const again = new Stream();
    server
      .on(EVENTS, LOST)
      .on(EVENTS, again.reply)
      .on('POST /runs/id-1/stop', json({ status: 'RUNNING' }));
    stream.breakOff();
    await until(() => store.getState().status === 'reconnecting');
    await store.stop();
    await settled();
    await vi.advanceTimersByTimeAsync(500);
    await until(() => server.lines.length === 5);
    expect(store.getState().status).toBe('stopping');
    again.events(4, finished()).close();
    await done;
    expect(store.getState().status).toBe('idle');
  });
});

describe('a message whose sending got no answer', () => {
  const sending = async () => {
    server.on('GET ', json(THREAD)).on('POST /runs', LOST);
    const store = workspace(server);
    const done = store.send('Hello?');
    await until(() => store.getState().status === 'reconnecting');
    await settled();
    return { store, done };
  };

  it('is sent again, as the same', async () => {
    const { store, done } = await sending();
    server.on('POST /runs', streamed(sse(1, started(), finished())));
    await vi.advanceTimersByTimeAsync(500);
    await done;
    expect(server.last().body).toEqual(server.asked[1]?.body);
    expect(store.getState()).toMatchObject({ status: 'idle', unsent: null });
  });

  it.each(['run_in_progress', 'run_exists'])('is heard where it had arrived (%s)', async (code) => {
    const { store, done } = await sending();
    server.on('POST /runs', problem(409, code));
    server.on(EVENTS, streamed(sse(1, started(), begun(), text('Hi'), finished())));
    await vi.advanceTimersByTimeAsync(500);
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', unsent: null });
    expect(answer(store.getState())).toBe('Hi');
  });

  it('is kept where another run is in its way', async () => {
    const { store, done } = await sending();
    server.on('POST /runs', problem(409, 'run_in_progress')).on(EVENTS, problem(404, 'not_found'));
    await vi.advanceTimersByTimeAsync(500);
    await done;
    expect(store.getState()).toMatchObject({
      status: 'failed',
      error: { kind: 'run_in_progress' },
      resumption: 'send',
      unsent: { content: 'Hello?' },
    });
  });

  it('is found in the thread where the page was left meanwhile', async () => {
    const { store, done } = await sending();
    store.close();
    await done;
    const message = store.getState().unsent;
    const arrived = { messages: [{ id: 'id-2', role: 'user', content: 'Hello?', runId: 'id-1' }], currency: 'CHF' };
    server.on('GET ', json({ ...arrived, run: run({ id: 'id-1' }) }));
    await store.load();
    expect(message?.id).toBe('id-2');
    expect(store.getState()).toMatchObject({ status: 'idle', unsent: null, messages: [{ id: 'id-2' }] });
  });

  it('can be sent again where it is not found there', async () => {
    const { store, done } = await sending();
    store.close();
    await done;
    server.on('GET ', json(THREAD));
    await store.load();
    expect(store.getState()).toMatchObject({ status: 'failed', error: { kind: 'network' }, resumption: 'send' });
    server.on('POST /runs', problem(409, 'run_exists')).on(EVENTS, streamed(sse(1, started(), finished())));
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'idle', unsent: null });
  });
});
