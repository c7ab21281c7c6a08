import { describe, expect, test } from 'vitest';
import { amountOf, asTyped, isZero, nanosOf, negated, readAmount, shareOf, sumOf } from './amount.ts';

describe('amounts', () => {
  test('are exact where a double would not be', () => {
    expect(sumOf(['9007199254740993.000000001', '0.000000002'])).toBe('9007199254740993.000000003');
    expect(amountOf(nanosOf('-0.000000001'))).toBe('-0.000000001');
    expect(negated('12.5')).toBe('-12.500000000');
    expect(negated('0')).toBe('0.000000000');
    expect(isZero('-0.000000000')).toBe(true);
    expect(() => nanosOf('1e3')).toThrow(RangeError);
  });

  test.each([
    ['50', '50'],
    ['12.50', '12.50'],
    ['12,50', '12.50'],
    ['1’234.50', '1234.50'],
    ["1'234,5", '1234.5'],
    ['1 234,50', '1234.50'],
    ['1,234.50', '1234.50'],
    ['CHF 20', '20'],
    ['20 chf', '20'],
    ['\u22125', '-5'],
  ])('%s is read as %s', (typed, amount) => expect(readAmount(typed, 'CHF')).toBe(amount));

  // A comma before three digits is a thousand to some, and a decimal sign to others.
  test.each(['', 'ten', '1.2.3', '1,2,3', '.5.', '1.0000000001', '1,500', '12,000', 'EUR 50', '50 USD'])(
    '%j is no amount',
    (typed) => expect(readAmount(typed, 'CHF')).toBeNull(),
  );

  test('shares are between nothing and all', () => {
    expect(shareOf('1', '4')).toBe(0.25);
    expect(shareOf('5', '4')).toBe(1);
    expect(shareOf('-5', '4')).toBe(0);
    expect([shareOf('0', '0'), shareOf('1', '0')]).toEqual([0, 1]);
  });

  test.each([
    ['40.000000000', '40.00'],
    ['0.001700000', '0.0017'],
    ['0.123456789', '0.123456789'],
  ])('%s stands in a field as %s', (amount, typed) => expect(asTyped(amount)).toBe(typed));
});
