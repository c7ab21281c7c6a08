import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { WorkspaceError, WorkspaceState } from '../src/index.ts';
import { EXHAUSTED } from './support/billing.ts';
import { recording } from './support/recordings.ts';
import { json, LOST, problem, ScriptedServer, SILENT, Stream, sse, streamed, until } from './support/server.ts';
import { begun, broken, cancelled, finished, run, started, THREAD, text, workspace } from './support/story.ts';

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

describe('send', () => {
  it('reads the thread, asks for a run, and takes in the answer', async () => {
    const stream = new Stream();
    server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
    const store = workspace(server, { headers: { authorization: 'Bearer bur_x' } });
    const done = store.send('Hello?');
    expect(store.getState()).toMatchObject({ status: 'sending', messages: [{ role: 'user', content: 'Hello?' }] });
    await until(() => store.getState().status === 'streaming');
    expect(server.last().body).toEqual({
      runId: 'id-1',
      messages: [{ id: 'id-2', role: 'user', content: 'Hello?' }],
      tools: [],
      context: [],
      state: {},
      forwardedProps: {},
    });
    expect(server.last().headers.get('authorization')).toBe('Bearer bur_x');
    expect(server.last().headers.get('content-type')).toBe('application/json');
    expect(server.last().init).toMatchObject({ credentials: 'same-origin', cache: 'no-store' });
    stream.events(1, started(), begun(), text('Hi'));
    await until(() => answer(store.getState()) === 'Hi');
    stream.events(4, text(' there'), finished()).close();
    await done;
    expect(store.getState()).toMatchObject({
      status: 'idle',
      error: null,
      unsent: null,
      currency: 'CHF',
      isLoaded: true,
    });
    expect(answer(store.getState())).toBe('Hi there');
  });

  it('reads the thread once', async () => {
    const whole = (id: string) => streamed(sse(1, started(id), finished(id)));
    server.on('GET ', json(THREAD)).on('POST /runs', whole('id-1')).on('POST /runs', whole('id-3'));
    const store = workspace(server);
    await store.send('One');
    await store.send('Two');
    expect(store.getState().messages.map((message) => message.content)).toEqual(['One', 'Two']);
  });

  it('tells listeners once for what came together, and onEvent of every new event', async () => {
    server
      .on('GET ', json(THREAD))
      .on('POST /runs', streamed(sse(1, started(), begun(), text('a'), text('b'), finished())));
    const seen: string[] = [];
    const store = workspace(server, { onEvent: (event) => seen.push(event.type) });
    const states: WorkspaceState[] = [];
    const stop = store.subscribe(() => states.push(store.getState()));
    await store.send('Hello?');
    expect(states.map((state) => state.status)).toEqual(['sending', 'sending', 'streaming', 'idle']);
    expect(seen).toEqual([
      'RUN_STARTED',
      'TEXT_MESSAGE_START',
      'TEXT_MESSAGE_CONTENT',
      'TEXT_MESSAGE_CONTENT',
      'RUN_FINISHED',
    ]);
    stop();
    await store.stop();
    expect(states).toHaveLength(4);
  });

  it('does nothing while a run is under way, and says so', async () => {
    const stream = new Stream();
    server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
    const errors: WorkspaceError[] = [];
    const store = workspace(server, { onError: (error) => errors.push(error) });
    const done = store.send('One');
    await until(() => store.getState().status === 'streaming');
    const before = store.getState();
    await store.send('Two');
    expect(store.getState()).toBe(before);
    expect(errors).toEqual([{ kind: 'run_in_progress', message: '' }]);
    stream.events(1, started(), finished()).close();
    await done;
  });

  it.each<[string, ReturnType<typeof problem>, Partial<WorkspaceError>, string | null]>([
    [
      '402',
      problem(402, 'insufficient_balance', { billing: EXHAUSTED }),
      { kind: 'insufficient_balance', billing: EXHAUSTED },
      'send',
    ],
    ['401', problem(401, 'unauthorized'), { kind: 'signed_out' }, 'send'],
    ['403', problem(403, 'csrf'), { kind: 'forbidden', code: 'csrf' }, 'send'],
    ['409', problem(409, 'run_in_progress'), { kind: 'run_in_progress' }, 'send'],
    [
      '429',
      problem(429, 'too_many_runs', {}, { 'retry-after': '5' }),
      { kind: 'rate_limited', retryAfterSeconds: 5 },
      'send',
    ],
    ['503', problem(503, 'ledger_unavailable'), { kind: 'unavailable' }, 'send'],
    ['422', problem(422, 'invalid_request', { field: 'messages' }), { kind: 'problem', field: 'messages' }, null],
    ['404', problem(404, 'not_found'), { kind: 'not_found' }, null],
  ])('keeps the message where it is refused with %s', async (_, refusal, error, resumption) => {
    server.on('GET ', json(THREAD)).on('POST /runs', refusal);
    const [onError, onEnd] = [vi.fn(), vi.fn()];
    const store = workspace(server, { onError, onEnd });
    await store.send('Hello?');
    expect(store.getState()).toMatchObject({ status: 'failed', error, resumption, unsent: { content: 'Hello?' } });
    expect(store.getState().messages).toEqual([store.getState().unsent]);
    expect(onError.mock.calls).toEqual([[store.getState().error]]);
    expect(onEnd).toHaveBeenCalledTimes(1);
    if (resumption === null) return;
    server.on('POST /runs', streamed(sse(1, started(), finished())));
    await store.resume();
    expect(server.last().body).toEqual(server.asked[1]?.body);
    expect(store.getState()).toMatchObject({ status: 'idle', error: null, unsent: null });
  });

  it('makes ids that the server takes, also where the page is no secure context', async () => {
    server.on('GET ', json(THREAD)).on('POST /runs', problem(401, 'unauthorized'));
    const store = workspace(server, { newId: undefined });
    await store.send('Hello?');
    const { runId, unsent } = store.getState();
    expect(new Set([runId, unsent?.id]).size).toBe(2);
    expect(runId).toMatch(/^[0-9a-f]{32}$/);
  });
});

describe('a parked run', () => {
  it('is a typed error, and after a top-up the same message is finished', async () => {
    const parked = json({ ...THREAD, run: null });
    server.on('GET ', parked).on('POST /runs', streamed(recording('parked-in-mid-answer')));
    const store = workspace(server, { newId: () => 'run-parked' });
    await store.send('List what is there');
    const { error, messages } = store.getState();
    if (error?.kind !== 'insufficient_balance') throw new Error(error?.kind);
    expect(error.billing.reason).toBe('BALANCE_EXHAUSTED');
    server.on('POST /runs/run-parked/continue', streamed(recording('continued')));
    await store.resume();
    expect(server.last().body).toBeNull();
    const after = store.getState();
    expect(after).toMatchObject({ status: 'idle', error: null, lastEventId: 37 });
    expect(after.messages.map((message) => message.id)).toEqual(messages.map((message) => message.id));
    expect(after.messages.at(-1)?.content.split(' ')).toHaveLength(1500);
  });

  it('parks again where there is still no money', async () => {
    const error = broken('INSUFFICIENT_BALANCE', { billing: EXHAUSTED });
    server.on('GET ', json(THREAD)).on('POST /runs', streamed(sse(1, started(), error)));
    server.on('POST /runs/id-1/continue', streamed(sse(3, started(), error)));
    const onError = vi.fn();
    const store = workspace(server, { onError });
    await store.send('Hello?');
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'failed', lastEventId: 4, resumption: 'continue' });
    expect(onError).toHaveBeenCalledTimes(2);
  });

  it('is told of with its last event, however long the connection stays', async () => {
    const stream = new Stream();
    server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
    const [onError, onEnd] = [vi.fn(), vi.fn()];
    const store = workspace(server, { onError, onEnd });
    const done = store.send('Hello?');
    await until(() => store.getState().status === 'streaming');
    stream.events(1, started(), broken('INSUFFICIENT_BALANCE', { billing: EXHAUSTED }));
    await until(() => store.getState().status === 'failed');
    expect(onError.mock.calls).toEqual([[store.getState().error]]);
    expect(onEnd).toHaveBeenCalledTimes(1);
    server.on('POST /runs/id-1/continue', streamed(sse(3, started(), finished())));
    await store.resume();
    await done;
    expect(stream.isLetGo).toBe(true);
    expect(store.getState().status).toBe('idle');
    expect([onError.mock.calls.length, onEnd.mock.calls.length]).toEqual([1, 2]);
  });

  it('is heard where somebody else has let it go on', async () => {
    const error = broken('INSUFFICIENT_BALANCE', { billing: EXHAUSTED });
    server.on('GET ', json(THREAD)).on('POST /runs', streamed(sse(1, started(), begun(), text('Hi'), error)));
    server.on('POST /runs/id-1/continue', problem(409, 'run_in_progress'));
    server.on('GET /runs/id-1/events', streamed(sse(5, started(), begun(), text(' there'), finished())));
    const store = workspace(server);
    await store.send('Hello?');
    await store.resume();
    expect(server.last().headers.get('last-event-id')).toBe('4');
    expect(answer(store.getState())).toBe('Hi there');
  });

  it('is read again where something newer was asked', async () => {
    server.on('GET ', json({ ...THREAD, run: run({ status: 'FAILED' }) }));
    server.on('POST /runs/older/continue', problem(409, 'not_resumable'));
    server.on('GET ', json({ ...THREAD, run: run({ id: 'newer' }) }));
    const store = workspace(server);
    await store.load();
    expect(store.getState()).toMatchObject({ error: { kind: 'run_failed', code: 'FAILED' }, resumption: 'continue' });
    await store.resume();
    expect(store.getState()).toMatchObject({ status: 'idle', error: null, runId: 'newer' });
  });
});

describe('stop', () => {
  const running = async (onError = vi.fn()) => {
    const stream = new Stream();
    server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
    const store = workspace(server, { onError });
    const done = store.send('Hello?');
    await until(() => store.getState().status === 'streaming');
    stream.events(1, started(), begun(), text('Hi'));
    await until(() => answer(store.getState()) === 'Hi');
    return { stream, store, done, onError };
  };

  it('asks once, and keeps what was written', async () => {
    const { stream, store, done } = await running();
    server.on('POST /runs/id-1/stop', json({ status: 'RUNNING' }));
    await store.stop();
    await store.stop();
    stream.events(4, text(' th'));
    await until(() => answer(store.getState()) === 'Hi th');
    expect(store.getState().status).toBe('stopping');
    stream.events(5, cancelled).close();
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', wasStopped: true, error: null });
  });

  it.each([
    ['is refused', problem(403, 'csrf'), { kind: 'forbidden', message: 'csrf', code: 'csrf' }],
    ['is not heard', LOST, { kind: 'network', message: '' }],
  ])('says so where it %s, and the run goes on', async (_, reply, error) => {
    const { stream, store, done, onError } = await running();
    server.on('POST /runs/id-1/stop', reply);
    await store.stop();
    expect(store.getState()).toMatchObject({ status: 'streaming', error: null });
    expect(onError.mock.calls).toEqual([[error]]);
    stream.events(4, finished()).close();
    await done;
  });

  it('is asked as soon as the run has begun', async () => {
    let begin: (response: Response) => void = () => {};
    const stream = new Stream();
    server.on('GET ', json(THREAD)).on('POST /runs', async (asked) => {
      await new Promise<Response>((resolve) => {
        begin = resolve;
      });
      return stream.reply(asked);
    });
    server.on('POST /runs/id-1/stop', json({ status: 'RUNNING' }));
    const store = workspace(server);
    const done = store.send('Hello?');
    await until(() => server.lines.length === 2);
    await store.stop();
    expect(store.getState().status).toBe('stopping');
    expect(server.lines).toEqual(['GET ', 'POST /runs']);
    begin(new Response());
    await until(() => server.lines.length === 3);
    stream.events(1, started(), cancelled).close();
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', wasStopped: true });
  });

  it('does nothing where nothing runs', async () => {
    const store = workspace(server);
    await store.stop();
    expect(store.getState().status).toBe('idle');
  });
});

describe('close', () => {
  it('lets go of the stream, and nothing changes any more', async () => {
    const stream = new Stream();
    server.on('GET ', json(THREAD)).on('POST /runs', stream.reply);
    const [onError, onEnd] = [vi.fn(), vi.fn()];
    const store = workspace(server, { onError, onEnd });
    const done = store.send('Hello?');
    await until(() => store.getState().status === 'streaming');
    const before = store.getState();
    store.close();
    await done;
    expect(stream.isLetGo).toBe(true);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(store.getState()).toBe(before);
    expect([onError.mock.calls, onEnd.mock.calls]).toEqual([[], []]);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('lets go of what was not answered', async () => {
    server.on('GET ', SILENT);
    const store = workspace(server);
    const done = store.load();
    await until(() => server.lines.length === 1);
    store.close();
    await done;
    expect(store.getState()).toMatchObject({ status: 'idle', isLoaded: false, error: null });
    expect(vi.getTimerCount()).toBe(0);
  });
});
