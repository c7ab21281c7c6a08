import { UnstyledButton } from '@mantine/core';
import { IconArrowDown, IconArrowsSort, IconArrowUp } from '@tabler/icons-react';
import { useState } from 'react';
import type { SumAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { shareOf } from '../../../shared/money/index.ts';
import classes from '../billing.module.css';
import { Money } from '../money.tsx';
import type { GroupBy } from '../queries.ts';
import { pageTexts } from '../texts/page.ts';
import { usageTexts } from '../texts/usage.ts';
import { COLUMNS, nextOrder, type Order, sorted, type UsageColumn, type UsageRow } from './sorting.ts';

interface HeadProps {
  readonly column: UsageColumn;
  readonly label: string;
  readonly order: Order;
  readonly onOrder: (order: Order) => void;
}

function SortMark({ isSorted, isDescending }: { isSorted: boolean; isDescending: boolean }) {
  const Mark = isSorted ? (isDescending ? IconArrowDown : IconArrowUp) : IconArrowsSort;
  return <Mark size={14} aria-hidden opacity={isSorted ? 1 : 0.45} />;
}

function Head({ column, label, order, onOrder }: HeadProps) {
  const t = usageTexts.use();
  const isSorted = order.column === column;
  const direction = order.isDescending ? 'descending' : 'ascending';
  return (
    <th
      scope="col"
      aria-sort={isSorted ? direction : 'none'}
      className={column === 'name' ? undefined : classes['number']}
    >
      <UnstyledButton
        className={classes['sort'] ?? ''}
        title={t('sortBy', { column: label })}
        onClick={() => onOrder(nextOrder(order, column))}
      >
        {label}
        <SortMark isSorted={isSorted} isDescending={order.isDescending} />
      </UnstyledButton>
    </th>
  );
}

function Tokens({ sum }: { sum: SumAnswer }) {
  const t = usageTexts.use();
  const format = useFormat();
  return (
    <>
      {format.number(sum.inputTokens)}
      {sum.cachedInputTokens > 0 && (
        <div className={classes['note']}>
          {t('cached')} {format.number(sum.cachedInputTokens)}
        </div>
      )}
    </>
  );
}

function Row({ row, most }: { row: UsageRow; most: string }) {
  const format = useFormat();
  return (
    <tr>
      <th scope="row">
        {row.name}
        <div className={classes['bar']} style={{ width: `${shareOf(row.amount, most) * 100}%` }} aria-hidden />
      </th>
      <td className={classes['number']}>
        <Money amount={row.amount} />
      </td>
      <td className={classes['number']}>{format.number(row.calls)}</td>
      <td className={classes['number']}>
        <Tokens sum={row} />
      </td>
      <td className={classes['number']}>{format.number(row.outputTokens)}</td>
    </tr>
  );
}

function Total({ total }: { total: SumAnswer }) {
  const t = usageTexts.use();
  const format = useFormat();
  return (
    <tfoot>
      <tr>
        <th scope="row">{t('total')}</th>
        <td className={classes['number']}>
          <Money amount={total.amount} />
        </td>
        <td className={classes['number']}>{format.number(total.calls)}</td>
        <td className={classes['number']}>
          <Tokens sum={total} />
        </td>
        <td className={classes['number']}>{format.number(total.outputTokens)}</td>
      </tr>
    </tfoot>
  );
}

interface UsageTableProps {
  readonly groupBy: GroupBy;
  readonly rows: readonly UsageRow[];
  readonly total: SumAnswer;
}

/** Sums that can be sorted by every column, each with a bar for what it cost beside the others. */
export function UsageTable({ groupBy, rows, total }: UsageTableProps) {
  const t = usageTexts.use();
  const words = pageTexts.use();
  const [order, setOrder] = useState<Order>({ column: groupBy === 'day' ? 'name' : 'amount', isDescending: true });
  const labels: Readonly<Record<UsageColumn, string>> = {
    name: t(groupBy),
    calls: words('calls'),
    input: t('input'),
    output: t('output'),
    amount: t('amount'),
  };
  const [most] = sorted(rows, { column: 'amount', isDescending: true });
  return (
    <div className={classes['scroll']}>
      <table className={classes['table']}>
        <caption className="visually-hidden">{t('title')}</caption>
        <thead>
          <tr>
            {COLUMNS.map((column) => (
              <Head key={column} column={column} label={labels[column]} order={order} onOrder={setOrder} />
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted(rows, order).map((row) => (
            <Row key={row.key ?? ''} row={row} most={most?.amount ?? '0'} />
          ))}
        </tbody>
        <Total total={total} />
      </table>
    </div>
  );
}
