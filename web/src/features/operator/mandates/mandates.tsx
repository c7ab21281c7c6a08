import { Anchor, Badge, Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import { Link, Route, Switch, useLocation } from 'wouter';
import { answer, api, type MandateAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { billingModelTexts } from '../../../shared/money/index.ts';
import {
  type Column,
  commonTexts,
  DataTable,
  PagedList,
  Panel,
  SearchInput,
  showDone,
  usePaged,
} from '../../../shared/ui/index.ts';
import { MANDATES_KEY } from '../queries.ts';
import { operatorTexts } from '../texts.ts';
import { CreateMandate } from './create-mandate.tsx';
import { MandateDetail } from './mandate-detail.tsx';
import { mandatesTexts } from './texts.ts';

const COLOURS = { active: 'green', suspended: 'yellow', closed: 'gray' } as const;

export function StatusBadge({ status }: Pick<MandateAnswer, 'status'>) {
  const t = operatorTexts.use();
  return (
    <Badge variant="light" color={COLOURS[status]}>
      {t(status)}
    </Badge>
  );
}

function useColumns(): Column<MandateAnswer>[] {
  const t = mandatesTexts.use();
  const models = billingModelTexts.use();
  const { date } = useFormat();
  return [
    {
      key: 'name',
      label: t('name'),
      cell: ({ id, name }) => (
        <>
          <Anchor component={Link} href={`/operator/mandates/${id}`} inherit>
            {name}
          </Anchor>
          <Text span display="block" size="xs" c="var(--bursar-quiet)">
            {id.slice(0, 8)}
          </Text>
        </>
      ),
    },
    { key: 'model', label: t('billingModel'), cell: ({ billingModel }) => models(billingModel) },
    { key: 'currency', label: t('currency'), cell: ({ currency }) => currency },
    { key: 'status', label: t('status'), cell: ({ status }) => <StatusBadge status={status} /> },
    { key: 'since', label: t('since'), cell: ({ createdAt }) => date(createdAt) },
  ];
}

/** By name, or by the beginning of the id, as mails have it. */
export function isMeant({ id, name }: Pick<MandateAnswer, 'id' | 'name'>, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  return name.toLowerCase().includes(wanted) || id.startsWith(wanted);
}

function MandateList() {
  const t = mandatesTexts.use();
  const common = commonTexts.use();
  const own = operatorTexts.use();
  const [, navigate] = useLocation();
  const [search, setSearch] = useState('');
  const [isCreating, setCreating] = useState(false);
  const columns = useColumns();
  const paged = usePaged({
    queryKey: [...MANDATES_KEY, 'pages'],
    wantsAll: search !== '',
    read: (query) => answer(api.GET('/api/mandates', { params: { query } })),
    itemsOf: (page) => page.mandates,
  });
  const opened = ({ id, name }: MandateAnswer) => {
    showDone(t('created', { name }));
    navigate(`/operator/mandates/${id}`);
  };
  return (
    <Panel
      title={own('mandates')}
      hint={t('hint')}
      actions={<Button onClick={() => setCreating(true)}>{t('create')}</Button>}
    >
      <Group>
        <SearchInput value={search} onSearch={setSearch} />
      </Group>
      <PagedList
        paged={paged}
        shown={paged.query.data?.filter((mandate) => isMeant(mandate, search))}
        nothing={search === '' ? t('none') : common('noMatch')}
      >
        {(mandates) => (
          <DataTable
            caption={own('mandates')}
            columns={columns}
            rows={mandates}
            rowKey={({ id }) => id}
            isOver={({ status }) => status === 'closed'}
          />
        )}
      </PagedList>
      {isCreating && <CreateMandate onCreated={opened} onClose={() => setCreating(false)} />}
    </Panel>
  );
}

export function Mandates() {
  return (
    <Switch>
      <Route path="/operator/mandates/:mandateId">
        {({ mandateId }) => <MandateDetail key={mandateId} mandateId={mandateId} />}
      </Route>
      <Route>
        <MandateList />
      </Route>
    </Switch>
  );
}
