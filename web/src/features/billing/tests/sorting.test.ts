import { expect, test } from 'vitest';
import { nextOrder, sorted, type UsageRow } from '../usage/sorting.ts';

function row(name: string, amount: string, calls = 1, key = name): UsageRow {
  return { key, label: null, name, amount, calls, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0 };
}

const names = (rows: readonly UsageRow[]) => rows.map(({ name }) => name);

test('amounts are compared as amounts, to the last decimal', () => {
  const rows = [row('a', '9.000000000'), row('b', '10.000000000'), row('c', '10.000000001')];
  expect(names(sorted(rows, { column: 'amount', isDescending: true }))).toEqual(['c', 'b', 'a']);
});

test('days are in their order, however they are written', () => {
  const rows = [
    row('2 Feb', '1', 1, '2026-02-02'),
    row('10 Jan', '1', 1, '2026-01-10'),
    row('1 Feb', '1', 1, '2026-02-01'),
  ];
  expect(names(sorted(rows, { column: 'name', isDescending: false }))).toEqual(['10 Jan', '1 Feb', '2 Feb']);
});

test('a column once more turns round; figures begin with the largest, names with the first', () => {
  const byCalls = nextOrder({ column: 'amount', isDescending: true }, 'calls');
  expect(byCalls).toEqual({ column: 'calls', isDescending: true });
  expect(nextOrder(byCalls, 'calls').isDescending).toBe(false);
  expect(nextOrder(byCalls, 'name')).toEqual({ column: 'name', isDescending: false });
});
