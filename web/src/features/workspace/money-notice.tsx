import { Button } from '@mantine/core';
import { IconCoins, IconHourglass, IconPlayerPlay } from '@tabler/icons-react';
import { useState } from 'react';
import { Link } from 'wouter';
import { useFormat, useLanguage } from '../../shared/i18n/index.ts';
import { type Account, payingAccount, useBalance } from '../../shared/live/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { AskForm, AskState, useOwnRequest } from './ask-for-top-up.tsx';
import { type Billing, billingText } from './client.ts';
import { useCountdown } from './countdown.ts';
import { LimitFacts } from './limit-facts.tsx';
import { isMoneyThere, usePostedBefore } from './money-there.ts';
import classes from './notice.module.css';
import { Notice } from './notice.tsx';
import type { StandstillProps } from './standstill.tsx';
import { standstillTexts } from './standstill-texts.ts';

type MoneyNoticeProps = StandstillProps & { readonly billing: Billing };

/** What happened, who was told and when, and the one thing that this person can do. */
export function MoneyNotice(props: MoneyNoticeProps) {
  const { billing } = props;
  const t = standstillTexts.use();
  const language = useLanguage();
  const mandate = useMandate();
  const balance = useBalance();
  const account = payingAccount(balance, mandate, billing.payer);
  const before = usePostedBefore(billing, account);
  if (billing.reason === 'FUNDS_HELD') return <HeldNotice {...props} />;
  const isThere = isMoneyThere(billing, account, before);
  return (
    <Notice
      tone={isThere ? 'good' : 'money'}
      icon={<IconCoins size={22} stroke={1.7} aria-hidden />}
      title={isThere ? t('thereIsMoney') : titleOf(billing, t)}
    >
      <p>{isThere ? t('thereIsMoneyText') : billingText(billing, language)}</p>
      {billing.reason === 'LIMIT_REACHED' && <LimitFacts billing={billing} limit={billing.limit} />}
      {isThere && account !== null && <AvailableNow account={account} currency={billing.currency} />}
      <MoneyActions {...props} isThere={isThere} />
    </Notice>
  );
}

/** A reason of a newer server is as good as the plainest one that is known. */
function titleOf(billing: Billing, t: ReturnType<typeof standstillTexts.use>): string {
  switch (billing.reason) {
    case 'REQUEST_TOO_LARGE':
    case 'LIMIT_REACHED':
    case 'FUNDS_HELD':
      return t(billing.reason);
    default:
      return t('BALANCE_EXHAUSTED');
  }
}

/** Where the money or the limit is; it leads back here. */
export function billingPath(billing: Billing, threadId: string): string {
  const part = billing.reason === 'LIMIT_REACHED' ? 'limits' : 'top-up';
  const query = new URLSearchParams({ mandate: billing.mandateId, return: `/workspace/${threadId}` });
  return `/billing/${part}?${query}`;
}

function AvailableNow({ account, currency }: { account: Account; currency: string }) {
  const t = standstillTexts.use();
  const format = useFormat();
  return (
    <p className={classes['quiet']} aria-live="off">
      {t('availableNow', { amount: format.money(account.available, currency) })}
    </p>
  );
}

function MoneyActions(props: MoneyNoticeProps & { isThere: boolean }) {
  const { billing, threadId, title, since, workspace, isThere } = props;
  const t = standstillTexts.use();
  const [isAsking, setIsAsking] = useState(false);
  const mustAsk = billing.userAction === 'CONTACT_MANDATE_ADMIN';
  const request = useOwnRequest(mustAsk, since);
  const isLimit = billing.reason === 'LIMIT_REACHED';
  if (isAsking) return <AskForm isLimit={isLimit} title={title} onClose={() => setIsAsking(false)} />;
  const goesOn = isThere || request?.state === 'APPROVED';
  return (
    <>
      {mustAsk && !isThere && request && <AskState request={request} isLimit={isLimit} />}
      <div className={classes['actions']}>
        {billing.userAction === 'TOP_UP_SELF' && !isThere && (
          <Button component={Link} href={billingPath(billing, threadId)}>
            {t(isLimit ? 'changeLimit' : 'topUp')}
          </Button>
        )}
        {mustAsk && !isThere && (request === null || request.state === 'DECLINED') && (
          <Button onClick={() => setIsAsking(true)}>{t(isLimit ? 'askLimit' : 'askTopUp')}</Button>
        )}
        <Button
          variant={goesOn ? 'filled' : 'default'}
          leftSection={<IconPlayerPlay size={16} aria-hidden />}
          onClick={() => void workspace.resume()}
        >
          {t('goOn')}
        </Button>
      </div>
    </>
  );
}

/** The money is there, only not at this moment: it is waited for. */
function HeldNotice({ billing, workspace }: MoneyNoticeProps) {
  const t = standstillTexts.use();
  const language = useLanguage();
  const { retryAt } = workspace.state;
  const seconds = useCountdown(retryAt);
  return (
    <Notice tone="quiet" icon={<IconHourglass size={22} stroke={1.7} aria-hidden />} title={t('FUNDS_HELD')}>
      <p>{billingText(billing, language)}</p>
      {seconds !== null && (
        <p role="timer" aria-live="off" className={classes['quiet']}>
          {t('waiting', { count: seconds })}
        </p>
      )}
      <div className={classes['actions']}>
        <Button variant="default" onClick={() => void workspace.resume()}>
          {t(retryAt === null ? 'goOn' : 'goOnNow')}
        </Button>
        {retryAt !== null && (
          <Button variant="subtle" color="gray" onClick={() => void workspace.stop()}>
            {t('stopWaiting')}
          </Button>
        )}
      </div>
    </Notice>
  );
}
