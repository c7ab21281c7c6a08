import { Group, Select, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import type { EntryAnswer, EntryPage } from '../api/index.ts';
import { useFormat } from '../i18n/index.ts';
import { type Column, DataTable, PagedList, usePaged } from '../ui/index.ts';
import classes from './audit-log.module.css';
import { actionText, actorText, differences, fieldText, valueText } from './readable.ts';
import { auditTexts } from './texts.ts';

export interface AuditFilter {
  action?: string;
  from?: string;
  to?: string;
}

interface AuditLogProps {
  readonly caption: string;
  readonly queryKey: readonly unknown[];
  readonly read: (query: AuditFilter & { cursor?: string }) => Promise<EntryPage>;
  /** What the filter offers; without, there is no filter. */
  readonly actions?: readonly string[];
  readonly timeZone?: string;
  readonly nameOf: (id: string) => string | undefined;
}

const OF_ORGANISATION = /^(bur_)[0-9a-f]{32}_/;
const ID = /^[0-9a-f]{8}-[0-9a-f-]{27}$/;

/** Ids are told by their beginning, keys by what is theirs: whole ones say no more to people, and leave no room. */
function shortened(text: string): string {
  return ID.test(text) ? `${text.slice(0, 8)}…` : text.replace(OF_ORGANISATION, '$1…_');
}

type About = Pick<AuditLogProps, 'timeZone' | 'nameOf'>;

function Changes({ entry, timeZone, nameOf }: About & { entry: EntryAnswer }) {
  const t = auditTexts.use();
  const { dateTime } = useFormat(timeZone);
  const said = (value: unknown) =>
    (typeof value === 'string' ? nameOf(value) : undefined) ?? shortened(valueText(t, value, dateTime));
  const isNew = entry.before === null;
  return (
    <ul className={classes['changes']}>
      {differences(entry).map(({ field, before, after }) => (
        <li key={field}>
          <span className={classes['field']}>{fieldText(t, field)}</span>{' '}
          {!isNew && (
            <>
              <del>{said(before)}</del> →{' '}
            </>
          )}
          <ins>{said(after)}</ins>
        </li>
      ))}
    </ul>
  );
}

function useColumns({ timeZone, nameOf }: About): Column<EntryAnswer>[] {
  const t = auditTexts.use();
  const { dateTime } = useFormat(timeZone);
  return [
    {
      key: 'what',
      label: t('what'),
      cell: ({ action, object }) => (
        <>
          {actionText(t, action)}
          <Text span display="block" size="xs" c="var(--bursar-quiet)" title={object}>
            {nameOf(object) ?? shortened(object)}
          </Text>
        </>
      ),
    },
    {
      key: 'who',
      label: t('who'),
      cell: ({ actor, ip, userAgent }) => (
        <span title={userAgent ?? undefined}>
          {actorText(t, actor, nameOf)}
          {ip !== null && (
            <Text span display="block" size="xs" c="var(--bursar-quiet)">
              {t('from', { ip })}
            </Text>
          )}
        </span>
      ),
    },
    { key: 'when', label: t('when'), cell: ({ at }) => dateTime(at) },
    {
      key: 'changes',
      label: t('changes'),
      cell: (entry) => <Changes entry={entry} nameOf={nameOf} {...(timeZone === undefined ? {} : { timeZone })} />,
    },
  ];
}

interface Days {
  readonly action: string;
  readonly from: string;
  readonly to: string;
}

/** Whole days where the reader is; the last one counts. */
function filterOf({ action, from, to }: Days): AuditFilter {
  return {
    ...(action === '' ? {} : { action }),
    ...(from === '' ? {} : { from: new Date(`${from}T00:00:00`).toISOString() }),
    ...(to === '' ? {} : { to: new Date(`${to}T23:59:59.999`).toISOString() }),
  };
}

function Filters({ days, actions, onChange }: FiltersProps) {
  const t = auditTexts.use();
  return (
    <Group align="flex-end">
      <Select
        label={t('action')}
        data={[
          { value: '', label: t('allActions') },
          ...actions.map((value) => ({ value, label: actionText(t, value) })),
        ]}
        searchable
        allowDeselect={false}
        value={days.action}
        onChange={(action) => onChange({ ...days, action: action ?? '' })}
      />
      <TextInput
        type="date"
        label={t('since')}
        value={days.from}
        onChange={(event) => onChange({ ...days, from: event.currentTarget.value })}
      />
      <TextInput
        type="date"
        label={t('until')}
        value={days.to}
        onChange={(event) => onChange({ ...days, to: event.currentTarget.value })}
      />
    </Group>
  );
}

interface FiltersProps {
  readonly days: Days;
  readonly actions: readonly string[];
  readonly onChange: (days: Days) => void;
}

/** Who changed what, newest first: of a mandate, or of the installation. */
export function AuditLog({ caption, queryKey, read, actions, timeZone, nameOf }: AuditLogProps) {
  const t = auditTexts.use();
  const [days, setDays] = useState<Days>({ action: '', from: '', to: '' });
  const paged = usePaged({
    queryKey: [...queryKey, days],
    read: (cursor) => read({ ...filterOf(days), ...cursor }),
    itemsOf: (page) => page.entries,
  });
  const columns = useColumns({ nameOf, ...(timeZone === undefined ? {} : { timeZone }) });
  return (
    <>
      {actions && <Filters days={days} actions={actions} onChange={setDays} />}
      <PagedList paged={paged} nothing={t('nothing')}>
        {(entries) => <DataTable caption={caption} columns={columns} rows={entries} rowKey={({ id }) => id} />}
      </PagedList>
    </>
  );
}
