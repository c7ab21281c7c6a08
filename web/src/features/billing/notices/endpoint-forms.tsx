import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { answer, api } from '../../../shared/api/index.ts';
import { Copyable, commonTexts, Dialog, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { endpointsTexts } from '../texts/endpoints.ts';
import { pageTexts } from '../texts/page.ts';

interface AddProps<Added> {
  readonly onAdded: (added: Added) => unknown;
  readonly onClose: () => void;
}

function useAddressForm() {
  const words = pageTexts.use();
  return useForm({
    initialValues: { url: '' },
    validate: { url: (value) => (value.trim() === '' ? words('needed') : null) },
  });
}

export function AddChannel({ onAdded, onClose }: AddProps<void>) {
  const t = endpointsTexts.use();
  const common = commonTexts.use();
  const path = useMandatePath();
  const form = useAddressForm();
  const sent = useSending({
    form,
    send: ({ url }) =>
      answer(api.POST('/api/mandates/{mandateId}/channels', { params: { path }, body: { url: url.trim() } })),
    onDone: () => {
      onAdded();
      showDone(t('added'));
      onClose();
    },
  });
  return (
    <Dialog opened title={t('addChannel')} onClose={onClose}>
      <SendForm sent={sent} action={common('add')} onCancel={onClose}>
        <TextInput
          label={t('channelUrl')}
          description={t('channelUrlHint')}
          autoComplete="off"
          spellCheck={false}
          {...form.getInputProps('url')}
        />
      </SendForm>
    </Dialog>
  );
}

/** `onAdded` gets the secret. */
export function AddWebhook({ onAdded, onClose }: AddProps<string>) {
  const t = endpointsTexts.use();
  const common = commonTexts.use();
  const path = useMandatePath();
  const form = useAddressForm();
  const sent = useSending({
    form,
    send: ({ url }) =>
      answer(api.POST('/api/mandates/{mandateId}/webhooks', { params: { path }, body: { url: url.trim() } })),
    onDone: ({ secret }) => {
      onClose();
      onAdded(secret);
    },
  });
  return (
    <Dialog opened title={t('addWebhook')} onClose={onClose}>
      <SendForm sent={sent} action={common('add')} onCancel={onClose}>
        <TextInput
          type="url"
          label={t('webhookUrl')}
          description={t('webhookUrlHint')}
          autoComplete="off"
          {...form.getInputProps('url')}
        />
      </SendForm>
    </Dialog>
  );
}

/** Shown this once; it is gone with the dialog. */
export function Secret({ secret, onClose }: { secret: string; onClose: () => void }) {
  const t = endpointsTexts.use();
  const common = commonTexts.use();
  return (
    <Dialog opened title={t('secretTitle')} closeOnEscape={false} onClose={onClose}>
      <Stack>
        <Text>{t('secretHint')}</Text>
        <Copyable label={t('secret')} text={secret} />
        <Group justify="flex-end">
          <Button onClick={onClose}>{common('close')}</Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
