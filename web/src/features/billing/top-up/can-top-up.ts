import type { OverviewAnswer } from '../../../shared/api/index.ts';

/** Whether somebody can put money where it is of use to them. */
export function canTopUp({ means, mayTopUp, seesPool }: OverviewAnswer): boolean {
  return (mayTopUp || seesPool) && (means.byHand || means.voucher || means.online !== null);
}
