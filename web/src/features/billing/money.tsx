import { useFormat } from '../../shared/i18n/index.ts';
import { useMandate } from '../../shared/session/index.ts';

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
  const exactly = format.exactMoney(amount, currency);
  const shown = exact ? exactly : format.money(amount, currency);
  return (
    <span className={`figures ${className}`} title={exactly} style={{ whiteSpace: 'nowrap' }}>
      {signed && Number(amount) > 0 ? `+${shown}` : shown}
    </span>
  );
}
