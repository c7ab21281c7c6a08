import { Button, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type InvitationAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import {
  type Column,
  Confirm,
  DataTable,
  Dialog,
  LanguageSelect,
  PagedList,
  Panel,
  RowMenu,
  SendForm,
  showDone,
  usePaged,
  useSending,
} from '../../../shared/ui/index.ts';
import { languageOrNull, type Role, RoleSelect } from '../fields.tsx';
import { mandateTexts } from '../texts.ts';
import { invitationTexts } from './texts.ts';

const invitationsKey = (mandateId: string) => ['mandate', mandateId, 'invitations'] as const;

interface Values extends Record<string, unknown> {
  email: string;
  role: Role;
  language: string;
}

function Invite({ onClose }: { onClose: () => void }) {
  const { id: mandateId } = useMandate();
  const t = invitationTexts.use();
  const organisation = mandateTexts.use();
  const form = useForm<Values>({ initialValues: { email: '', role: 'member', language: '' } });
  const sent = useSending({
    form,
    changes: [invitationsKey(mandateId)],
    send: ({ email, role, language }) =>
      answer(
        api.POST('/api/mandates/{mandateId}/invitations', {
          params: { path: { mandateId } },
          body: { email: email.trim(), role, language: languageOrNull(language) },
        }),
      ),
    onDone: ({ email }) => {
      showDone(t('sent', { email: email ?? '' }));
      onClose();
    },
  });
  return (
    <Dialog opened title={t('title')} onClose={onClose}>
      <SendForm sent={sent} action={t('send')} onCancel={onClose}>
        <TextInput label={t('email')} type="email" data-autofocus {...form.getInputProps('email')} />
        <RoleSelect {...form.getInputProps('role')} />
        <LanguageSelect
          label={t('language')}
          none={organisation('asOrganisation')}
          {...form.getInputProps('language')}
        />
      </SendForm>
    </Dialog>
  );
}

function Withdraw({ invitation, onClose }: { invitation: InvitationAnswer; onClose: () => void }) {
  const { id: mandateId } = useMandate();
  const t = invitationTexts.use();
  const client = useQueryClient();
  const withdraw = async () => {
    await answer(
      api.DELETE('/api/mandates/{mandateId}/invitations/{invitationId}', {
        params: { path: { mandateId, invitationId: invitation.id } },
      }),
    );
    void client.invalidateQueries({ queryKey: invitationsKey(mandateId) });
    showDone(t('withdrawn'));
  };
  return (
    <Confirm title={t('withdrawTitle')} action={t('withdraw')} onConfirm={withdraw} onClose={onClose}>
      {t('withdrawText', { email: invitation.email ?? t('erased') })}
    </Confirm>
  );
}

function useColumns(onWithdraw: (invitation: InvitationAnswer) => void): Column<InvitationAnswer>[] {
  const t = invitationTexts.use();
  const organisation = mandateTexts.use();
  const { date, dateTime } = useFormat(useMandate().timeZone);
  return [
    { key: 'email', label: t('email'), cell: ({ email }) => email ?? t('erased') },
    { key: 'role', label: organisation('role'), cell: ({ role }) => organisation(role) },
    { key: 'invited', label: t('invited'), cell: ({ createdAt }) => date(createdAt) },
    { key: 'expires', label: t('expires'), cell: ({ expiresAt }) => dateTime(expiresAt) },
    {
      key: 'actions',
      label: t('actions'),
      isActions: true,
      cell: (invitation) => (
        <RowMenu
          label={t('actionsOf', { email: invitation.email ?? t('erased') })}
          actions={[{ label: t('withdraw'), onChosen: () => onWithdraw(invitation), isDangerous: true }]}
        />
      ),
    },
  ];
}

export function Invitations() {
  const { id: mandateId } = useMandate();
  const t = invitationTexts.use();
  const organisation = mandateTexts.use();
  const [isInviting, setInviting] = useState(false);
  const [withdrawing, setWithdrawing] = useState<InvitationAnswer | null>(null);
  const columns = useColumns(setWithdrawing);
  const paged = usePaged({
    queryKey: invitationsKey(mandateId),
    read: (cursor) =>
      answer(api.GET('/api/mandates/{mandateId}/invitations', { params: { path: { mandateId }, query: cursor } })),
    itemsOf: (page) => page.invitations,
  });
  return (
    <Panel
      title={organisation('invitations')}
      hint={t('hint')}
      actions={<Button onClick={() => setInviting(true)}>{t('invite')}</Button>}
    >
      <PagedList paged={paged} nothing={t('nothing')}>
        {(invitations) => (
          <DataTable
            caption={organisation('invitations')}
            columns={columns}
            rows={invitations}
            rowKey={({ id }) => id}
          />
        )}
      </PagedList>
      {isInviting && <Invite onClose={() => setInviting(false)} />}
      {withdrawing && <Withdraw invitation={withdrawing} onClose={() => setWithdrawing(null)} />}
    </Panel>
  );
}
