import { expect, it } from 'vitest';
import { addAmounts } from '../src/amounts.ts';

it.each([
  ['0.006123000', '0.004563000', '0.010686000'],
  ['0.1', '0.2', '0.300000000'],
  ['9007199254740993.000000001', '0', '9007199254740993.000000001'],
  ['0.999999999', '0.000000001', '1.000000000'],
  ['1', '-1.5', '-0.500000000'],
  ['-0.5', '0.25', '-0.250000000'],
])('%s + %s = %s, exactly', (one, other, sum) => {
  expect(addAmounts(one, other)).toBe(sum);
  expect(addAmounts(other, one)).toBe(sum);
});
