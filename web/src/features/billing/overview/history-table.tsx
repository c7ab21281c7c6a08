import type { HistoryAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { type Column, DataTable } from '../../../shared/ui/index.ts';
import { Money } from '../money.tsx';
import { kindTexts } from '../texts/kinds.ts';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';
import { eventful, type HistoryRow, historyRows, momentWithin } from './history-rows.ts';

function Movements({ row }: { row: HistoryRow }) {
  const kind = kindTexts.use();
  return (
    <div>
      {row.movements.map((movement) => (
        <div key={`${movement.at} ${movement.amount}`}>
          {kind(movement.kind)} <Money amount={movement.amount} signed />
        </div>
      ))}
    </div>
  );
}

/** What the chart shows, in figures, the newest first; steps in which nothing happened are left out. */
export function HistoryTable({ history }: { history: HistoryAnswer }) {
  const t = overviewTexts.use();
  const words = pageTexts.use();
  const format = useFormat(useMandate().timeZone);
  const shown = history.step === 'hour' ? format.dateTime : format.date;
  const columns: readonly Column<HistoryRow>[] = [
    { key: 'when', label: words('when'), cell: ({ at }) => shown(momentWithin(at, history.step)) },
    { key: 'movements', label: t('movements'), cell: (row) => row.movements.length > 0 && <Movements row={row} /> },
    {
      key: 'refusals',
      label: t('refusals'),
      isFigure: true,
      cell: ({ refusedCalls }) => refusedCalls > 0 && format.number(refusedCalls),
    },
    { key: 'balance', label: t('balance'), isFigure: true, cell: ({ balance }) => <Money amount={balance} /> },
  ];
  const rows = [...eventful(historyRows(history))].reverse();
  return <DataTable caption={t('history')} columns={columns} rows={rows} rowKey={({ at }) => at} />;
}
