/** Spans of days in the mandate's time zone. The API reads moments without an offset in that zone, too. */

export type PeriodName = 'thisMonth' | 'lastMonth' | 'last7' | 'last30' | 'last90' | 'all' | 'custom';

/** Days as `2026-11-28`, both included. `null` is open. */
export interface Period {
  readonly name: PeriodName;
  readonly first: string | null;
  readonly last: string | null;
}

/** What day it is there. */
export function dayIn(timeZone: string, at: Date = new Date()): string {
  const parts = new Intl.DateTimeFormat('en', { timeZone, year: 'numeric', month: '2-digit', day: '2-digit' });
  const of = Object.fromEntries(parts.formatToParts(at).map(({ type, value }) => [type, value]));
  return `${of['year']}-${of['month']}-${of['day']}`;
}

export function addDays(day: string, days: number): string {
  const moment = new Date(`${day}T00:00:00Z`);
  moment.setUTCDate(moment.getUTCDate() + days);
  return moment.toISOString().slice(0, 10);
}

function addMonths(month: string, months: number): string {
  const moment = new Date(`${month}-01T00:00:00Z`);
  moment.setUTCMonth(moment.getUTCMonth() + months);
  return moment.toISOString().slice(0, 7);
}

/** The months up to today's, the newest first, as `2026-11`. */
export function monthsUntil(today: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => addMonths(today.slice(0, 7), -index));
}

export function periodOf(name: Exclude<PeriodName, 'custom'>, today: string): Period {
  const thisMonth = `${today.slice(0, 7)}-01`;
  const days = { last7: 7, last30: 30, last90: 90 };
  switch (name) {
    case 'all':
      return { name, first: null, last: null };
    case 'thisMonth':
      return { name, first: thisMonth, last: today };
    case 'lastMonth':
      return { name, first: `${addMonths(today.slice(0, 7), -1)}-01`, last: addDays(thisMonth, -1) };
    default:
      return { name, first: addDays(today, 1 - days[name]), last: today };
  }
}

/** As query parameters: from the first moment of the first day up to, and without, the day after the last. */
export function spanOf(period: Period): { from?: string; to?: string } {
  return {
    ...(period.first === null ? {} : { from: `${period.first}T00:00:00` }),
    ...(period.last === null ? {} : { to: `${addDays(period.last, 1)}T00:00:00` }),
  };
}
