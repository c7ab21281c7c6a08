const DECIMALS = 9;

/** The sum of two decimal strings of nine decimals at most, exactly. */
export function addAmounts(one: string, other: string): string {
  const nanos = nanosOf(one) + nanosOf(other);
  const digits = (nanos < 0n ? -nanos : nanos).toString().padStart(DECIMALS + 1, '0');
  return `${nanos < 0n ? '-' : ''}${digits.slice(0, -DECIMALS)}.${digits.slice(-DECIMALS)}`;
}

function nanosOf(amount: string): bigint {
  const [whole = '0', fraction = ''] = amount.split('.');
  const nanos = BigInt(whole.replace('-', '') + fraction.slice(0, DECIMALS).padEnd(DECIMALS, '0'));
  return amount.startsWith('-') ? -nanos : nanos;
}
