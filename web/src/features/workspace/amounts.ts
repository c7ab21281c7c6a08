import type { Format } from '../../shared/i18n/index.ts';

const FINE_DECIMALS = 4;

/** What a call costs: with four decimals where two would hide most of it. */
export function callCost(format: Format, amount: string, currency: string): string {
  const size = Math.abs(Number(amount));
  const isFine = size >= 0.01 && size < 1;
  return isFine ? format.exactMoney(rounded(amount), currency) : format.money(amount, currency);
}

/** By its digits, half up: a double would not hold them. */
function rounded(amount: string): string {
  const [whole = '0', fraction = ''] = amount.split('.');
  const digits = BigInt(whole + fraction.slice(0, FINE_DECIMALS).padEnd(FINE_DECIMALS, '0'));
  const more = Number(fraction[FINE_DECIMALS] ?? '0') >= 5 ? 1n : 0n;
  const text = (digits + more).toString().padStart(FINE_DECIMALS + 1, '0');
  return `${text.slice(0, -FINE_DECIMALS)}.${text.slice(-FINE_DECIMALS)}`;
}

/** What is left: small amounts with four decimals, so that a call can be seen to move them; never more than there is. */
export function amountLeft(format: Format, amount: string, currency: string): string {
  if (Math.abs(Number(amount)) >= 1) return format.money(amount, currency);
  const [whole = '0', fraction = ''] = amount.split('.');
  return format.exactMoney(`${whole}.${fraction.slice(0, FINE_DECIMALS)}`, currency);
}
