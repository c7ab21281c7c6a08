import { Select, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { answer, api, type KeyAnswer, type NewKeyAnswer, taggedAnswer } from '../../../shared/api/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Answered, Confirm, Dialog, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { ChangeKey, keysKey } from './key-form.tsx';
import { keyTexts } from './texts.ts';

interface KeyDialog {
  readonly apiKey: KeyAnswer;
  readonly onClose: () => void;
}

/** Read anew before it is changed, with the version that the change is based on. */
export function ChangeKeyDialog({ apiKey, onClose }: KeyDialog) {
  const { id: mandateId } = useMandate();
  const t = keyTexts.use();
  const fresh = useQuery({
    queryKey: [...keysKey(mandateId), 'one', apiKey.id],
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () =>
      taggedAnswer(
        api.GET('/api/mandates/{mandateId}/keys/{keyId}', { params: { path: { mandateId, keyId: apiKey.id } } }),
      ),
  });
  return (
    <Dialog opened title={t('change', { name: apiKey.name })} onClose={onClose}>
      <Answered query={fresh}>{(known) => <ChangeKey key={known.tag} known={known} onClose={onClose} />}</Answered>
    </Dialog>
  );
}

const OVERLAPS = [
  ['now', 0],
  ['hour', 3_600],
  ['day', 86_400],
  ['week', 604_800],
  ['month', 2_592_000],
] as const;

/** `onMade` gets the new secret's text: nothing here keeps it. */
export function RotateKey({ apiKey, onMade, onClose }: KeyDialog & { onMade: (made: NewKeyAnswer) => void }) {
  const { id: mandateId } = useMandate();
  const t = keyTexts.use();
  const form = useForm({ initialValues: { overlapSeconds: '86400' } });
  const sent = useSending({
    form,
    changes: [keysKey(mandateId)],
    send: ({ overlapSeconds }) =>
      answer(
        api.POST('/api/mandates/{mandateId}/keys/{keyId}/rotate', {
          params: { path: { mandateId, keyId: apiKey.id } },
          body: { overlapSeconds: Number(overlapSeconds) },
        }),
      ),
    onDone: onMade,
  });
  return (
    <Dialog opened title={t('rotateTitle', { name: apiKey.name })} onClose={onClose}>
      <SendForm sent={sent} action={t('rotate')} onCancel={onClose}>
        <Text size="sm">{t('rotateHint')}</Text>
        <Select
          label={t('overlap')}
          data={OVERLAPS.map(([text, seconds]) => ({ value: String(seconds), label: t(text) }))}
          allowDeselect={false}
          {...form.getInputProps('overlapSeconds')}
        />
      </SendForm>
    </Dialog>
  );
}

export function RevokeKey({ apiKey, onClose }: KeyDialog) {
  const { id: mandateId } = useMandate();
  const t = keyTexts.use();
  const client = useQueryClient();
  const revoke = async () => {
    await answer(
      api.DELETE('/api/mandates/{mandateId}/keys/{keyId}', { params: { path: { mandateId, keyId: apiKey.id } } }),
    );
    void client.invalidateQueries({ queryKey: keysKey(mandateId) });
    showDone(t('revokedDone', { name: apiKey.name }));
  };
  return (
    <Confirm title={t('revokeTitle', { name: apiKey.name })} action={t('revoke')} onConfirm={revoke} onClose={onClose}>
      <Text size="sm">{t('revokeText')}</Text>
    </Confirm>
  );
}
