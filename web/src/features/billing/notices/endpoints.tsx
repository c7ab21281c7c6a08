import { Button, Group } from '@mantine/core';
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type ChannelAnswer, type EndpointAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import {
  Answered,
  type Column,
  Confirm,
  commonTexts,
  DataTable,
  Nothing,
  Panel,
  showDone,
  showTrouble,
} from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { setupKey } from '../queries.ts';
import { endpointsTexts } from '../texts/endpoints.ts';
import { pageTexts } from '../texts/page.ts';
import { AddChannel, AddWebhook, Secret } from './endpoint-forms.tsx';
import { sentKey } from './queries.ts';

type Endpoint = Pick<EndpointAnswer, 'id' | 'failingSince' | 'disabledAt' | 'disabledReason'>;

function useStanding(): (endpoint: Endpoint) => string {
  const t = endpointsTexts.use();
  const format = useFormat(useMandate().timeZone);
  return ({ disabledAt, disabledReason, failingSince }) => {
    if (disabledAt) return t('off', { when: format.dateTime(disabledAt), reason: disabledReason ?? '' });
    return failingSince ? t('failing', { when: format.dateTime(failingSince) }) : t('works');
  };
}

function Revival({ name, revive }: { name: string; revive: () => Promise<unknown> }) {
  const t = endpointsTexts.use();
  const reviving = useMutation({
    mutationFn: revive,
    onError: showTrouble,
    onSuccess: () => showDone(t('revived')),
  });
  return (
    <Button
      size="compact-sm"
      aria-label={`${t('revive')}: ${name}`}
      loading={reviving.isPending}
      onClick={() => reviving.mutate()}
    >
      {t('revive')}
    </Button>
  );
}

/** What it has missed: everything since it began to fail. */
function missedSince({ failingSince, disabledAt }: Endpoint): string | null {
  return disabledAt === null ? null : (failingSince ?? disabledAt);
}

interface ActionsProps {
  readonly name: string;
  readonly test: () => Promise<unknown>;
  readonly remove: () => Promise<unknown>;
  readonly rotate?: () => void;
  /** For what was switched off after it had failed for too long. */
  readonly revive: (() => Promise<unknown>) | null;
}

function Actions({ name, test, remove, rotate, revive }: ActionsProps) {
  const t = endpointsTexts.use();
  const common = commonTexts.use();
  const client = useQueryClient();
  const { mandateId } = useMandatePath();
  const [isDeleting, setDeleting] = useState(false);
  const testing = useMutation({
    mutationFn: test,
    onError: showTrouble,
    onSuccess: () => {
      showDone(t('tested', { name }));
      void client.invalidateQueries({ queryKey: sentKey(mandateId) });
    },
  });
  const button = { size: 'compact-sm', variant: 'default' } as const;
  return (
    <Group gap={6} justify="flex-end">
      <Button
        {...button}
        aria-label={`${t('test')}: ${name}`}
        loading={testing.isPending}
        onClick={() => testing.mutate()}
      >
        {t('test')}
      </Button>
      {revive && <Revival name={name} revive={revive} />}
      {rotate && (
        <Button {...button} aria-label={`${t('rotate')}: ${name}`} onClick={rotate}>
          {t('rotate')}
        </Button>
      )}
      <Button {...button} aria-label={`${common('delete')}: ${name}`} onClick={() => setDeleting(true)}>
        {common('delete')}
      </Button>
      {isDeleting && (
        <Confirm
          title={t('deleteTitle')}
          action={common('delete')}
          onConfirm={() => remove().then(() => showDone(t('deleted')))}
          onClose={() => setDeleting(false)}
        >
          {t('deleteText', { name })}
        </Confirm>
      )}
    </Group>
  );
}

function useChanged(what: string) {
  const client = useQueryClient();
  const { mandateId } = useMandatePath();
  return () => client.invalidateQueries({ queryKey: [...setupKey(mandateId), what] });
}

const TRANSPORTS: Readonly<Record<ChannelAnswer['transport'], string>> = { teams: 'Teams', slack: 'Slack', sms: 'SMS' };

/** Conversations and phones that are told in a few sentences. */
export function Channels() {
  const t = endpointsTexts.use();
  const words = pageTexts.use();
  const path = useMandatePath();
  const stateOf = useStanding();
  const changed = useChanged('channels');
  const [isAdding, setAdding] = useState(false);
  const query = useQuery({
    queryKey: [...setupKey(path.mandateId), 'channels'],
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/channels', { params: { path } })),
  });
  const actions = (channel: ChannelAnswer) => {
    const params = { path: { ...path, channelId: channel.id } };
    const since = missedSince(channel);
    const revive = (from: string) =>
      answer(api.POST('/api/mandates/{mandateId}/channels/{channelId}/replay', { params, body: { since: from } })).then(
        changed,
      );
    return (
      <Actions
        name={channel.label}
        revive={since === null ? null : () => revive(since)}
        test={() => answer(api.POST('/api/mandates/{mandateId}/channels/{channelId}/test', { params }))}
        remove={() => answer(api.DELETE('/api/mandates/{mandateId}/channels/{channelId}', { params })).then(changed)}
      />
    );
  };
  const columns: readonly Column<ChannelAnswer>[] = [
    { key: 'name', label: t('channels'), cell: ({ transport, label }) => `${TRANSPORTS[transport]}: ${label}` },
    { key: 'state', label: words('state'), cell: stateOf },
    { key: 'actions', label: words('actions'), isFigure: true, cell: actions },
  ];
  return (
    <Panel
      title={t('channels')}
      hint={t('channelsHint')}
      actions={<AddButton text={t('addChannel')} onAdd={setAdding} />}
    >
      <Answered query={query}>
        {({ channels }) =>
          channels.length === 0 ? (
            <Nothing>{t('noChannels')}</Nothing>
          ) : (
            <DataTable caption={t('channels')} columns={columns} rows={channels} rowKey={({ id }) => id} />
          )
        }
      </Answered>
      {isAdding && <AddChannel onAdded={changed} onClose={() => setAdding(false)} />}
    </Panel>
  );
}

function AddButton({ text, onAdd }: { text: string; onAdd: (isAdding: true) => void }) {
  return (
    <Button variant="default" onClick={() => onAdd(true)}>
      {text}
    </Button>
  );
}

function useWebhookColumns(onSecret: (secret: string) => void): readonly Column<EndpointAnswer>[] {
  const t = endpointsTexts.use();
  const words = pageTexts.use();
  const path = useMandatePath();
  const stateOf = useStanding();
  const changed = useChanged('webhooks');
  const actions = (webhook: EndpointAnswer) => {
    const params = { path: { ...path, webhookId: webhook.id } };
    const since = missedSince(webhook);
    const revive = (from: string) =>
      answer(api.POST('/api/mandates/{mandateId}/webhooks/{webhookId}/replay', { params, body: { since: from } })).then(
        changed,
      );
    const rotate = () =>
      answer(api.POST('/api/mandates/{mandateId}/webhooks/{webhookId}/rotate', { params })).then(
        ({ secret }) => onSecret(secret),
        showTrouble,
      );
    return (
      <Actions
        name={webhook.url}
        revive={since === null ? null : () => revive(since)}
        rotate={() => void rotate()}
        test={() => answer(api.POST('/api/mandates/{mandateId}/webhooks/{webhookId}/test', { params }))}
        remove={() => answer(api.DELETE('/api/mandates/{mandateId}/webhooks/{webhookId}', { params })).then(changed)}
      />
    );
  };
  return [
    { key: 'url', label: t('webhookUrl'), cell: ({ url }) => url },
    { key: 'state', label: words('state'), cell: stateOf },
    { key: 'actions', label: words('actions'), isFigure: true, cell: actions },
  ];
}

/** Programs that are told of every notice. */
export function Webhooks() {
  const t = endpointsTexts.use();
  const path = useMandatePath();
  const changed = useChanged('webhooks');
  const [isAdding, setAdding] = useState(false);
  const [secret, setSecret] = useState<string | null>(null);
  const columns = useWebhookColumns(setSecret);
  const query = useQuery({
    queryKey: [...setupKey(path.mandateId), 'webhooks'],
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/webhooks', { params: { path } })),
  });
  const added = (made: string) => {
    setSecret(made);
    void changed();
  };
  return (
    <Panel
      title={t('webhooks')}
      hint={t('webhooksHint')}
      actions={<AddButton text={t('addWebhook')} onAdd={setAdding} />}
    >
      <Answered query={query}>
        {({ webhooks }) =>
          webhooks.length === 0 ? (
            <Nothing>{t('noWebhooks')}</Nothing>
          ) : (
            <DataTable caption={t('webhooks')} columns={columns} rows={webhooks} rowKey={({ id }) => id} />
          )
        }
      </Answered>
      {isAdding && <AddWebhook onAdded={added} onClose={() => setAdding(false)} />}
      {secret !== null && <Secret secret={secret} onClose={() => setSecret(null)} />}
    </Panel>
  );
}
