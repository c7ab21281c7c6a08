import { Button, Group, Progress, Stack, Text } from '@mantine/core';
import { IconPlus } from '@tabler/icons-react';
import { useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type LimitAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { isZero, shareOf, sumOf } from '../../../shared/money/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Answered, Confirm, commonTexts, Nothing, Panel, showDone } from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { moneyKey, useLimits } from '../queries.ts';
import { capsTexts } from '../texts/caps.ts';
import classes from './caps.module.css';
import { AddLimit, ChangeLimit } from './limit-form.tsx';
import { useLimitName } from './names.ts';

/** From here on it is worth a look. */
const NEAR = 0.8;

function colorOf(share: number): string {
  if (share >= 1) return 'red';
  return share >= NEAR ? 'yellow' : 'fir';
}

function Used({ limit, name }: { limit: LimitAnswer; name: string }) {
  const t = capsTexts.use();
  const { currency, timeZone } = useMandate();
  const format = useFormat(timeZone);
  const used = sumOf([limit.spent, limit.held]);
  const share = shareOf(used, limit.amount);
  const exactly = `${format.exactMoney(used, currency)} / ${format.exactMoney(limit.amount, currency)}`;
  const said = t('used', { spent: format.money(used, currency), amount: format.money(limit.amount, currency) });
  return (
    <div className={classes['used']}>
      <Progress value={share * 100} color={colorOf(share)} size="sm" aria-label={`${name}: ${said}`} />
      <Text size="sm" className="figures" title={exactly}>
        {said}
        {!isZero(limit.held) && ` (${t('held', { held: format.money(limit.held, currency) })})`}
      </Text>
      <Text size="sm" c="var(--bursar-quiet)">
        {share >= 1 && `${t('reached')} `}
        {limit.resetsAt && t('resets', { when: format.dateTime(limit.resetsAt) })}
      </Text>
    </div>
  );
}

function Limit({ limit }: { limit: LimitAnswer }) {
  const t = capsTexts.use();
  const common = commonTexts.use();
  const client = useQueryClient();
  const { mandateId } = useMandatePath();
  const [open, setOpen] = useState<'change' | 'delete' | null>(null);
  const name = useLimitName()(limit);
  const close = () => setOpen(null);
  const remove = async () => {
    const params = { path: { mandateId, limitId: limit.id } };
    await answer(api.DELETE('/api/mandates/{mandateId}/limits/{limitId}', { params }));
    await client.invalidateQueries({ queryKey: moneyKey(mandateId) });
    showDone(t('deleted'));
  };
  return (
    <li className={classes['limit']}>
      <Text fw={600} className={classes['name'] ?? ''}>
        {name}
      </Text>
      <Used limit={limit} name={name} />
      <Group gap={6} className={classes['actions'] ?? ''}>
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`${t('change')}: ${name}`}
          onClick={() => setOpen('change')}
        >
          {t('change')}
        </Button>
        <Button
          size="compact-sm"
          variant="default"
          aria-label={`${common('delete')}: ${name}`}
          onClick={() => setOpen('delete')}
        >
          {common('delete')}
        </Button>
      </Group>
      {open === 'change' && <ChangeLimit limit={limit} name={name} onClose={close} />}
      {open === 'delete' && (
        <Confirm title={t('deleteTitle')} action={common('delete')} onConfirm={remove} onClose={close}>
          {t('deleteText', { what: name })}
        </Confirm>
      )}
    </li>
  );
}

/** Spending caps with what they have counted. */
export default function Caps() {
  const t = capsTexts.use();
  const [isAdding, setAdding] = useState(false);
  return (
    <Panel
      title={t('title')}
      hint={t('hint')}
      actions={
        <Button leftSection={<IconPlus size={16} aria-hidden />} onClick={() => setAdding(true)}>
          {t('add')}
        </Button>
      }
    >
      <Answered query={useLimits()}>
        {({ limits }) =>
          limits.length === 0 ? (
            <Nothing>{t('none')}</Nothing>
          ) : (
            <Stack component="ul" gap={0} p={0} m={0} className={classes['list'] ?? ''}>
              {limits.map((limit) => (
                <Limit key={limit.id} limit={limit} />
              ))}
            </Stack>
          )
        }
      </Answered>
      {isAdding && <AddLimit onClose={() => setAdding(false)} />}
    </Panel>
  );
}
