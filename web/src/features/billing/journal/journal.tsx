import { Anchor, Button, Text } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import type { TransferAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { seesPool, useMandate } from '../../../shared/session/index.ts';
import { type Column, DataTable, PagedList, Panel } from '../../../shared/ui/index.ts';
import { Money } from '../money.tsx';
import { useMandatePath } from '../place.ts';
import { type JournalQuery, nameOf, useJournal, usePeople } from '../queries.ts';
import { journalTexts } from '../texts/journal.ts';
import { kindTexts } from '../texts/kinds.ts';
import { pageTexts } from '../texts/page.ts';
import { Filters } from './filters.tsx';
import { signedAmount } from './signed-amount.ts';
import { TransferDetails } from './transfer-details.tsx';

function TransferAmount({ transfer }: { transfer: TransferAnswer }) {
  const { amount, isNeutral } = signedAmount(transfer, seesPool(useMandate()));
  return <Money amount={amount} signed={!isNeutral} />;
}

/** From where to where, for money that stays in the mandate. */
function useSubject(): (transfer: TransferAnswer) => string {
  const t = journalTexts.use();
  return (transfer) => {
    if (transfer.kind === 'WALLET_TRANSFER') return t('fromTo', { from: t(transfer.debit), to: t(transfer.credit) });
    return transfer.model ?? transfer.reference ?? transfer.reason ?? '';
  };
}

function useColumns(onOpen: (transfer: TransferAnswer) => void): readonly Column<TransferAnswer>[] {
  const t = journalTexts.use();
  const words = pageTexts.use();
  const kind = kindTexts.use();
  const mandate = useMandate();
  const format = useFormat(mandate.timeZone);
  const people = usePeople();
  const subject = useSubject();
  const who: Column<TransferAnswer> = {
    key: 'who',
    label: words('person'),
    cell: ({ userId }) => (userId ? nameOf(people, userId) : ''),
  };
  const name = (transfer: TransferAnswer) => (
    <Anchor
      component="button"
      type="button"
      size="sm"
      ta="left"
      onClick={() => onOpen(transfer)}
      aria-haspopup="dialog"
    >
      {kind(transfer.kind)}
    </Anchor>
  );
  return [
    { key: 'kind', label: t('kind'), cell: name },
    { key: 'when', label: words('when'), cell: ({ at }) => format.dateTime(at) },
    ...(seesPool(mandate) ? [who] : []),
    { key: 'what', label: t('what'), cell: subject },
    { key: 'amount', label: words('amount'), isFigure: true, cell: (each) => <TransferAmount transfer={each} /> },
  ];
}

function Export({ filter }: { filter: JournalQuery }) {
  const t = journalTexts.use();
  const { mandateId } = useMandatePath();
  const query = new URLSearchParams({ bom: 'true' });
  for (const [name, value] of Object.entries(filter))
    for (const each of [value].flat()) query.append(name, String(each));
  return (
    <Button
      component="a"
      href={`/api/mandates/${mandateId}/transfers/export?${query}`}
      download
      variant="default"
      leftSection={<IconDownload size={16} aria-hidden />}
    >
      {t('export')}
    </Button>
  );
}

function Movements({ filter }: { filter: JournalQuery }) {
  const t = journalTexts.use();
  const [opened, setOpened] = useState<TransferAnswer | null>(null);
  const columns = useColumns(setOpened);
  const { data, error, refetch, hasNextPage, isFetchingNextPage, fetchNextPage } = useJournal(filter);
  const items = useMemo(() => data?.pages.flatMap(({ transfers }) => transfers), [data]);
  const paged = {
    query: { data: items, error, refetch },
    hasMore: hasNextPage,
    isReadingOn: isFetchingNextPage,
    readOn: () => void fetchNextPage(),
  };
  return (
    <>
      <PagedList paged={paged} nothing={t('nothing')}>
        {(transfers) => (
          <>
            <Text size="sm" c="var(--bursar-quiet)" role="status">
              {t('shown', { count: transfers.length })}
            </Text>
            <DataTable caption={t('title')} columns={columns} rows={transfers} rowKey={({ id }) => id} />
          </>
        )}
      </PagedList>
      {opened && <TransferDetails transfer={opened} onClose={() => setOpened(null)} />}
    </>
  );
}

/** Every movement of money, to be searched, looked into and taken along. */
export default function Journal() {
  const t = journalTexts.use();
  const [filter, setFilter] = useState<JournalQuery>({});
  return (
    <Panel title={t('title')} hint={t('hint')} actions={<Export filter={filter} />}>
      <Filters onChange={setFilter} />
      <Movements filter={filter} />
    </Panel>
  );
}
