import { describe, expect, it } from 'vitest';
import { EventStreamParser, INITIAL_STATE, reduce } from '../src/index.ts';
import { eventsOf, RECORDINGS } from './support/recordings.ts';

const bytes = (text: string) => new TextEncoder().encode(text);
const parsed = (...pieces: Uint8Array[]) => {
  const parser = new EventStreamParser();
  return pieces.flatMap((piece) => parser.push(piece));
};
const stateAfter = (events: ReturnType<typeof eventsOf>) => events.reduce(reduce, INITIAL_STATE);
const message = (data: string, id: string | null = null) => ({ id, event: 'message', data });

describe('recorded streams', () => {
  it.each(RECORDINGS)(
    '%s: cut at any byte is the same state as uncut',
    (_, whole) => {
      const uncut = stateAfter(eventsOf(whole));
      expect(uncut.lastEventId).toBeGreaterThan(4);
      const told = JSON.stringify(uncut);
      for (let cut = 0; cut <= whole.length; cut += 1) {
        const state = stateAfter(eventsOf(whole.subarray(0, cut), whole.subarray(cut)));
        // Thousands of deep comparisons take longer than all else.
        if (JSON.stringify(state) !== told) expect(state, `cut at ${cut}`).toEqual(uncut);
      }
    },
    300_000,
  );

  it.each(RECORDINGS)('%s: byte by byte is the same state, too, also with CRLF', (_, whole) => {
    const uncut = stateAfter(eventsOf(whole));
    const single = Array.from(whole, (byte) => Uint8Array.of(byte));
    expect(stateAfter(eventsOf(...single))).toEqual(uncut);
    const crlf = bytes(new TextDecoder().decode(whole).replaceAll('\n', '\r\n'));
    expect(stateAfter(eventsOf(...Array.from(crlf, (byte) => Uint8Array.of(byte))))).toEqual(uncut);
  });
});

describe('the form', () => {
  const cases: [string, string, ReturnType<typeof message>[]][] = [
    ['several lines of data', 'data: one\ndata: two\n\n', [message('one\ntwo')]],
    ['comments', ': keep-alive\n\ndata: x\n: between\ndata: y\n\n: keep-alive\n\n', [message('x\ny')]],
    ['an id is of its own event only', 'id: 7\ndata: x\n\ndata: y\n\n', [message('x', '7'), message('y')]],
    ['an id without data is of no event', 'id: 7\n\ndata: y\n\n', [message('y')]],
    ['a name', 'event: balance\ndata: {}\n\n', [{ id: null, event: 'balance', data: '{}' }]],
    ['one space after the colon, or none', 'data:x\ndata:  y\n\n', [message('x\n y')]],
    ['a field without a colon', 'data\n\n', [message('')]],
    ['fields that are not known', 'retry: 5\nfoo: bar\ndata: x\n\n', [message('x')]],
    ['carriage returns', 'id: 1\rdata: x\r\rdata: y\r\r', [message('x', '1'), message('y')]],
    ['all kinds of line ends', 'data: x\r\ndata: y\n\r\ndata: z\r\n\n', [message('x\ny'), message('z')]],
    ['a byte order mark', '\uFEFFdata: x\n\n', [message('x')]],
    ['more than one byte a character', 'data: Zürich – 日本 🏦\n\n', [message('Zürich – 日本 🏦')]],
    ['what is not finished', 'data: x\n\ndata: y\n', [message('x')]],
  ];

  it.each(cases)('%s', (_, text, expected) => {
    const whole = bytes(text);
    for (let cut = 0; cut <= whole.length; cut += 1) {
      expect(parsed(whole.subarray(0, cut), whole.subarray(cut))).toEqual(expected);
    }
    expect(parsed(...Array.from(whole, (byte) => Uint8Array.of(byte)))).toEqual(expected);
  });

  it('tells an event with its last byte, not with the next', () => {
    const parser = new EventStreamParser();
    expect(parser.push(bytes('data: x\r\n\r'))).toEqual([message('x')]);
    expect(parser.push(bytes('\ndata: y\r\n\r\n'))).toEqual([message('y')]);
  });
});
