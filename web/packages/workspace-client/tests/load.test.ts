import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ServerThread } from '../src/index.ts';
import { EXHAUSTED } from './support/billing.ts';
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
import { begun, broken, finished, run, started, text, workspace } from './support/story.ts';

let server: ScriptedServer;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] });
  server = new ScriptedServer();
});

afterEach(() => {
  vi.useRealTimers();
  expect(server.left).toBe(0);
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
