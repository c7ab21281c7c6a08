import { Badge, Button, Code, Group, Switch, Text } from '@mantine/core';
import { useState } from 'react';
import { answer, api, type KeyAnswer, type NewKeyAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import {
  type Column,
  commonTexts,
  DataTable,
  PagedList,
  Panel,
  type RowAction,
  RowMenu,
  SearchInput,
  usePaged,
} from '../../../shared/ui/index.ts';
import { useNameOf } from '../people.ts';
import { useRights } from '../rights.ts';
import { mandateTexts } from '../texts.ts';
import { ChangeKeyDialog, RevokeKey, RotateKey } from './key-dialogs.tsx';
import { CreateKey, keysKey } from './key-form.tsx';
import { KeyShown } from './key-shown.tsx';
import { beginningOf, hasEnded, stateOf } from './key-state.ts';
import { keyTexts } from './texts.ts';

function LimitsCell({ apiKey }: { apiKey: KeyAnswer }) {
  const t = keyTexts.use();
  const { currency } = useMandate();
  const { money } = useFormat();
  if (apiKey.kind === 'admin') return apiKey.readOnlyBilling ? t('readOnly') : '–';
  const { allowedModels, maxCallsPerMinute, maxConcurrentCalls, maxHeld } = apiKey;
  const parts = [
    allowedModels === null ? t('allModels') : allowedModels.join(', '),
    maxCallsPerMinute !== null && t('ofPerMinute', { count: maxCallsPerMinute }),
    maxConcurrentCalls !== null && t('ofConcurrent', { count: maxConcurrentCalls }),
    maxHeld !== null && t('ofHeld', { amount: money(maxHeld, currency) }),
  ];
  return <span>{parts.filter(Boolean).join(' · ')}</span>;
}

function StateCell({ apiKey }: { apiKey: KeyAnswer }) {
  const t = keyTexts.use();
  const { date, dateTime } = useFormat(useMandate().timeZone);
  const now = new Date();
  const state = stateOf(apiKey, now);
  const { formerPrefix, formerUntil } = apiKey;
  const isReplaced = formerPrefix !== null && formerUntil !== null && new Date(formerUntil) > now;
  return (
    <div>
      {state.is === 'active' ? t('active') : t(state.is, { date: date(state.at) })}
      {isReplaced && !hasEnded(apiKey, now) && (
        <Text size="xs" c="var(--bursar-quiet)">
          {t('former', { prefix: beginningOf(formerPrefix), date: dateTime(formerUntil) })}
        </Text>
      )}
    </div>
  );
}

function useColumns(actionsOf: (key: KeyAnswer) => RowAction[]): Column<KeyAnswer>[] {
  const t = keyTexts.use();
  const nameOf = useNameOf();
  const { allKeys } = useRights();
  const { relative } = useFormat();
  const owner: Column<KeyAnswer> = {
    key: 'owner',
    label: t('belongsTo'),
    cell: ({ userId }) => (userId === null ? t('theOrganisation') : nameOf(userId)),
  };
  return [
    {
      key: 'name',
      label: t('name'),
      cell: ({ name, kind, prefix }) => (
        <>
          {name}{' '}
          {allKeys && (
            <Badge component="span" size="sm" variant="light" color={kind === 'admin' ? 'orange' : 'gray'}>
              {t(kind)}
            </Badge>
          )}
          <Text span display="block" size="xs">
            <Code>{beginningOf(prefix)}…</Code>
          </Text>
        </>
      ),
    },
    ...(allKeys ? [owner] : []),
    { key: 'limits', label: t('limits'), cell: (key) => <LimitsCell apiKey={key} /> },
    {
      key: 'used',
      label: t('lastUsed'),
      cell: ({ lastUsedAt }) => (lastUsedAt === null ? t('never') : relative(lastUsedAt)),
    },
    { key: 'state', label: t('state'), cell: (key) => <StateCell apiKey={key} /> },
    {
      key: 'actions',
      label: t('actions'),
      isActions: true,
      cell: (key) => <RowMenu label={t('actionsOf', { name: key.name })} actions={actionsOf(key)} />,
    },
  ];
}

type Doing = { readonly what: 'create' } | { readonly what: 'change' | 'rotate' | 'revoke'; readonly key: KeyAnswer };

function KeyDialogs({ doing, onDone }: { doing: Doing | null; onDone: () => void }) {
  // The text of a new key lives here and nowhere else, until its dialog is closed.
  const [made, setMade] = useState<NewKeyAnswer | null>(null);
  const show = (key: NewKeyAnswer) => {
    onDone();
    setMade(key);
  };
  return (
    <>
      {doing?.what === 'create' && <CreateKey onMade={show} onClose={onDone} />}
      {doing?.what === 'change' && <ChangeKeyDialog apiKey={doing.key} onClose={onDone} />}
      {doing?.what === 'rotate' && <RotateKey apiKey={doing.key} onMade={show} onClose={onDone} />}
      {doing?.what === 'revoke' && <RevokeKey apiKey={doing.key} onClose={onDone} />}
      {made && <KeyShown made={made} onClose={() => setMade(null)} />}
    </>
  );
}

/** Keys that a search and the switch leave, in the order of the list. */
function useShown() {
  const [search, setSearch] = useState('');
  const [isWithEnded, setWithEnded] = useState(false);
  const wanted = search.trim().toLowerCase();
  const isShown = (key: KeyAnswer) =>
    (isWithEnded || !hasEnded(key, new Date())) &&
    [key.name, key.prefix].some((text) => text.toLowerCase().includes(wanted));
  return { search, setSearch, isWithEnded, setWithEnded, isShown };
}

function Filters({ search, setSearch, isWithEnded, setWithEnded }: Omit<ReturnType<typeof useShown>, 'isShown'>) {
  const t = keyTexts.use();
  return (
    <Group>
      <SearchInput value={search} onSearch={setSearch} />
      <Switch
        label={t('showEnded')}
        checked={isWithEnded}
        onChange={(event) => setWithEnded(event.currentTarget.checked)}
      />
    </Group>
  );
}

export function Keys() {
  const { id: mandateId } = useMandate();
  const t = keyTexts.use();
  const common = commonTexts.use();
  const organisation = mandateTexts.use();
  const { allKeys } = useRights();
  const [doing, setDoing] = useState<Doing | null>(null);
  const { isShown, ...filters } = useShown();
  const paged = usePaged({
    queryKey: [...keysKey(mandateId), 'pages'],
    wantsAll: filters.search !== '',
    read: (cursor) =>
      answer(api.GET('/api/mandates/{mandateId}/keys', { params: { path: { mandateId }, query: cursor } })),
    itemsOf: (page) => page.keys,
  });
  const columns = useColumns((key) =>
    hasEnded(key, new Date())
      ? []
      : [
          { label: common('edit'), onChosen: () => setDoing({ what: 'change', key }) },
          { label: t('rotate'), onChosen: () => setDoing({ what: 'rotate', key }) },
          { label: t('revoke'), onChosen: () => setDoing({ what: 'revoke', key }), isDangerous: true },
        ],
  );
  return (
    <Panel
      title={organisation('keys')}
      hint={t(allKeys ? 'hint' : 'ownHint')}
      actions={<Button onClick={() => setDoing({ what: 'create' })}>{t('create')}</Button>}
    >
      <Filters {...filters} />
      <PagedList
        paged={paged}
        shown={paged.query.data?.filter(isShown)}
        nothing={filters.search === '' ? t('none') : common('noMatch')}
      >
        {(keys) => (
          <DataTable
            caption={organisation('keys')}
            columns={columns}
            rows={keys}
            rowKey={({ id }) => id}
            isOver={(key) => hasEnded(key, new Date())}
          />
        )}
      </PagedList>
      <KeyDialogs doing={doing} onDone={() => setDoing(null)} />
    </Panel>
  );
}
