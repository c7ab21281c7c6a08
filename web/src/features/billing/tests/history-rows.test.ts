import { expect, test } from 'vitest';
import { eventful, historyRows, momentWithin } from '../overview/history-rows.ts';

const points = [
  { at: '2026-11-26T23:00:00Z', balance: '0' },
  { at: '2026-11-27T23:00:00Z', balance: '0' },
  { at: '2026-11-28T08:00:00Z', balance: '50' },
];

test('what happened stands beside the end of its own day', () => {
  const movement = { at: '2026-11-27T23:00:00Z', kind: 'TOP_UP', amount: '50', reference: null };
  const refused = { at: '2026-11-26T23:00:00Z', calls: 3 };
  const rows = historyRows({ points, movements: [movement], refusals: [refused] });
  expect(rows.map(({ movements, refusedCalls }) => [movements.length, refusedCalls])).toEqual([
    [0, 0],
    [0, 3],
    [1, 0],
  ]);
});

test('days on which nothing happened are left out of the table', () => {
  const rows = historyRows({ points, movements: [], refusals: [] });
  expect(eventful(rows).map(({ balance }) => balance)).toEqual(['0', '50']);
});

test('midnight at the end of a day is that day', () => {
  expect(momentWithin('2026-11-27T23:00:00Z', 'day')).toBe('2026-11-27T22:59:59.999Z');
  expect(momentWithin('2026-11-27T23:00:00Z', 'hour')).toBe('2026-11-27T23:00:00Z');
});
