import { Badge, Button, Group, Select, Text } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type VerificationAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { type Column, DataTable, PagedList, Panel, Trouble, usePaged } from '../../../shared/ui/index.ts';
import { useMandateName, useMandateNames, VERIFICATIONS_KEY } from '../queries.ts';
import { operatorTexts } from '../texts.ts';
import { Findings } from './findings.tsx';
import { booksTexts } from './texts.ts';

const COLOURS = { RUNNING: 'blue', CLEAN: 'green', VIOLATED: 'red', BROKEN_OFF: 'yellow' } as const;

function Result({ verification }: { verification: VerificationAnswer }) {
  const t = booksTexts.use();
  const { state, violations, warnings } = verification;
  const counts = [
    violations !== null && violations > 0 && t('violations', { count: violations }),
    warnings !== null && warnings > 0 && t('warnings', { count: warnings }),
  ];
  return (
    <div>
      <Badge variant="light" color={COLOURS[state]}>
        {t(state)}
      </Badge>
      <Text size="xs" c="var(--bursar-quiet)">
        {counts.filter(Boolean).join(', ')}
      </Text>
    </div>
  );
}

function useColumns(onShow: (verification: VerificationAnswer) => void): Column<VerificationAnswer>[] {
  const t = booksTexts.use();
  const own = operatorTexts.use();
  const nameOf = useMandateName();
  const { dateTime, number } = useFormat();
  return [
    {
      key: 'scope',
      label: t('scope'),
      cell: ({ mandateId }) => (mandateId === null ? t('everything') : nameOf(mandateId)),
    },
    { key: 'result', label: t('result'), cell: (verification) => <Result verification={verification} /> },
    { key: 'started', label: t('started'), cell: ({ startedAt }) => dateTime(startedAt) },
    {
      key: 'took',
      label: t('took'),
      isFigure: true,
      cell: ({ startedAt, endedAt }) => {
        if (endedAt === null) return '–';
        const millis = new Date(endedAt).getTime() - new Date(startedAt).getTime();
        return `${number(Math.round(millis / 100) / 10)} s`;
      },
    },
    {
      key: 'show',
      label: own('actions'),
      cell: (verification) =>
        verification.findings.length > 0 && (
          <Button size="compact-sm" variant="default" onClick={() => onShow(verification)}>
            {t('show')}
          </Button>
        ),
    },
  ];
}

function Begin({ isRunning }: { isRunning: boolean }) {
  const t = booksTexts.use();
  const client = useQueryClient();
  const mandates = useMandateNames();
  const [mandateId, setMandateId] = useState('');
  const begin = useMutation({
    mutationFn: () => answer(api.POST('/api/verifications', { body: mandateId === '' ? {} : { mandateId } })),
    onSettled: () => client.invalidateQueries({ queryKey: VERIFICATIONS_KEY }),
  });
  return (
    <>
      <Group align="flex-end">
        <Select
          label={t('scope')}
          data={[
            { value: '', label: t('everything') },
            ...mandates.map(({ id, name }) => ({ value: id, label: `${name} (${id.slice(0, 8)})` })),
          ]}
          searchable
          limit={50}
          allowDeselect={false}
          value={mandateId}
          onChange={(value) => setMandateId(value ?? '')}
        />
        <Button loading={begin.isPending} disabled={isRunning} onClick={() => begin.mutate()}>
          {t('verify')}
        </Button>
      </Group>
      {begin.isError && <Trouble error={begin.error} />}
    </>
  );
}

const isRunning = ({ state }: VerificationAnswer): boolean => state === 'RUNNING';

/** Having the books verified, and what was found. */
export default function Books() {
  const t = booksTexts.use();
  const own = operatorTexts.use();
  const [shown, setShown] = useState<VerificationAnswer | null>(null);
  const columns = useColumns(setShown);
  const paged = usePaged({
    queryKey: VERIFICATIONS_KEY,
    read: (query) => answer(api.GET('/api/verifications', { params: { query } })),
    itemsOf: (page) => page.verifications,
    isMoving: (verifications) => verifications.some(isRunning),
  });
  const [latest] = paged.query.data ?? [];
  const isBusy = paged.query.data?.some(isRunning) ?? false;
  return (
    <Panel title={own('books')} hint={t('hint')}>
      <Begin isRunning={isBusy} />
      <Text role="status" size="sm">
        {isBusy && t('running')}
        {!isBusy && latest?.state === 'CLEAN' && t('now')}
      </Text>
      <PagedList paged={paged} nothing={t('none')}>
        {(verifications) => (
          <DataTable caption={own('books')} columns={columns} rows={verifications} rowKey={({ id }) => id} />
        )}
      </PagedList>
      {shown && <Findings verification={shown} onClose={() => setShown(null)} />}
    </Panel>
  );
}
