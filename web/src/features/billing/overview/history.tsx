import { Group, SegmentedControl, Stack, Switch, Text } from '@mantine/core';
import { lazy, Suspense, useState } from 'react';
import type { HistoryAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Answered, Nothing, Panel, Waiting } from '../../../shared/ui/index.ts';
import { AccountChoice, POOL } from '../form.tsx';
import { dayIn, periodOf } from '../period.ts';
import { useHistory } from '../queries.ts';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';
import { HistoryTable } from './history-table.tsx';

const Chart = lazy(() => import('./history-chart.tsx'));
const PERIODS = ['last7', 'last30', 'last90'] as const;
type HistoryPeriod = (typeof PERIODS)[number];

function Drawn({ history, asTable }: { history: HistoryAnswer; asTable: boolean }) {
  const t = overviewTexts.use();
  const { timeZone } = useMandate();
  const format = useFormat(timeZone);
  const [first, last] = [history.points[0], history.points.at(-1)];
  if (!first || !last) return <Nothing>{t('noHistory')}</Nothing>;
  if (asTable) return <HistoryTable history={history} />;
  const summary = t('chartOf', {
    from: format.date(first.at),
    to: format.date(last.at),
    first: format.money(first.balance, history.currency),
    last: format.money(last.balance, history.currency),
  });
  return (
    <figure style={{ margin: 0 }}>
      <figcaption className="visually-hidden">{summary}</figcaption>
      <Suspense fallback={<Waiting />}>
        <Chart history={history} />
      </Suspense>
    </figure>
  );
}

/** The balance over time, as a chart or as a table that says the same. */
export function History({ isWallet }: { isWallet: boolean }) {
  const t = overviewTexts.use();
  const words = pageTexts.use();
  const { timeZone } = useMandate();
  const [name, setName] = useState<HistoryPeriod>('last30');
  const [account, setAccount] = useState(POOL);
  const [asTable, setAsTable] = useState(false);
  const query = useHistory(account === POOL ? null : account, periodOf(name, dayIn(timeZone)));
  return (
    <Panel
      title={t('history')}
      hint={t('historyHint')}
      actions={
        <Group gap="sm">
          {!isWallet && <AccountChoice size="xs" value={account} onChange={setAccount} />}
          <SegmentedControl
            size="xs"
            aria-label={words('period')}
            value={name}
            onChange={(value) => setName(PERIODS.find((each) => each === value) ?? 'last30')}
            data={PERIODS.map((value) => ({ value, label: words(value) }))}
          />
        </Group>
      }
    >
      <Stack gap="sm">
        <Answered query={query}>{(history) => <Drawn history={history} asTable={asTable} />}</Answered>
        <Switch
          size="sm"
          label={<Text size="sm">{t('asTable')}</Text>}
          checked={asTable}
          onChange={(event) => setAsTable(event.currentTarget.checked)}
        />
      </Stack>
    </Panel>
  );
}
