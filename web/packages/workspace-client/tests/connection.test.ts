import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ServerThread, WorkspaceState } from '../src/index.ts';
import { EXHAUSTED } from './support/billing.ts';
import { eventsOf, RECORDINGS, stateAfter } from './support/recordings.ts';
import {
  json,
  LOST,
  problem,
  ScriptedServer,
  SILENT,
  Stream,
  settled,
  sse,
  streamed,
  until,
} from './support/server.ts';
import { begun, broken, finished, run, started, THREAD, text, workspace } from './support/story.ts';

const answer = (state: WorkspaceState) => state.messages.find((message) => message.role === 'assistant')?.content;
const EVENTS = 'GET /runs/id-1/events';
let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
  expect(server.left).toBe(0);
});

/** A run whose stream a test has in its hands, after `Hi`. */
async function running() {
  const stream = new Stream();
  server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
  const store = workspace(server);
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

  it('is the same answer where events come twice', async () => {
    const { stream, store, done } = await running();
    server.on(EVENTS, streamed(sse(1, started(), begun(), text('Hi'), text(' there'), finished())));
    stream.breakOff();
    await done;
    expect(answer(store.getState())).toBe('Hi there');
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

describe('load', () => {
  const tools = [{ id: 'call', function: { name: 'compute', arguments: '{"expression":"3 * 14"}' } }];
  const question = { id: 'q', role: 'user', content: 'How much?', runId: 'older' } as const;
  const called = { id: 'a1', role: 'assistant', content: null, toolCalls: tools, runId: 'older', cost: '0.1' } as const;
  const result = { id: 'x', role: 'tool', content: '42', toolCallId: 'call', runId: 'older' } as const;
  const said = { id: 'a2', role: 'assistant', content: '42', toolCalls: [], runId: 'older', cost: null } as const;
  const thread: ServerThread = { currency: 'CHF', messages: [question, called, result, said], run: run() };

  it('joins tools with what they answered', async () => {
    server.on('GET ', json(thread));
    const store = workspace(server);
    await store.load();
    const { messages, ...state } = store.getState();
    expect(state).toMatchObject({ status: 'idle', isLoaded: true, steps: 1, runCost: '0.001000000', lastEventId: 5 });
    expect(messages).toEqual([
      { id: 'q', role: 'user', content: 'How much?', toolCalls: [], cost: null, calls: 0, runId: 'older' },
      {
        id: 'a1',
        role: 'assistant',
        content: '',
        toolCalls: [{ id: 'call', name: 'compute', arguments: '{"expression":"3 * 14"}', result: '42' }],
        cost: '0.1',
        calls: 1,
        runId: 'older',
      },
      { id: 'a2', role: 'assistant', content: '42', toolCalls: [], cost: null, calls: 1, runId: 'older' },
    ]);
  });

  it('hears a run under way from its first event, over what it parked at before', async () => {
    const running = run({ status: 'RUNNING', lastEventId: 4 });
    server.on('GET ', json({ ...thread, run: running }));
    const stream = new Stream();
    server.on('GET /runs/older/events', stream.reply);
    const onError = vi.fn();
    const store = workspace(server, { onError });
    const done = store.load();
    await until(() => server.lines.length === 2);
    expect(server.last().headers.get('last-event-id')).toBe('0');
    expect(store.getState()).toMatchObject({ status: 'streaming', messages: [{ id: 'q' }] });
    stream.events(1, started('older'), begun('a2'), text('4', 'a2'));
    stream.events(4, broken('INSUFFICIENT_BALANCE', { billing: EXHAUSTED }));
    await until(() => store.getState().lastEventId === 4);
    expect(store.getState()).toMatchObject({ status: 'streaming', error: null });
    stream.events(5, started('older'), begun('a2'), text('2', 'a2'), finished('older')).close();
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', messages: [{ id: 'q' }, { id: 'a2', content: '42' }] });
    expect(onError).not.toHaveBeenCalled();
  });

  it.each<[string, object, object, object]>([
    [
      'parked',
      { status: 'PARKED', billing: EXHAUSTED },
      { code: 'INSUFFICIENT_BALANCE' },
      { kind: 'insufficient_balance', billing: EXHAUSTED },
    ],
    [
      'failed',
      { status: 'FAILED' },
      { code: 'RATE_LIMITED', retryAfterSeconds: 5 },
      { kind: 'rate_limited', retryAfterSeconds: 5 },
    ],
    ['interrupted', { status: 'INTERRUPTED' }, { code: 'INTERRUPTED' }, { kind: 'run_failed', code: 'INTERRUPTED' }],
  ])('knows how a run %s, and how it goes on', async (_, state, error, expected) => {
    server.on('GET ', json({ ...thread, run: run({ ...state, error: { message: 'text', ...error } as never }) }));
    server.on('POST /runs/older/continue', streamed(sse(6, started('older'), finished('older'))));
    const store = workspace(server);
    await store.load();
    expect(store.getState()).toMatchObject({
      status: 'failed',
      error: { message: 'text', ...expected },
      resumption: 'continue',
    });
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'idle', lastEventId: 7 });
  });

  it('knows a stopped run', async () => {
    server.on('GET ', json({ ...thread, run: run({ status: 'STOPPED' }) }));
    const store = workspace(server);
    await store.load();
    expect(store.getState()).toMatchObject({ status: 'idle', wasStopped: true, error: null });
  });

  it('fails with a typed error, and resume reads again', async () => {
    server.on('GET ', problem(401, 'unauthorized')).on('GET ', json(thread));
    const store = workspace(server);
    await store.load();
    expect(store.getState()).toMatchObject({ status: 'failed', error: { kind: 'signed_out' }, resumption: 'load' });
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'idle', isLoaded: true, error: null });
  });

  it('waits for the network, and for headers that cannot be made without it', async () => {
    server.on('GET ', LOST).on('GET ', json(thread));
    let tries = 0;
    const headers = async () => {
      tries += 1;
      if (tries === 1) throw new TypeError('no token without a network');
      return { 'x-try': String(tries) };
    };
    const store = workspace(server, { headers });
    const done = store.load();
    await until(() => tries === 1 && store.getState().status === 'reconnecting');
    await settled();
    await vi.advanceTimersByTimeAsync(500);
    await until(() => server.lines.length === 1);
    await settled();
    await vi.advanceTimersByTimeAsync(1000);
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', isLoaded: true });
    expect(server.last().headers.get('x-try')).toBe('3');
  });

  it('gives way to what is said meanwhile, and is done before that', async () => {
    server.on('GET ', SILENT).on('GET ', json(thread));
    server.on('POST /runs', streamed(sse(1, started(), begun(), text('Hi'), finished())));
    const store = workspace(server);
    const loading = store.load();
    await until(() => server.lines.length === 1);
    await store.send('Hello?');
    await loading;
    expect(store.getState().messages.map((message) => message.content)).toEqual([
      'How much?',
      '',
      '42',
      'Hello?',
      'Hi',
    ]);
  });

  it('fails over what is no thread', async () => {
    server.on('GET ', () => new Response('<h1>Hello</h1>'));
    const store = workspace(server);
    await store.load();
    expect(store.getState()).toMatchObject({ status: 'failed', error: { kind: 'network' }, resumption: 'load' });
  });
});
