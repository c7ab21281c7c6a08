import { useFormat } from '../../shared/i18n/index.ts';
import { isZero, nanosOf, negated } from '../../shared/money/index.ts';
import { useMandate } from '../../shared/session/index.ts';

const MINUS = '\u2212';

interface MoneyProps {
  readonly amount: string;
  /** All decimals, where somebody wants to check a figure. */
  readonly exact?: boolean;
  /** With a plus where money came in. */
  readonly signed?: boolean;
  readonly className?: string;
}

/** An amount in the mandate's currency: rounded to read, exact when pointed at. */
export function Money({ amount, exact = false, signed = false, className = '' }: MoneyProps) {
  const { currency } = useMandate();
  const format = useFormat();
  const isNegative = nanosOf(amount) < 0n;
  const size = isNegative ? negated(amount) : amount;
  // The sign stands before the currency in all languages, so that figures below each other are quick to compare.
  const sign = isNegative ? MINUS : signed && !isZero(amount) ? '+' : '';
  const exactly = `${sign}${format.exactMoney(size, currency)}`;
  return (
    <span className={`figures ${className}`} title={exactly} style={{ whiteSpace: 'nowrap' }}>
      {exact ? exactly : `${sign}${format.money(size, currency)}`}
    </span>
  );
}
