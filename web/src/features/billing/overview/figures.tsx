import { Group, Text } from '@mantine/core';
import type { ReactNode } from 'react';
import type { OverviewAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { type Account, payingAccount, useBalance, useLiveState } from '../../../shared/live/index.ts';
import { isZero, nanosOf, negated } from '../../../shared/money/index.ts';
import { type Membership, useMandate } from '../../../shared/session/index.ts';
import classes from '../billing.module.css';
import { Money } from '../money.tsx';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';

/** The account that the page is about: the pool for whoever may see it, else one's own wallet where it matters. */
export function mainAccount(
  overview: Pick<OverviewAnswer, 'payer' | 'seesPool'>,
  mandate: Membership,
  balance: { currency: string; accounts: readonly Account[] } | undefined,
): Account | null {
  if (overview.seesPool) return payingAccount(balance, mandate, 'pool');
  const own = payingAccount(balance, mandate, 'wallet');
  return own !== null && (overview.payer === 'wallet' || !isZero(own.posted)) ? own : null;
}

function Figure({ label, note, children }: { label: string; note?: ReactNode; children: ReactNode }) {
  return (
    <div className={classes['figure']}>
      <dt>{label}</dt>
      <dd className={classes['value']}>{children}</dd>
      {note && <dd className={classes['note']}>{note}</dd>}
    </div>
  );
}

function Lasts({ overview }: { overview: OverviewAnswer }) {
  const t = overviewTexts.use();
  const format = useFormat(overview.timeZone);
  const { forecast } = overview;
  if (forecast === null) {
    return (
      <Figure label={t('lasts')} note={t('noForecast')}>
        –
      </Figure>
    );
  }
  const perDay = format.money(forecast.perDay, overview.currency);
  return (
    <Figure label={t('lasts')} note={t('forecast', { when: format.relative(forecast.endsAt), perDay })}>
      {format.date(forecast.endsAt)}
    </Figure>
  );
}

function AccountFigures({ account, isUnlimited }: { account: Account; isUnlimited: boolean }) {
  const t = pageTexts.use();
  const own = overviewTexts.use();
  const { currency } = useMandate();
  const format = useFormat();
  const isOwing = nanosOf(account.posted) < 0n;
  const note = isOwing
    ? own('owed', { amount: format.money(negated(account.posted), currency) })
    : isZero(account.creditLimit)
      ? account.payer === 'wallet' && t('ownWallet')
      : own('creditLine', { amount: format.money(account.creditLimit, currency) });
  return (
    <>
      {!isUnlimited && (
        <Figure label={t('available')} note={note}>
          <span aria-live="polite" data-testid="available">
            <Money amount={account.available} />
          </span>
        </Figure>
      )}
      <Figure label={t('held')} note={own('heldHint')}>
        <Money amount={account.held} />
      </Figure>
    </>
  );
}

export function LiveMark() {
  const t = overviewTexts.use();
  const isLive = useLiveState() === 'live';
  return (
    <Group gap={6}>
      <span className={classes['dot']} data-live={isLive} aria-hidden />
      <Text size="sm" c="var(--bursar-quiet)">
        {t(isLive ? 'live' : 'notLive')}
      </Text>
    </Group>
  );
}

/** Whether calls take money from this account, so that it ends some day. */
function pays({ payer, billingModel, seesPool }: OverviewAnswer, account: Account): boolean {
  return billingModel !== 'UNLIMITED' && (seesPool || account.payer === payer);
}

export function Figures({ overview }: { overview: OverviewAnswer }) {
  const t = overviewTexts.use();
  const mandate = useMandate();
  const account = mainAccount(overview, mandate, useBalance());
  return (
    <dl className={classes['figures']} aria-label={t('figures')}>
      {account && <AccountFigures account={account} isUnlimited={overview.billingModel === 'UNLIMITED'} />}
      <Figure
        label={t(overview.seesPool ? 'spentThisMonth' : 'ownSpent')}
        note={t('calls', { count: overview.callsThisMonth })}
      >
        <span data-testid="spent">
          <Money amount={overview.spentThisMonth} />
        </span>
      </Figure>
      {account && pays(overview, account) && <Lasts overview={overview} />}
    </dl>
  );
}
