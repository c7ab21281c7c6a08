import { Tooltip } from '@mantine/core';
import { useFormat } from '../../shared/i18n/index.ts';
import { payingAccount, useBalance, useLiveState } from '../../shared/live/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { amountLeft } from './amounts.ts';
import classes from './meter.module.css';
import { workspaceTexts } from './texts.ts';
import { useOverview } from './threads.ts';

/** What is left of what was there at the beginning of the month's spending: 0 to 1. */
export function shareLeft(available: string, spent: string): number {
  const [left, gone] = [Math.max(0, Number(available)), Math.max(0, Number(spent))];
  return left + gone === 0 ? 0 : left / (left + gone);
}

const LOW_SHARE = 0.1;
/** The money left for this person's calls, live and quiet; nothing for those who may not see it. */
export function BudgetMeter() {
  const t = workspaceTexts.use();
  const mandate = useMandate();
  const format = useFormat(mandate.timeZone);
  const overview = useOverview();
  const balance = useBalance();
  const isLive = useLiveState() === 'live';
  if (overview === undefined) return null;
  if (overview.billingModel === 'UNLIMITED') return <span className={classes['words']}>{t('unlimited')}</span>;
  const account = payingAccount(balance, mandate, overview.payer);
  if (balance === undefined || account === null) return null;
  const amount = amountLeft(format, account.available, balance.currency);
  const share = shareLeft(account.available, overview.spentThisMonth);
  const spent = format.money(overview.spentThisMonth, balance.currency);
  const hint = t('leftHint', { amount: format.exactMoney(account.available, balance.currency), spent });
  return (
    <Tooltip label={isLive ? hint : `${hint} ${t('notLive')}.`} multiline maw={280} events={TOUCHED}>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: its hint opens on focus */}
      <span className={classes['meter']} data-low={share < LOW_SHARE || undefined} data-live={isLive} tabIndex={0}>
        <span className={classes['words']}>{t('left', { amount })}</span>
        <meter
          className="visually-hidden"
          min={0}
          max={1}
          value={share}
          aria-label={t('left', { amount })}
          aria-valuetext={hint}
        />
        <span className={classes['bar']} aria-hidden>
          <span style={{ width: `${share * 100}%` }} />
        </span>
      </span>
    </Tooltip>
  );
}

const TOUCHED = { hover: true, focus: true, touch: true };
