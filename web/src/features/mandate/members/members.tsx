import { Badge, Button, Group, Text } from '@mantine/core';
import { useState } from 'react';
import { answer, api, type UserAnswer } from '../../../shared/api/index.ts';
import { isLanguage, LANGUAGE_NAMES, useFormat } from '../../../shared/i18n/index.ts';
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
import { peopleKey } from '../people.ts';
import { mandateTexts } from '../texts.ts';
import { AddMember, ChangeMember } from './member-form.tsx';
import { RemoveMember } from './remove-member.tsx';
import { memberTexts } from './texts.ts';

type Doing = { readonly what: 'add' } | { readonly what: 'change' | 'remove'; readonly user: UserAnswer };

function useColumns(actionsOf: (user: UserAnswer) => RowAction[]): Column<UserAnswer>[] {
  const t = memberTexts.use();
  const organisation = mandateTexts.use();
  const { userId, timeZone } = useMandate();
  const { date } = useFormat(timeZone);
  return [
    {
      key: 'name',
      label: t('name'),
      cell: (user) => (
        <>
          {user.displayName}
          {user.id === userId && (
            <Badge component="span" size="sm" variant="light" ml="xs">
              {t('you')}
            </Badge>
          )}
          <Text span display="block" size="sm" c="var(--bursar-quiet)">
            {[user.email === user.displayName ? null : user.email, user.externalId].filter(Boolean).join(' · ')}
          </Text>
        </>
      ),
    },
    { key: 'role', label: organisation('role'), cell: (user) => organisation(user.role) },
    {
      key: 'language',
      label: t('language'),
      cell: (user) => (isLanguage(user.language) ? LANGUAGE_NAMES[user.language] : organisation('asOrganisation')),
    },
    { key: 'since', label: t('since'), cell: (user) => date(user.createdAt) },
    {
      key: 'actions',
      label: t('actions'),
      isActions: true,
      cell: (user) => <RowMenu label={t('actionsOf', { name: user.displayName })} actions={actionsOf(user)} />,
    },
  ];
}

/** Whether a person is meant by a search: by name, address or id. */
export function isMeant(user: UserAnswer, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  return [user.displayName, user.email, user.externalId].some((text) => text?.toLowerCase().includes(wanted));
}

function usePeoplePaged(wantsAll: boolean) {
  const { id: mandateId } = useMandate();
  return usePaged({
    queryKey: [...peopleKey(mandateId), 'pages'],
    wantsAll,
    read: (cursor) =>
      answer(api.GET('/api/mandates/{mandateId}/users', { params: { path: { mandateId }, query: cursor } })),
    itemsOf: (page) => page.users,
  });
}

export function Members() {
  const t = memberTexts.use();
  const common = commonTexts.use();
  const organisation = mandateTexts.use();
  const [search, setSearch] = useState('');
  const [doing, setDoing] = useState<Doing | null>(null);
  const paged = usePeoplePaged(search !== '');
  const columns = useColumns((user) => [
    { label: common('edit'), onChosen: () => setDoing({ what: 'change', user }) },
    { label: t('remove'), onChosen: () => setDoing({ what: 'remove', user }), isDangerous: true },
  ]);
  const close = () => setDoing(null);
  return (
    <Panel
      title={organisation('members')}
      hint={t('hint')}
      actions={<Button onClick={() => setDoing({ what: 'add' })}>{t('add')}</Button>}
    >
      <Group>
        <SearchInput value={search} onSearch={setSearch} />
      </Group>
      <PagedList
        paged={paged}
        shown={paged.query.data?.filter((user) => isMeant(user, search))}
        nothing={search === '' ? t('nobody') : common('noMatch')}
      >
        {(users) => (
          <DataTable caption={organisation('members')} columns={columns} rows={users} rowKey={(user) => user.id} />
        )}
      </PagedList>
      {doing?.what === 'add' && <AddMember onClose={close} />}
      {doing?.what === 'change' && <ChangeMember user={doing.user} onClose={close} />}
      {doing?.what === 'remove' && <RemoveMember user={doing.user} onClose={close} />}
    </Panel>
  );
}
