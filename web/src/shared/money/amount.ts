/** Decimal strings of the API, exactly: a double would not hold nine decimals of a large amount. */

const DECIMALS = 9;
const DECIMAL = /^([+-]?)(\d+)(?:\.(\d{1,9}))?$/;

/** In nanos. Throws for what is no decimal string. */
export function nanosOf(amount: string): bigint {
  const parts = DECIMAL.exec(amount);
  if (parts === null) throw new RangeError(`${amount} is no amount`);
  const [, sign, whole = '0', rest = ''] = parts;
  const nanos = BigInt(whole + rest.padEnd(DECIMALS, '0'));
  return sign === '-' ? -nanos : nanos;
}

export function amountOf(nanos: bigint): string {
  const size = nanos < 0n ? -nanos : nanos;
  const digits = size.toString().padStart(DECIMALS + 1, '0');
  return `${nanos < 0n ? '-' : ''}${digits.slice(0, -DECIMALS)}.${digits.slice(-DECIMALS)}`;
}

export function negated(amount: string): string {
  return amountOf(-nanosOf(amount));
}

export function isZero(amount: string): boolean {
  return nanosOf(amount) === 0n;
}

/** `part` of `whole` between 0 and 1, for bars; 0 of nothing is 0, anything of nothing 1. */
export function shareOf(part: string, whole: string): number {
  const [of, all] = [nanosOf(part), nanosOf(whole)];
  if (all <= 0n) return of > 0n ? 1 : 0;
  return Math.min(1, Math.max(0, Number((of * 10_000n) / all) / 10_000));
}

export function sumOf(amounts: readonly string[]): string {
  return amountOf(amounts.reduce((sum, each) => sum + nanosOf(each), 0n));
}

/**
 * What somebody typed, as the API takes it: `1'234.50`, `1 234,50` and `20` are all understood; `null` is no amount.
 * A single comma is a decimal sign, for that is what it is in most of our languages; but `1,500` is a thousand and a half
 * to some and one and a half to others, and therefore nothing here. A currency's code is taken for the amount's own only
 * where it is `currency`.
 */
export function readAmount(given: string, currency?: string): string | null {
  const code = /^\s*([A-Za-z]{3})(?![A-Za-z])|(?<![A-Za-z])([A-Za-z]{3})\s*$/u.exec(given);
  if (code !== null && (code[1] ?? code[2] ?? '').toUpperCase() !== currency) return null;
  const typed = code === null ? given : given.replace(code[0], '');
  if (/^\D*[1-9]\d{0,2},\d{3}$/u.test(typed.trim())) return null;
  const plain = typed.replace(/[\s'’\u00a0\u202f]/gu, '').replace(/[\u2212–]/u, '-');
  const dotted = plain.includes('.') ? plain.replace(/,(?=\d{3})/g, '') : plain.replace(',', '.');
  return DECIMAL.test(dotted) ? dotted.replace(/^\+/, '') : null;
}

/** For a field: digits after the two usual ones only where they say something. */
export function asTyped(amount: string): string {
  return amount.replace(/(\.\d\d)(\d*?)0+$/, '$1$2');
}
