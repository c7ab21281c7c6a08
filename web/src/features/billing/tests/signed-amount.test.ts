import { expect, test } from 'vitest';
import { signedAmount } from '../journal/signed-amount.ts';

const ALL = true;
const OWN = false;

test.each([
  ['CHARGE', '0.5', ALL, '-0.500000000', false],
  ['LATE_ADJUSTMENT', '-0.5', ALL, '0.500000000', false],
  ['REFUND', '5', ALL, '-5.000000000', false],
  ['TOP_UP', '5', ALL, '5', false],
  ['CORRECTION', '-5', OWN, '-5', false],
  ['WALLET_TRANSFER', '5', OWN, '5', false],
  ['WALLET_TRANSFER', '-5', OWN, '-5', false],
  ['WALLET_TRANSFER', '-5', ALL, '5', true],
  ['OVERRUN', '5', ALL, '5', true],
] as const)('%s of %s, seen by all=%s, is %s', (kind, amount, seesAll, shown, isNeutral) => {
  const transfer = { kind, amount, debit: 'pool', credit: 'wallet' } as const;
  expect(signedAmount(transfer, seesAll)).toEqual({ amount: shown, isNeutral });
});
