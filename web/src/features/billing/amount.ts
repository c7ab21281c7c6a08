export * from '../../shared/money/amount.ts';

/** For a field: digits after the two usual ones only where they say something. */
export function asTyped(amount: string): string {
  return amount.replace(/(\.\d\d)(\d*?)0+$/, '$1$2');
}
