import type { HistoryAnswer } from '../../../shared/api/index.ts';

type Movement = HistoryAnswer['movements'][number];

/** One step of the balance, with what happened in it. */
export interface HistoryRow {
  readonly at: string;
  readonly balance: string;
  readonly movements: readonly Movement[];
  readonly refusedCalls: number;
}

/** Puts each movement and refusal to the step in which it happened. `points` are the ends of their steps, in order. */
export function historyRows(history: Pick<HistoryAnswer, 'points' | 'movements' | 'refusals'>): readonly HistoryRow[] {
  const ends = history.points.map(({ at }) => Date.parse(at));
  const placeOf = (at: string) => {
    const place = ends.findIndex((end) => Date.parse(at) < end);
    return place === -1 ? ends.length - 1 : place;
  };
  const rows = history.points.map((point) => ({ ...point, movements: [] as Movement[], refusedCalls: 0 }));
  for (const movement of history.movements) rows[placeOf(movement.at)]?.movements.push(movement);
  for (const { at, calls } of history.refusals) {
    const row = rows[placeOf(at)];
    if (row) row.refusedCalls += calls;
  }
  return rows;
}

/** The steps in which something happened, and the first one, from which they begin. */
export function eventful(rows: readonly HistoryRow[]): readonly HistoryRow[] {
  return rows.filter(
    ({ balance, movements, refusedCalls }, place) =>
      balance !== rows[place - 1]?.balance || movements.length > 0 || refusedCalls > 0,
  );
}

/** A point is the end of its step: midnight at the end of a day is that day's. */
export function momentWithin(at: string, step: HistoryAnswer['step']): string {
  return step === 'day' ? new Date(Date.parse(at) - 1).toISOString() : at;
}
