import { Badge, Text } from '@mantine/core';
import { answer, api, type UpstreamAnswer } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import { type Column, DataTable, PagedList, Panel, usePaged } from '../../shared/ui/index.ts';
import { installationTexts } from './installation-texts.ts';
import { operatorTexts } from './texts.ts';

const COLOURS = { closed: 'green', open: 'red', 'half-open': 'yellow' } as const;

function Health({ upstream: { state, retryAfterSeconds } }: { upstream: UpstreamAnswer }) {
  const t = installationTexts.use();
  return (
    <div>
      <Badge variant="light" color={COLOURS[state]}>
        {t(state)}
      </Badge>
      {retryAfterSeconds !== null && (
        <Text size="xs" c="var(--bursar-quiet)">
          {t('again', { count: retryAfterSeconds })}
        </Text>
      )}
    </div>
  );
}

function useColumns(): Column<UpstreamAnswer>[] {
  const t = installationTexts.use();
  const { number } = useFormat();
  return [
    {
      key: 'name',
      label: t('upstream'),
      cell: ({ name, baseUrl, dialect }) => (
        <>
          {name}
          <Text span display="block" size="xs" c="var(--bursar-quiet)">
            {dialect} · {baseUrl}
          </Text>
        </>
      ),
    },
    { key: 'state', label: t('state'), cell: (upstream) => <Health upstream={upstream} /> },
    { key: 'models', label: t('models'), cell: ({ models }) => models.join(', ') },
    { key: 'order', label: t('order'), isFigure: true, cell: ({ order }) => number(order) },
    { key: 'weight', label: t('weight'), isFigure: true, cell: ({ weight }) => number(weight) },
    {
      key: 'timeout',
      label: t('timeout'),
      isFigure: true,
      cell: ({ timeoutSeconds }) => t('seconds', { count: timeoutSeconds }),
    },
  ];
}

export default function Upstreams() {
  const t = installationTexts.use();
  const own = operatorTexts.use();
  const columns = useColumns();
  const paged = usePaged({
    queryKey: ['operator', 'upstreams'],
    read: (query) => answer(api.GET('/api/upstreams', { params: { query } })),
    itemsOf: (page) => page.upstreams,
    // One that is left alone is tried again by itself.
    isMoving: (upstreams) => upstreams.some(({ state }) => state !== 'closed'),
  });
  return (
    <Panel title={own('upstreams')} hint={t('upstreamsHint')}>
      <PagedList paged={paged} nothing={t('noUpstreams')}>
        {(upstreams) => (
          <DataTable caption={own('upstreams')} columns={columns} rows={upstreams} rowKey={({ name }) => name} />
        )}
      </PagedList>
    </Panel>
  );
}
