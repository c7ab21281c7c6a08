import { Group } from '@mantine/core';
import { answer, api, type ReceiptAnswer, type ReceiptList } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { type Column, DataTable, PagedList, Panel, usePaged } from '../../../shared/ui/index.ts';
import { Money } from '../money.tsx';
import { useMandatePath } from '../place.ts';
import { moneyKey } from '../queries.ts';
import { pageTexts } from '../texts/page.ts';
import { statementsTexts } from '../texts/statements.ts';
import { DownloadButton } from './download-button.tsx';

const FORMS = ['pdf', 'json'] as const;
const receiptsOf = ({ receipts }: ReceiptList) => receipts;

function useColumns(): readonly Column<ReceiptAnswer>[] {
  const t = statementsTexts.use();
  const words = pageTexts.use();
  const { mandateId } = useMandatePath();
  const format = useFormat(useMandate().timeZone);
  const buttons = ({ id, number }: ReceiptAnswer) => (
    <Group gap={6} wrap="nowrap" justify="flex-end">
      {FORMS.map((form) => (
        <DownloadButton
          key={form}
          address={`/api/mandates/${mandateId}/receipts/${id}?format=${form}`}
          form={form.toUpperCase()}
          label={t('receiptOf', { number, form: form.toUpperCase() })}
        />
      ))}
    </Group>
  );
  return [
    { key: 'number', label: t('number'), cell: ({ number }) => number },
    { key: 'when', label: words('when'), cell: ({ at }) => format.date(at) },
    {
      key: 'account',
      label: words('account'),
      cell: ({ payer, userName }) =>
        payer === 'wallet' && userName ? words('walletOf', { name: userName }) : words(payer),
    },
    { key: 'reference', label: words('reference'), cell: ({ reference }) => reference ?? '' },
    { key: 'amount', label: words('amount'), isFigure: true, cell: ({ amount }) => <Money amount={amount} /> },
    { key: 'forms', label: t('download'), isFigure: true, cell: buttons },
  ];
}

export function Receipts({ year }: { year: number }) {
  const t = statementsTexts.use();
  const path = useMandatePath();
  const columns = useColumns();
  const paged = usePaged({
    queryKey: [...moneyKey(path.mandateId), 'receipts', year],
    read: (cursor) =>
      answer(api.GET('/api/mandates/{mandateId}/receipts', { params: { path, query: { year, ...cursor } } })),
    itemsOf: receiptsOf,
  });
  return (
    <Panel title={t('receipts')} hint={t('receiptsHint')}>
      <PagedList paged={paged} nothing={t('noReceipts')}>
        {(receipts) => <DataTable caption={t('receipts')} columns={columns} rows={receipts} rowKey={({ id }) => id} />}
      </PagedList>
    </Panel>
  );
}
