import { Code } from '@mantine/core';
import type { ReactNode } from 'react';
import type { TransferAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { seesPool, useMandate } from '../../../shared/session/index.ts';
import { Dialog } from '../../../shared/ui/index.ts';
import { Money } from '../money.tsx';
import { nameOf, usePeople } from '../queries.ts';
import { journalTexts } from '../texts/journal.ts';
import { kindTexts } from '../texts/kinds.ts';
import { pageTexts } from '../texts/page.ts';
import classes from './details.module.css';
import { signedAmount } from './signed-amount.ts';

const COST_SOURCES = ['PROVIDER_USAGE', 'REPORTED', 'ESTIMATED', 'DRAINED', 'LAST_RECORDED', 'INPUT_BOUND'] as const;

/** What of the stored price a person wants to know first; the whole of it stands below. */
function usePriceLines(): (price: Record<string, unknown>) => readonly string[] {
  const t = journalTexts.use();
  const { currency } = useMandate();
  return (price) => {
    const text = (name: string) => (typeof price[name] === 'string' ? price[name] : '');
    const source = text('sourceCurrency');
    const rates = typeof price['rates'] === 'object' && price['rates'] !== null ? Object.entries(price['rates']) : [];
    return [
      ...rates
        .filter((entry): entry is [string, string] => typeof entry[1] === 'string')
        .map(([unit, rate]) => t('rate', { unit, rate, currency: source })),
      ...(source !== '' && source !== currency
        ? [t('exchange', { source, rate: text('exchangeRate'), currency })]
        : []),
      ...(Number(text('markupPercent')) === 0 ? [] : [t('markup', { percent: text('markupPercent') })]),
    ];
  };
}

function Price({ price }: { price: Record<string, unknown> }) {
  const t = journalTexts.use();
  const lines = usePriceLines()(price);
  return (
    <>
      {lines.map((line) => (
        <div key={line}>{line}</div>
      ))}
      <details>
        <summary>{t('priceDetails')}</summary>
        <Code block className={classes['code'] ?? ''} tabIndex={0}>
          {JSON.stringify(price, null, 2)}
        </Code>
      </details>
    </>
  );
}

/** Each line that the movement has something for. */
function useLines(transfer: TransferAnswer): readonly (readonly [string, ReactNode])[] {
  const t = journalTexts.use();
  const words = pageTexts.use();
  const format = useFormat(useMandate().timeZone);
  const people = usePeople();
  const source = COST_SOURCES.find((each) => each === transfer.costSource);
  const count = (value: number | null) => (value === null ? null : format.number(value));
  const tags = Object.entries(transfer.tags ?? {});
  return [
    [words('when'), format.dateTime(transfer.at)],
    [t('account'), t('fromTo', { from: t(transfer.debit), to: t(transfer.credit) })],
    [words('person'), transfer.userId && nameOf(people, transfer.userId)],
    [words('model'), transfer.model],
    [t('upstream'), transfer.upstream],
    [t('input'), count(transfer.inputTokens)],
    [t('cachedInput'), transfer.cachedInputTokens ? count(transfer.cachedInputTokens) : null],
    [t('output'), count(transfer.outputTokens)],
    [t('price'), transfer.priceUsed && <Price price={transfer.priceUsed} />],
    [t('costSource'), source ? t(source) : transfer.costSource],
    [t('tags'), tags.length > 0 && tags.map(([name, value]) => `${name}=${value}`).join(', ')],
    [words('reference'), transfer.reference],
    [t('reason'), transfer.reason],
    [t('by'), transfer.actor],
    [t('requestId'), transfer.requestId && <Code>{transfer.requestId}</Code>],
    [t('transferId'), <Code key="id">{transfer.id}</Code>],
  ];
}

/** All that is stored of a movement, so that a figure can be explained years later. */
export function TransferDetails({ transfer, onClose }: { transfer: TransferAnswer; onClose: () => void }) {
  const t = journalTexts.use();
  const kind = kindTexts.use();
  const { amount, isNeutral } = signedAmount(transfer, seesPool(useMandate()));
  const lines = useLines(transfer).filter(([, content]) => content !== null && content !== '' && content !== false);
  return (
    <Dialog opened title={`${t('details')}: ${kind(transfer.kind)}`} onClose={onClose} closeOnClickOutside>
      <dl className={classes['lines']}>
        <dt>{t('exactly')}</dt>
        <dd className={classes['amount']}>
          <Money amount={amount} exact signed={!isNeutral} />
        </dd>
        {lines.map(([label, content]) => (
          <div key={label} className={classes['line']}>
            <dt>{label}</dt>
            <dd>{content}</dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
