import { Badge, Button, SegmentedControl, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type OperatorAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { SESSION_KEY, useSession } from '../../../shared/session/index.ts';
import {
  type Column,
  Confirm,
  DataTable,
  Dialog,
  PagedList,
  Panel,
  RowMenu,
  SendForm,
  showDone,
  usePaged,
  useSending,
} from '../../../shared/ui/index.ts';
import { OPERATORS_KEY } from '../queries.ts';
import { operatorTexts } from '../texts.ts';
import { operatorsTexts } from './texts.ts';

interface Values extends Record<string, unknown> {
  way: 'byIdentity' | 'bySubject';
  identityId: string;
  issuer: string;
  subject: string;
}

function bodyOf({ way, identityId, issuer, subject }: Values) {
  return way === 'byIdentity' ? { identityId: identityId.trim() } : { issuer: issuer.trim(), subject: subject.trim() };
}

function AddOperator({ onClose }: { onClose: () => void }) {
  const t = operatorsTexts.use();
  const form = useForm<Values>({ initialValues: { way: 'bySubject', identityId: '', issuer: '', subject: '' } });
  const sent = useSending({
    form,
    changes: [OPERATORS_KEY],
    send: (values) => answer(api.POST('/api/operators', { body: bodyOf(values) })),
    onDone: () => {
      showDone(t('added'));
      onClose();
    },
  });
  return (
    <Dialog opened title={t('add')} onClose={onClose}>
      <SendForm sent={sent} action={t('add')} onCancel={onClose}>
        <SegmentedControl
          orientation="vertical"
          aria-label={t('add')}
          data={(['bySubject', 'byIdentity'] as const).map((value) => ({ value, label: t(value) }))}
          {...form.getInputProps('way')}
        />
        {form.getValues().way === 'byIdentity' ? (
          <TextInput label={t('identityId')} description={t('identityIdHint')} {...form.getInputProps('identityId')} />
        ) : (
          <>
            <TextInput label={t('issuer')} description={t('issuerHint')} {...form.getInputProps('issuer')} />
            <TextInput label={t('subject')} description={t('subjectHint')} {...form.getInputProps('subject')} />
          </>
        )}
      </SendForm>
    </Dialog>
  );
}

function RemoveOperator({ operator, onClose }: { operator: OperatorAnswer; onClose: () => void }) {
  const t = operatorsTexts.use();
  const client = useQueryClient();
  const isSelf = useSession().person.identityId === operator.id;
  const remove = async () => {
    await answer(api.DELETE('/api/operators/{operatorId}', { params: { path: { operatorId: operator.id } } }));
    void client.invalidateQueries({ queryKey: isSelf ? SESSION_KEY : OPERATORS_KEY });
    showDone(t('removed'));
  };
  return (
    <Confirm
      title={t('removeTitle', { name: operator.displayName ?? operator.subject })}
      action={t('remove')}
      onConfirm={remove}
      onClose={onClose}
    >
      <Text size="sm">{t('removeText')}</Text>
      {isSelf && (
        <Text size="sm" fw={600} mt="sm">
          {t('removeSelf')}
        </Text>
      )}
    </Confirm>
  );
}

function useColumns(onRemove: (operator: OperatorAnswer) => void): Column<OperatorAnswer>[] {
  const t = operatorsTexts.use();
  const own = operatorTexts.use();
  const { person } = useSession();
  const { date } = useFormat();
  return [
    {
      key: 'name',
      label: t('name'),
      cell: ({ id, displayName, subject, grantedBy }) => (
        <>
          {displayName ?? (grantedBy === 'operator' ? t('unknown') : subject)}
          {id === person.identityId && (
            <Badge component="span" size="sm" variant="light" ml="xs">
              {t('you')}
            </Badge>
          )}
        </>
      ),
    },
    { key: 'issuer', label: t('issuer'), cell: ({ issuer }) => issuer },
    { key: 'subject', label: t('subject'), cell: ({ subject }) => subject },
    { key: 'how', label: t('how'), cell: ({ addedAt, grantedBy }) => `${date(addedAt)}, ${t(grantedBy)}` },
    {
      key: 'actions',
      label: own('actions'),
      isActions: true,
      cell: (operator) => (
        <RowMenu
          label={own('actionsOf', { name: operator.displayName ?? operator.subject })}
          // Whom the configuration names is taken out there.
          actions={
            operator.grantedBy === 'settings'
              ? []
              : [{ label: t('remove'), onChosen: () => onRemove(operator), isDangerous: true }]
          }
        />
      ),
    },
  ];
}

export default function Operators() {
  const t = operatorsTexts.use();
  const own = operatorTexts.use();
  const [isAdding, setAdding] = useState(false);
  const [removing, setRemoving] = useState<OperatorAnswer | null>(null);
  const columns = useColumns(setRemoving);
  const paged = usePaged({
    queryKey: OPERATORS_KEY,
    read: (query) => answer(api.GET('/api/operators', { params: { query } })),
    itemsOf: (page) => page.operators,
  });
  return (
    <Panel
      title={own('operators')}
      hint={t('hint')}
      actions={<Button onClick={() => setAdding(true)}>{t('add')}</Button>}
    >
      <PagedList paged={paged} nothing={t('none')}>
        {(operators) => (
          <DataTable caption={own('operators')} columns={columns} rows={operators} rowKey={({ id }) => id} />
        )}
      </PagedList>
      {isAdding && <AddOperator onClose={() => setAdding(false)} />}
      {removing && <RemoveOperator operator={removing} onClose={() => setRemoving(null)} />}
    </Panel>
  );
}
