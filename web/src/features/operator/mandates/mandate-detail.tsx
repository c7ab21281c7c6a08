import { Anchor, Button, Group, Stack, Text } from '@mantine/core';
import { IconArrowLeft } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Link } from 'wouter';
import { answer, api, type MandateAnswer } from '../../../shared/api/index.ts';
import { billingModelTexts } from '../../../shared/money/index.ts';
import { SESSION_KEY } from '../../../shared/session/index.ts';
import { Answered, Confirm, Panel, showDone } from '../../../shared/ui/index.ts';
import { MANDATES_KEY } from '../queries.ts';
import { BookMoney } from './book-money.tsx';
import { Closing } from './closing.tsx';
import { StatusBadge } from './mandates.tsx';
import { mandatesTexts } from './texts.ts';

type Status = MandateAnswer['status'];

// What may be done with a mandate, and how it is asked for.
const STEPS = {
  active: { action: 'reopen', title: 'reopenTitle', text: 'reopenText' },
  suspended: { action: 'suspend', title: 'suspendTitle', text: 'suspendText' },
  closed: { action: 'close', title: 'closeTitle', text: 'closeText' },
} as const;
const NEXT: Record<Status, readonly Status[]> = {
  active: ['suspended', 'closed'],
  suspended: ['active', 'closed'],
  closed: ['active'],
};

function ChangeStatus({ mandate, to, onClose }: { mandate: MandateAnswer; to: Status; onClose: () => void }) {
  const t = mandatesTexts.use();
  const client = useQueryClient();
  const { action, title, text } = STEPS[to];
  const change = async () => {
    await answer(
      api.PATCH('/api/mandates/{mandateId}', { params: { path: { mandateId: mandate.id } }, body: { status: to } }),
    );
    for (const queryKey of [MANDATES_KEY, ['mandate', mandate.id], SESSION_KEY]) {
      void client.invalidateQueries({ queryKey });
    }
    showDone(t('done'));
  };
  return (
    <Confirm
      title={t(title, { name: mandate.name })}
      action={t(action)}
      isDangerous={to !== 'active'}
      onConfirm={change}
      onClose={onClose}
    >
      <Text size="sm">{t(text)}</Text>
    </Confirm>
  );
}

function Facts({ mandate }: { mandate: MandateAnswer }) {
  const t = mandatesTexts.use();
  const models = billingModelTexts.use();
  const [to, setTo] = useState<Status | null>(null);
  const links = [
    ['billing', '/billing'],
    ['people', '/mandate/members'],
    ['terms', '/mandate/settings'],
  ] as const;
  return (
    <Panel
      title={mandate.name}
      hint={`${mandate.id.slice(0, 8)} · ${mandate.currency} · ${models(mandate.billingModel)}`}
      actions={<StatusBadge status={mandate.status} />}
    >
      <Group justify="space-between">
        <Group gap="xs">
          {links.map(([text, path]) => (
            <Button key={text} component={Link} href={`${path}?mandate=${mandate.id}`} variant="default" size="sm">
              {t(text)}
            </Button>
          ))}
        </Group>
        <Group gap="xs">
          {NEXT[mandate.status].map((next) => (
            <Button key={next} variant="default" size="sm" onClick={() => setTo(next)}>
              {t(STEPS[next].action)}
            </Button>
          ))}
        </Group>
      </Group>
      {to && <ChangeStatus mandate={mandate} to={to} onClose={() => setTo(null)} />}
    </Panel>
  );
}

/** One organisation: its standing, money in and out by hand, and what a closing would leave. */
export function MandateDetail({ mandateId }: { mandateId: string }) {
  const t = mandatesTexts.use();
  const query = useQuery({
    queryKey: [...MANDATES_KEY, 'one', mandateId],
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}', { params: { path: { mandateId } } })),
  });
  return (
    <Stack gap="lg">
      <Anchor component={Link} href="/operator/mandates" size="sm">
        <Group gap={6} component="span">
          <IconArrowLeft size={16} aria-hidden />
          {t('back')}
        </Group>
      </Anchor>
      <Answered query={query}>
        {(mandate) => (
          <>
            <Facts mandate={mandate} />
            {mandate.status !== 'closed' && <BookMoney mandate={mandate} />}
            <Closing mandateId={mandateId} />
          </>
        )}
      </Answered>
    </Stack>
  );
}
