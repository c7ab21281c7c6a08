import { expect, test } from 'vitest';
import { dayIn, monthsUntil, periodOf, spanOf } from '../period.ts';

test('a day is that of the mandate, not of the reader', () => {
  const at = new Date('2026-10-31T23:30:00Z');
  expect([dayIn('Europe/Zurich', at), dayIn('America/New_York', at)]).toEqual(['2026-11-01', '2026-10-31']);
});

test.each([
  ['thisMonth', '2026-03-01T00:00:00', '2026-03-02T00:00:00'],
  ['lastMonth', '2026-02-01T00:00:00', '2026-03-01T00:00:00'],
  ['last7', '2026-02-23T00:00:00', '2026-03-02T00:00:00'],
] as const)('%s runs from %s up to, without, %s', (name, from, to) =>
  expect(spanOf(periodOf(name, '2026-03-01'))).toEqual({ from, to }),
);

test('all time is open at both ends', () => expect(spanOf(periodOf('all', '2026-03-01'))).toEqual({}));

test('months go back over the new year', () =>
  expect(monthsUntil('2026-02-14', 3)).toEqual(['2026-02', '2026-01', '2025-12']));
