import { describe, expect, it } from 'vitest';
import { INITIAL_STATE, type Message, type WorkspaceEvent, type WorkspaceState } from '../src/index.ts';
import { type Action, reduce } from '../src/reducer.ts';
import { HELD } from './support/billing.ts';
import { deepFreeze, eventsOf, RECORDINGS, recording, stateAfter } from './support/recordings.ts';

const question: Message = deepFreeze({
  id: 'q',
  role: 'user',
  content: 'Hello?',
  toolCalls: [],
  cost: null,
  calls: 0,
  runId: 'r',
});
const sent: Action = { type: 'sent', message: question, runId: 'r' };
const event = (id: number | null, told: WorkspaceEvent): Action => ({ type: 'event', id, event: told });
const started = (id: number) => event(id, { type: 'RUN_STARTED', threadId: 't', runId: 'r' });
const text = (id: number | null, delta: string) => event(id, { type: 'TEXT_MESSAGE_CONTENT', messageId: 'a', delta });
const priced = (id: number, cost: string | null) =>
  event(id, { type: 'CUSTOM', name: 'bursar.step', value: { cost, runCost: cost, currency: 'CHF', messageId: 'a' } });
const broken = (id: number) =>
  event(id, { type: 'RUN_ERROR', code: 'INSUFFICIENT_BALANCE', message: 'text', metadata: { billing: HELD } });

describe.each(RECORDINGS)('%s', (_, whole) => {
  const events = eventsOf(whole);
  let state = INITIAL_STATE;
  const states = events.map((each) => {
    state = stateAfter([each], state);
    return state;
  });
  const final = states.at(-1) as WorkspaceState;

  it('is the same whenever it is heard, from frozen states', () => {
    expect(stateAfter(eventsOf(whole))).toEqual(final);
  });

  it('does not change by events that came before', () => {
    for (const [count, state] of states.entries()) {
      for (const again of events.slice(0, count + 1)) expect(reduce(state, again)).toBe(state);
    }
  });

  it('is the same after any break, however far back the stream is taken up again', () => {
    for (const [count, state] of states.entries()) {
      for (let from = 0; from <= count + 1; from += 1) {
        expect(stateAfter(events.slice(from), state)).toEqual(final);
      }
    }
  });

  it('keeps objects that an event does not concern', () => {
    for (const [count, state] of states.slice(1).entries()) {
      const before = states[count] as WorkspaceState;
      const kept = before.messages.filter((message) => state.messages.includes(message));
      expect(kept.length).toBeGreaterThanOrEqual(before.messages.length - 1);
    }
  });
});

describe('recorded stories', () => {
  it('appends to the same message when a parked run goes on, and adds up what it cost', () => {
    const parked = stateAfter(eventsOf(recording('parked-in-mid-answer')));
    expect(parked).toMatchObject({ status: 'failed', resumption: 'continue', steps: 2 });
    expect(parked.error).toMatchObject({ kind: 'insufficient_balance', billing: { reason: 'BALANCE_EXHAUSTED' } });
    const whole = stateAfter(eventsOf(recording('continued')), parked);
    expect(whole).toMatchObject({ status: 'idle', error: null, resumption: null, steps: 3, runCost: '0.011062000' });
    const [before, after] = [parked.messages.at(-1), whole.messages.at(-1)];
    expect(after?.id).toBe(before?.id);
    expect(after?.content.startsWith(before?.content ?? '?')).toBe(true);
    expect(after?.content.split(' ')).toHaveLength(1500);
    expect(after).toMatchObject({ cost: '0.010686000', calls: 2 });
    expect(whole).toEqual(stateAfter(eventsOf(recording('parked-and-continued'))));
  });

  it('shows tools with their arguments and results', () => {
    const { messages } = stateAfter(eventsOf(recording('agent-with-document')));
    expect(messages.flatMap((message) => message.toolCalls.map((call) => call.name))).toEqual([
      'list_documents',
      'search_documents',
      'read_document',
    ]);
    expect(messages[1]?.toolCalls[0]?.arguments).toBe('{"query":"What is the rent a month?"}');
    expect(messages[2]?.toolCalls[0]?.result).toContain('1250 francs');
    expect(messages[3]?.content).toContain('1250 francs');
  });

  it('tells what was stopped, and does not know its cost', () => {
    const state = stateAfter(eventsOf(recording('stopped')));
    expect(state).toMatchObject({ status: 'idle', wasStopped: true, error: null, runCost: null });
    expect(state.messages[0]?.content).toMatch(/^I am the demo model/);
  });

  it('has the server text of a refusal in the language of the person', () => {
    const { error } = stateAfter(eventsOf(recording('refused-at-once-de')));
    expect(error).toMatchObject({ kind: 'insufficient_balance', message: expect.stringMatching(/^Das KI-Guthaben/) });
  });
});

describe('a run', () => {
  it('begins with the message of the person, at event 0', () => {
    const before = stateAfter([
      sent,
      started(1),
      text(2, 'Hi'),
      event(3, { type: 'RUN_FINISHED', threadId: 't', runId: 'r' }),
    ]);
    const next = stateAfter([{ ...sent, message: { ...question, id: 'q2' }, runId: 'r2' }], before);
    expect(next).toMatchObject({ status: 'sending', runId: 'r2', lastEventId: 0, steps: 0, runCost: null });
    expect(next.messages.map((message) => message.id)).toEqual(['q', 'a', 'q2']);
  });

  it('is heard from its first event on, and the message is sent with that', () => {
    expect(stateAfter([sent]).unsent).toBe(question);
    expect(stateAfter([sent, started(1)])).toMatchObject({ status: 'streaming', unsent: null });
    expect(stateAfter([sent, { type: 'connected' }])).toMatchObject({ status: 'streaming', unsent: null });
  });

  it('stays stopping until it has ended', () => {
    const stopping = stateAfter([sent, started(1), { type: 'stop_asked' }, text(2, 'Hi'), { type: 'disconnected' }]);
    expect(stateAfter([{ type: 'connected' }, started(3)], stopping).status).toBe('stopping');
    const cancelled: WorkspaceEvent = {
      type: 'RUN_FINISHED',
      threadId: 't',
      runId: 'r',
      outcome: { type: 'cancelled' },
    };
    expect(stateAfter([event(4, cancelled)], stopping)).toMatchObject({ status: 'idle', wasStopped: true });
    expect(stateAfter([{ type: 'stop_failed' }], stopping).status).toBe('streaming');
  });

  it('takes events without a number', () => {
    expect(stateAfter([text(null, 'a'), text(null, 'b')]).messages[0]?.content).toBe('ab');
  });

  it('counts steps as they are numbered, over what was before', () => {
    const step = (stepName: string): WorkspaceEvent => ({ type: 'STEP_STARTED', stepName });
    expect(stateAfter([event(1, step('step-7'))]).steps).toBe(7);
    expect(stateAfter([event(1, step('step-7')), event(2, step('thinking'))]).steps).toBe(8);
  });

  it('was stopped as soon as that is told', () => {
    expect(stateAfter([started(1), event(2, { type: 'CUSTOM', name: 'bursar.stopped', value: {} })]).wasStopped).toBe(
      true,
    );
  });

  it('does not begin a message or a call twice', () => {
    const call: WorkspaceEvent = {
      type: 'TOOL_CALL_START',
      toolCallId: 'c',
      toolCallName: 'compute',
      parentMessageId: 'a',
    };
    const message: WorkspaceEvent = { type: 'TEXT_MESSAGE_START', messageId: 'a' };
    const begun = stateAfter([event(null, message), event(null, call)]);
    expect(begun.messages[0]?.toolCalls).toHaveLength(1);
    expect(stateAfter([event(null, message), event(null, call)], begun)).toBe(begun);
  });

  it('does not know a sum where it does not know a part', () => {
    const cost = (...costs: (string | null)[]) =>
      stateAfter([started(1), text(2, 'Hi'), ...costs.map((each, place) => priced(3 + place, each))]).messages[0]?.cost;
    expect(cost('0.1')).toBe('0.1');
    expect(cost('0.1', '0.2')).toBe('0.300000000');
    expect(cost(null, '0.2')).toBeNull();
    expect(cost('0.1', null)).toBeNull();
  });

  it('lets go of an error and of a countdown when it goes on', () => {
    const waiting = stateAfter([sent, started(1), broken(2), { type: 'waiting', retryAt: 5 }]);
    expect(waiting).toMatchObject({ status: 'failed', retryAt: 5, resumption: 'continue' });
    const gone = { error: null, retryAt: null, resumption: null };
    expect(stateAfter([{ type: 'resumed' }], waiting)).toMatchObject({ ...gone, status: 'sending' });
    expect(stateAfter([started(3)], waiting)).toMatchObject({ ...gone, status: 'streaming' });
  });

  it('does not end by an end that was before the thread was read', () => {
    const running: WorkspaceState = {
      ...INITIAL_STATE,
      isLoaded: true,
      status: 'streaming',
      runId: 'r',
      replayUntil: 3,
    };
    const replayed = stateAfter([started(1), broken(2)], running);
    expect(replayed).toMatchObject({ status: 'streaming', error: null, lastEventId: 2 });
    expect(stateAfter([started(3), broken(4)], replayed)).toMatchObject({ status: 'failed', lastEventId: 4 });
  });
});

describe('a thread that is read', () => {
  const thread: WorkspaceState = { ...INITIAL_STATE, isLoaded: true, runId: 'older', currency: 'CHF', lastEventId: 9 };

  it('is the state', () => {
    expect(stateAfter([{ type: 'loaded', state: thread }])).toBe(thread);
  });

  it('keeps a message that the server does not have', () => {
    const state = stateAfter([sent, { type: 'loaded', state: thread }]);
    expect(state).toMatchObject({ status: 'sending', runId: 'r', lastEventId: 0, currency: 'CHF', isLoaded: true });
    expect(state.messages).toEqual([question]);
    const failed = stateAfter([
      sent,
      { type: 'failed', error: { kind: 'signed_out', message: '' }, resumption: 'send' },
    ]);
    expect(stateAfter([{ type: 'loaded', state: thread }], failed)).toMatchObject({
      status: 'failed',
      error: { kind: 'signed_out' },
      resumption: 'send',
      unsent: question,
    });
  });

  it('lets go of it where the server has it', () => {
    const arrived = { ...thread, messages: [question] };
    expect(stateAfter([sent, { type: 'loaded', state: arrived }])).toBe(arrived);
  });
});

it('drops what never reached the server with the next message', () => {
  const failed: Action = { type: 'failed', error: { kind: 'signed_out', message: '' }, resumption: 'send' };
  const next = { ...question, id: 'q2' };
  expect(stateAfter([sent, failed, { type: 'sent', message: next, runId: 'r2' }]).messages).toEqual([next]);
});
