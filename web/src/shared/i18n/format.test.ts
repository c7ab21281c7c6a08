import { describe, expect, it } from 'vitest';
import { createFormat } from './format.ts';

const swiss = createFormat('de-CH', 'Europe/Zurich');
const english = createFormat('en-CH', 'Europe/Zurich');
/** Intl writes spaces that do not break, and one or the other apostrophe by its version. */
const plain = (text: string) => text.replaceAll(/\s/g, ' ').replaceAll('’', "'");

describe('money', () => {
  it('has two decimals in the way of the locale', () => {
    expect(plain(swiss.money('1234567.891', 'CHF'))).toBe("CHF 1'234'567.89");
    expect(plain(createFormat('fr-FR').money('1234.5', 'EUR'))).toBe('1 234,50 EUR');
  });

  it('never shows an amount as zero that is not', () => {
    expect(plain(swiss.money('0.004100000', 'CHF'))).toBe('CHF 0.0041');
    expect(plain(swiss.money('0.000000012', 'CHF'))).toBe('CHF 0.000000012');
    expect(plain(swiss.money('0.000000000', 'CHF'))).toBe('CHF 0.00');
    expect(plain(swiss.money('-0.004100000', 'CHF'))).toBe('CHF-0.0041');
  });

  it('is exact beyond what a double holds', () => {
    expect(plain(swiss.exactMoney('9007199254740993.123456789', 'CHF'))).toBe("CHF 9'007'199'254'740'993.123456789");
  });
});

describe('times', () => {
  it('are those of the mandate, wherever the reader is', () => {
    expect(swiss.dateTime('2026-06-30T22:30:00Z')).toContain('01.07.2026');
    expect(english.time('2026-01-01T12:00:00Z')).toContain('13:00');
  });

  it('are told relative to now by the largest unit that fits', () => {
    const now = new Date('2026-11-28T12:00:00Z');
    expect(swiss.relative('2026-12-01T12:00:00Z', now)).toBe('in 3 Tagen');
    expect(english.relative('2026-11-28T11:58:30Z', now)).toBe('1 minute ago');
    expect(english.relative('2026-11-28T12:00:00Z', now)).toBe('now');
  });
});

it('shows sizes in decimal units', () => {
  expect(plain(swiss.bytes(1_500_000))).toBe('1.5 MB');
  expect(plain(swiss.bytes(900))).toBe('900 Byte');
});
