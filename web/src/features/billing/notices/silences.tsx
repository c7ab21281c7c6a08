import { Button, Select, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type SilenceAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import {
  Answered,
  type Column,
  DataTable,
  Dialog,
  Nothing,
  Panel,
  SendForm,
  showDone,
  showTrouble,
  useSending,
} from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { NOTICE_KINDS, noticeKindTexts } from '../texts/notice-kinds.ts';
import { noticesTexts } from '../texts/notices.ts';
import { pageTexts } from '../texts/page.ts';
import { silencesKey, useSilences } from './queries.ts';

const LONGEST_MILLIS = 90 * 86_400_000;

function isSoon(local: string): boolean {
  const ahead = new Date(local).getTime() - Date.now();
  return ahead > 0 && ahead <= LONGEST_MILLIS;
}

function AddSilence({ onClose }: { onClose: () => void }) {
  const t = noticesTexts.use();
  const words = pageTexts.use();
  const kindName = noticeKindTexts.use();
  const path = useMandatePath();
  const form = useForm({
    initialValues: { kind: '', endsAt: '', reason: '' },
    validate: { endsAt: (value) => (isSoon(value) ? null : t('invalidTime')) },
  });
  const sent = useSending({
    form,
    changes: [silencesKey(path.mandateId)],
    onDone: onClose,
    send: ({ kind, endsAt, reason }) => {
      const about = kind === '' ? {} : { kind };
      const why = reason.trim() === '' ? {} : { reason: reason.trim() };
      const body = { endsAt: new Date(endsAt).toISOString(), ...about, ...why };
      return answer(api.POST('/api/mandates/{mandateId}/silences', { params: { path }, body }));
    },
  });
  return (
    <Dialog opened title={t('silence')} onClose={onClose}>
      <SendForm sent={sent} action={t('silenceNow')} onCancel={onClose}>
        <Select
          label={t('kindOf')}
          allowDeselect={false}
          data={[
            { value: '', label: t('allKinds') },
            ...NOTICE_KINDS.map((value) => ({ value, label: kindName(value) })),
          ]}
          {...form.getInputProps('kind')}
        />
        <TextInput type="datetime-local" label={t('until')} {...form.getInputProps('endsAt')} />
        <TextInput label={`${t('reason')} (${words('optional')})`} maxLength={300} {...form.getInputProps('reason')} />
      </SendForm>
    </Dialog>
  );
}

function EndButton({ silence, name }: { silence: SilenceAnswer; name: string }) {
  const t = noticesTexts.use();
  const client = useQueryClient();
  const { mandateId } = useMandatePath();
  const end = useMutation({
    mutationFn: () =>
      answer(
        api.DELETE('/api/mandates/{mandateId}/silences/{silenceId}', {
          params: { path: { mandateId, silenceId: silence.id } },
        }),
      ),
    onError: showTrouble,
    onSuccess: () => showDone(t('silenceEnded')),
    onSettled: () => client.invalidateQueries({ queryKey: silencesKey(mandateId) }),
  });
  return (
    <Button
      size="compact-sm"
      variant="default"
      loading={end.isPending}
      aria-label={`${t('endSilence')}: ${name}`}
      onClick={() => end.mutate()}
    >
      {t('endSilence')}
    </Button>
  );
}

/** Times in which nothing is told. */
export function Silences() {
  const t = noticesTexts.use();
  const words = pageTexts.use();
  const kindName = noticeKindTexts.use();
  // In the reader's own zone, in which it was chosen.
  const format = useFormat();
  const [isAdding, setAdding] = useState(false);
  const nameOf = ({ kind }: SilenceAnswer) => (kind === null ? t('allKinds') : kindName(kind));
  const columns: readonly Column<SilenceAnswer>[] = [
    { key: 'kind', label: t('kindOf'), cell: nameOf },
    { key: 'until', label: t('until'), cell: ({ endsAt }) => format.dateTime(endsAt) },
    { key: 'reason', label: t('reason'), cell: ({ reason }) => reason ?? '' },
    {
      key: 'end',
      label: words('actions'),
      isActions: true,
      cell: (silence) => <EndButton silence={silence} name={nameOf(silence)} />,
    },
  ];
  return (
    <Panel
      title={t('silences')}
      hint={t('silencesHint')}
      actions={
        <Button variant="default" onClick={() => setAdding(true)}>
          {t('silence')}
        </Button>
      }
    >
      <Answered query={useSilences()}>
        {({ silences }) =>
          silences.length === 0 ? (
            <Nothing>{t('noSilences')}</Nothing>
          ) : (
            <DataTable caption={t('silences')} columns={columns} rows={silences} rowKey={({ id }) => id} />
          )
        }
      </Answered>
      {isAdding && <AddSilence onClose={() => setAdding(false)} />}
    </Panel>
  );
}
