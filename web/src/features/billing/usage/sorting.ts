import type { GroupAnswer } from '../../../shared/api/index.ts';
import { nanosOf } from '../../../shared/money/index.ts';

export const COLUMNS = ['name', 'amount', 'calls', 'input', 'output'] as const;
export type UsageColumn = (typeof COLUMNS)[number];

export interface Order {
  readonly column: UsageColumn;
  readonly isDescending: boolean;
}

/** A group of calls by the name under which it is shown. */
export interface UsageRow extends GroupAnswer {
  readonly name: string;
}

const COMPARE: Readonly<Record<UsageColumn, (one: UsageRow, other: UsageRow) => number>> = {
  // Days are compared as they are written in the answer: their shown form depends on the language.
  name: (one, other) => sortable(one).localeCompare(sortable(other), undefined, { numeric: true }),
  calls: (one, other) => one.calls - other.calls,
  input: (one, other) => one.inputTokens - other.inputTokens,
  output: (one, other) => one.outputTokens - other.outputTokens,
  amount: (one, other) => Number(nanosOf(one.amount) - nanosOf(other.amount)),
};

const DAY = /^\d{4}-\d{2}-\d{2}$/;

function sortable({ key, name }: UsageRow): string {
  return key !== null && DAY.test(key) ? key : name;
}

export function sorted(rows: readonly UsageRow[], { column, isDescending }: Order): readonly UsageRow[] {
  const sign = isDescending ? -1 : 1;
  return [...rows].sort((one, other) => sign * COMPARE[column](one, other));
}

/** The same column turns round; names begin with the first, figures with the largest. */
export function nextOrder(order: Order, column: UsageColumn): Order {
  if (order.column === column) return { column, isDescending: !order.isDescending };
  return { column, isDescending: column !== 'name' };
}
