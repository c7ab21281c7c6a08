import { Text } from '@mantine/core';
import { type AlertAnswer, answer, api } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import { type Column, DataTable, PagedList, Panel, usePaged } from '../../shared/ui/index.ts';
import { installationTexts } from './installation-texts.ts';
import { operatorTexts } from './texts.ts';

/** Free facts, as they come: `status: 402`. */
export function factsText(facts: AlertAnswer['facts']): string {
  return Object.entries(facts)
    .filter(([, value]) => value !== null && value !== '')
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`)
    .join(' · ');
}

function useColumns(): Column<AlertAnswer>[] {
  const t = installationTexts.use();
  const { dateTime, number, relative } = useFormat();
  return [
    {
      key: 'what',
      label: t('alert'),
      cell: ({ title, facts }) => (
        <>
          {title}
          <Text span display="block" size="xs" c="var(--bursar-quiet)" lineClamp={4}>
            {factsText(facts)}
          </Text>
        </>
      ),
    },
    { key: 'kind', label: t('kind'), cell: ({ kind }) => t(kind) },
    { key: 'times', label: t('times'), isFigure: true, cell: ({ count }) => number(count) },
    { key: 'since', label: t('since'), cell: ({ since }) => dateTime(since) },
    { key: 'last', label: t('last'), cell: ({ lastAt }) => relative(lastAt) },
    { key: 'told', label: t('told'), cell: ({ toldAt }) => (toldAt === null ? t('notTold') : dateTime(toldAt)) },
  ];
}

export default function Alerts() {
  const t = installationTexts.use();
  const own = operatorTexts.use();
  const columns = useColumns();
  const paged = usePaged({
    queryKey: ['operator', 'alerts'],
    read: (query) => answer(api.GET('/api/alerts', { params: { query } })),
    itemsOf: (page) => page.alerts,
  });
  return (
    <Panel title={own('alerts')} hint={t('alertsHint')}>
      <PagedList paged={paged} nothing={t('noAlerts')}>
        {(alerts) => <DataTable caption={own('alerts')} columns={columns} rows={alerts} rowKey={({ id }) => id} />}
      </PagedList>
    </Panel>
  );
}
