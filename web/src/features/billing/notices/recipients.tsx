import { Alert, Badge, Button, Group, Stack, TagsInput, Text } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type AddressAnswer, answer, api, type WishesAnswer } from '../../../shared/api/index.ts';
import { useSession } from '../../../shared/session/index.ts';
import {
  Answered,
  type Column,
  commonTexts,
  DataTable,
  Panel,
  SendForm,
  showDone,
  showTrouble,
  useSending,
} from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { noticesTexts } from '../texts/notices.ts';
import { pageTexts } from '../texts/page.ts';
import { sentKey, settingsKey, useWishes, wishesKey } from './queries.ts';

const COLORS: Readonly<Record<AddressAnswer['state'], string>> = { ok: 'fir', dead: 'red', unsubscribed: 'yellow' };
const MOST_ADDRESSES = 50;

function useTest() {
  const t = noticesTexts.use();
  const client = useQueryClient();
  const path = useMandatePath();
  return useMutation({
    mutationFn: (address: string | null) =>
      answer(
        api.POST('/api/mandates/{mandateId}/notices/test', {
          params: { path },
          body: address === null ? {} : { address },
        }),
      ),
    onError: showTrouble,
    onSuccess: ({ recipient }) => {
      showDone(t('testSent', { address: recipient }));
      void client.invalidateQueries({ queryKey: sentKey(path.mandateId) });
    },
  });
}

function TestButton({ address }: { address: string | null }) {
  const t = noticesTexts.use();
  const test = useTest();
  return (
    <Button
      size="compact-sm"
      variant="default"
      loading={test.isPending}
      onClick={() => test.mutate(address)}
      {...(address === null ? {} : { 'aria-label': `${t('sendTest')}: ${address}` })}
    >
      {t(address === null ? 'testOwn' : 'sendTest')}
    </Button>
  );
}

function State({ address }: { address: AddressAnswer }) {
  const t = noticesTexts.use();
  return (
    <Stack gap={2}>
      <Group gap="xs">
        <Badge color={COLORS[address.state]} variant="dot" tt="none" fw={500}>
          {t(address.state)}
        </Badge>
      </Group>
      {address.state !== 'ok' && (
        <Text size="sm" c="var(--bursar-quiet)">
          {address.reason && `${address.reason} `}
          {t('again')}
        </Text>
      )}
    </Stack>
  );
}

function Addresses({ addresses }: { addresses: readonly AddressAnswer[] }) {
  const t = noticesTexts.use();
  const words = pageTexts.use();
  const columns: readonly Column<AddressAnswer>[] = [
    { key: 'address', label: t('addresses'), cell: ({ address }) => address },
    { key: 'state', label: words('state'), cell: (address) => <State address={address} /> },
    {
      key: 'test',
      label: words('actions'),
      isFigure: true,
      cell: ({ address }) => <TestButton address={address} />,
    },
  ];
  if (addresses.length === 0) {
    return (
      <Alert color="yellow" role="note">
        {t('nobody')}
      </Alert>
    );
  }
  return <DataTable caption={t('recipients')} columns={columns} rows={addresses} rowKey={({ address }) => address} />;
}

function Editing({ addresses }: { addresses: readonly string[] }) {
  const t = noticesTexts.use();
  const common = commonTexts.use();
  const path = useMandatePath();
  const form = useForm({ initialValues: { notifyEmails: [...addresses] } });
  const sent = useSending({
    form,
    changes: [wishesKey(path.mandateId), settingsKey(path.mandateId)],
    onDone: () => showDone(t('saved')),
    send: (body) => answer(api.PUT('/api/mandates/{mandateId}/billing-settings', { params: { path }, body })),
  });
  return (
    <SendForm sent={sent} action={common('save')}>
      <TagsInput
        label={t('addresses')}
        description={t('addressesHint')}
        splitChars={[',', ';', ' ']}
        maxTags={MOST_ADDRESSES}
        {...form.getInputProps('notifyEmails')}
      />
    </SendForm>
  );
}

function Told({ wishes }: { wishes: WishesAnswer }) {
  const addresses = wishes.notifyEmails.map(({ address }) => address);
  return (
    <Stack>
      <Addresses addresses={wishes.notifyEmails} />
      <Editing key={addresses.join(' ')} addresses={addresses} />
    </Stack>
  );
}

/** Whom the notices go to by mail, how each address stands, and a mail to try it. */
export function Recipients() {
  const t = noticesTexts.use();
  const { person } = useSession();
  return (
    <Panel
      title={t('recipients')}
      hint={t('recipientsHint')}
      actions={person.email !== null && <TestButton address={null} />}
    >
      <Answered query={useWishes()}>{(wishes) => <Told wishes={wishes} />}</Answered>
    </Panel>
  );
}
