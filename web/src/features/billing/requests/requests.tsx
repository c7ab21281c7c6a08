import { Button, Card, Group, Stack, Text } from '@mantine/core';
import type { RequestAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Answered, type Column, DataTable, Nothing, Panel, showDone, showTrouble } from '../../../shared/ui/index.ts';
import { usePlace } from '../place.ts';
import { useOverview } from '../queries.ts';
import { pageTexts } from '../texts/page.ts';
import { requestsTexts } from '../texts/requests.ts';
import { useDecision, useRequests } from './queries.ts';

const nameOf = (request: RequestAnswer) => request.name || request.userId.slice(0, 8);

/** Where an approved request is topped up: the wallet of whoever asked, if wallets pay here. */
function useWayToTopUp() {
  const { go } = usePlace();
  const payer = useOverview().data?.payer;
  return (userId: string) => go('top-up', payer === 'wallet' ? { for: userId } : {});
}

function Open({ request }: { request: RequestAnswer }) {
  const t = requestsTexts.use();
  const format = useFormat(useMandate().timeZone);
  const topUp = useWayToTopUp();
  const decision = useDecision();
  const name = nameOf(request);
  const decide = (isApproved: boolean) =>
    decision.mutate(
      { requestId: request.id, isApproved },
      {
        onError: showTrouble,
        onSuccess: () => (isApproved ? topUp(request.userId) : showDone(t('declined', { name }))),
      },
    );
  return (
    <Card component="li" withBorder padding="md" bg="var(--bursar-raised)">
      <Group justify="space-between" align="flex-start">
        <div style={{ flex: '1 1 18rem', minWidth: 0 }}>
          <Text fw={600}>{name}</Text>
          <Text style={{ overflowWrap: 'anywhere' }}>{request.reason}</Text>
          <Text size="sm" c="var(--bursar-quiet)">
            {format.dateTime(request.createdAt)}
          </Text>
        </div>
        <Group gap="xs">
          <Button loading={decision.isPending} onClick={() => decide(true)} aria-label={`${t('approve')}: ${name}`}>
            {t('approve')}
          </Button>
          <Button
            variant="default"
            disabled={decision.isPending}
            onClick={() => decide(false)}
            aria-label={`${t('decline')}: ${name}`}
          >
            {t('decline')}
          </Button>
        </Group>
      </Group>
    </Card>
  );
}

function Decided({ requests }: { requests: readonly RequestAnswer[] }) {
  const t = requestsTexts.use();
  const words = pageTexts.use();
  const format = useFormat(useMandate().timeZone);
  const columns: readonly Column<RequestAnswer>[] = [
    { key: 'who', label: words('person'), cell: nameOf },
    { key: 'reason', label: t('reason'), cell: ({ reason }) => reason },
    { key: 'state', label: words('state'), cell: ({ state }) => t(state) },
    { key: 'when', label: words('when'), cell: ({ decidedAt, createdAt }) => format.dateTime(decidedAt ?? createdAt) },
  ];
  return (
    <Panel title={t('decided')}>
      <DataTable caption={t('decided')} columns={columns} rows={requests} rowKey={({ id }) => id} />
    </Panel>
  );
}

/** For finance: who has asked for a top-up. */
export default function Requests() {
  const t = requestsTexts.use();
  return (
    <Answered query={useRequests()}>
      {({ requests }) => {
        const open = requests.filter(({ state }) => state === 'OPEN');
        const decided = requests.filter(({ state }) => state !== 'OPEN');
        return (
          <Stack gap="lg">
            <Panel title={t('open')} hint={t('openHint')}>
              {open.length === 0 ? (
                <Nothing>{t('noneOpen')}</Nothing>
              ) : (
                <Stack component="ul" gap="sm" p={0} m={0} style={{ listStyle: 'none' }}>
                  {open.map((request) => (
                    <Open key={request.id} request={request} />
                  ))}
                </Stack>
              )}
            </Panel>
            {decided.length > 0 && <Decided requests={decided} />}
          </Stack>
        );
      }}
    </Answered>
  );
}
