import { useMemo } from 'react';
import { localeOf } from './language.ts';
import { useLanguage } from './texts.ts';

/** Decimal strings are formatted as they are, digit by digit: a double would not hold them. */
type Decimal = string | number;

export interface Format {
  /** `CHF 1'234.50`: two decimals, and more where the amount would show as zero. */
  readonly money: (amount: Decimal, currency: string) => string;
  /** All decimals that there are, at least two. */
  readonly exactMoney: (amount: Decimal, currency: string) => string;
  readonly number: (value: Decimal) => string;
  readonly percent: (share: number) => string;
  readonly date: (at: string | Date) => string;
  readonly dateTime: (at: string | Date) => string;
  readonly time: (at: string | Date) => string;
  /** `in 3 days`, `5 minutes ago`. */
  readonly relative: (at: string | Date, now?: Date) => string;
  readonly bytes: (size: number) => string;
  readonly locale: string;
}

const DECIMALS = 9;
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

function decimalsToShow(amount: Decimal): number {
  const size = Math.abs(Number(amount));
  return size === 0 || size >= 0.01 ? 2 : Math.min(DECIMALS, 1 - Math.floor(Math.log10(size)));
}

/** Formats of a locale. Times are shown in `timeZone`, the mandate's; without one in the browser's. */
export function createFormat(locale: string, timeZone?: string): Format {
  const zone = timeZone === undefined ? {} : { timeZone };
  const cached = new Map<string, Intl.NumberFormat>();
  const money = (currency: string, least: number, most: number) => {
    const key = `${currency} ${least} ${most}`;
    const known = cached.get(key);
    if (known) return known;
    const made = new Intl.NumberFormat(locale, {
      style: 'currency',
      currency,
      currencyDisplay: 'code',
      minimumFractionDigits: least,
      maximumFractionDigits: most,
    });
    cached.set(key, made);
    return made;
  };
  const number = new Intl.NumberFormat(locale, { maximumFractionDigits: DECIMALS });
  const percent = new Intl.NumberFormat(locale, { style: 'percent', maximumFractionDigits: 1 });
  const date = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', ...zone });
  const dateTime = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short', ...zone });
  const time = new Intl.DateTimeFormat(locale, { timeStyle: 'short', ...zone });
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' });
  const moment = (at: string | Date) => (typeof at === 'string' ? new Date(at) : at);
  return {
    money: (amount, currency) => {
      const decimals = decimalsToShow(amount);
      return money(currency, decimals, decimals).format(amount as Intl.StringNumericLiteral);
    },
    exactMoney: (amount, currency) => money(currency, 2, DECIMALS).format(amount as Intl.StringNumericLiteral),
    number: (value) => number.format(value as Intl.StringNumericLiteral),
    percent: (share) => percent.format(share),
    date: (at) => date.format(moment(at)),
    dateTime: (at) => dateTime.format(moment(at)),
    time: (at) => time.format(moment(at)),
    relative: (at, now = new Date()) => {
      const seconds = (moment(at).getTime() - now.getTime()) / 1000;
      const [unit, size] = UNITS.find(([, length]) => Math.abs(seconds) >= length) ?? ['second', 1];
      return relative.format(Math.round(seconds / size), unit);
    },
    bytes: (size) => {
      const unit = size >= 1_000_000 ? 'megabyte' : size >= 1_000 ? 'kilobyte' : 'byte';
      const value = size / { megabyte: 1_000_000, kilobyte: 1_000, byte: 1 }[unit];
      return new Intl.NumberFormat(locale, { style: 'unit', unit, maximumFractionDigits: 1 }).format(value);
    },
    locale,
  };
}

/** An amount of the API to be typed over, or to stand in a row of facts: two decimals, more where they say something. */
export function plainAmount(amount: string): string {
  const [whole = '', decimals = ''] = amount.split('.');
  return `${whole}.${decimals.replace(/0+$/, '').padEnd(2, '0')}`;
}

/** Formats in the reader's language. `timeZone` is the mandate's where the page is about one. */
export function useFormat(timeZone?: string): Format {
  const language = useLanguage();
  return useMemo(() => createFormat(localeOf(language), timeZone), [language, timeZone]);
}
