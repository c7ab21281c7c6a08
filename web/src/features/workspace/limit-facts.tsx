import { useFormat } from '../../shared/i18n/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import type { Billing, BillingLimit } from './client.ts';
import classes from './notice.module.css';
import { standstillTexts } from './standstill-texts.ts';

/** Which limit, when it begins anew, and who can change it. */
export function LimitFacts({ billing, limit }: { billing: Billing; limit: BillingLimit }) {
  const t = standstillTexts.use();
  const { timeZone } = useMandate();
  const format = useFormat(timeZone);
  const facts = [t('limitFor', { scope: t(`scope_${limit.scope}`, { model: limit.scopeId ?? '' }) })];
  if (limit.amount !== null) {
    const amount = format.money(limit.amount, billing.currency);
    facts.unshift(t('limitOf', { amount, period: t(`period_${limit.period}`) }));
  }
  if (limit.spent !== null)
    facts.splice(1, 0, t('limitSpent', { amount: format.money(limit.spent, billing.currency) }));
  const resets =
    limit.resetsAt === null
      ? t('neverResets')
      : t('resets', { at: format.dateTime(limit.resetsAt), relative: format.relative(limit.resetsAt) });
  const change =
    billing.userAction === 'TOP_UP_SELF' ? t('youMayChange') : t('financeMayChange', { mandate: billing.mandateName });
  return (
    <>
      <p className={classes['quiet']}>{facts.join(' · ')}</p>
      <p className={classes['quiet']}>
        {resets} {change}
      </p>
    </>
  );
}
