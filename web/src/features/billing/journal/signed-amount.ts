import type { TransferAnswer } from '../../../shared/api/index.ts';
import { negated } from '../../../shared/money/index.ts';

type Moved = Pick<TransferAnswer, 'kind' | 'amount' | 'debit' | 'credit'>;

/** Kinds whose amount is positive for what goes out of the account. */
const OUTGOING: ReadonlySet<string> = new Set(['CHARGE', 'LATE_ADJUSTMENT', 'REFUND']);

export interface SignedAmount {
  /** As the reader's own money sees it: negative for what it costs. */
  readonly amount: string;
  /** Whether it leaves the reader's money as it is, as between pool and wallet for whoever sees both. */
  readonly isNeutral: boolean;
}

/** The sign that a movement has for whoever reads it: somebody who sees every account, or only their own wallet. */
export function signedAmount(transfer: Moved, seesAll: boolean): SignedAmount {
  if (OUTGOING.has(transfer.kind)) return { amount: negated(transfer.amount), isNeutral: false };
  const isNeutral = (transfer.kind === 'WALLET_TRANSFER' && seesAll) || transfer.kind === 'OVERRUN';
  return { amount: isNeutral ? transfer.amount.replace(/^-/, '') : transfer.amount, isNeutral };
}
