import { Button, Group, SegmentedControl, Select, Stack, Text, TextInput } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type MandateAnswer, type PostedAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { readAmount, useAttempts } from '../../../shared/money/index.ts';
import { Confirm, fieldOf, fieldText, Panel, showDone } from '../../../shared/ui/index.ts';
import { amountInWords } from './amount-in-words.ts';
import { mandatesTexts } from './texts.ts';

const KINDS = ['topUp', 'correction', 'refund'] as const;
type Kind = (typeof KINDS)[number];

interface Values extends Record<string, unknown> {
  kind: Kind;
  /** Empty is the pool. */
  userId: string;
  amount: string;
  reference: string;
  reason: string;
}

const EMPTY: Values = { kind: 'topUp', userId: '', amount: '', reference: '', reason: '' };

interface Posting {
  readonly kind: Kind;
  readonly userId: string | null;
  readonly amount: string;
  /** A top-up's reference, or the reason of the others. */
  readonly note: string;
}

/** Sends it under `key`: the same posting sent twice is posted once. */
function post(mandateId: string, { kind, userId, amount, note }: Posting, key: string): Promise<PostedAnswer> {
  const params = { path: { mandateId }, header: { 'Idempotency-Key': key } };
  if (kind === 'topUp') {
    const body = { amount, userId, reference: note === '' ? null : note };
    return answer(api.POST('/api/mandates/{mandateId}/top-ups', { params, body }));
  }
  const path = kind === 'refund' ? '/api/mandates/{mandateId}/refunds' : '/api/mandates/{mandateId}/corrections';
  return answer(api.POST(path, { params, body: { amount, userId, reason: note } }));
}

function useUsers(mandateId: string) {
  const { data } = useQuery({
    queryKey: ['mandate', mandateId, 'users', 'names'],
    queryFn: () =>
      answer(api.GET('/api/mandates/{mandateId}/users', { params: { path: { mandateId }, query: { limit: 1_000 } } })),
  });
  return data?.users ?? [];
}

function Fields({ form, mandate }: { form: UseFormReturnType<Values>; mandate: MandateAnswer }) {
  const t = mandatesTexts.use();
  const users = useUsers(mandate.id);
  const { kind } = form.getValues();
  return (
    <>
      <div>
        <SegmentedControl
          aria-label={t('kind')}
          data={KINDS.map((value) => ({ value, label: t(value) }))}
          {...form.getInputProps('kind')}
        />
        <Text size="sm" c="var(--bursar-quiet)" mt={4}>
          {t(`${kind}Hint`)}
        </Text>
      </div>
      <Group align="flex-start" grow preventGrowOverflow={false} wrap="wrap">
        <Select
          label={t('account')}
          data={[
            { value: '', label: t('pool') },
            ...users.map(({ id, displayName }) => ({ value: id, label: t('walletOf', { name: displayName }) })),
          ]}
          searchable
          limit={50}
          allowDeselect={false}
          {...form.getInputProps('userId')}
        />
        <TextInput
          label={t('amount', { currency: mandate.currency })}
          inputMode="decimal"
          autoComplete="off"
          {...form.getInputProps('amount')}
        />
      </Group>
      {kind === 'topUp' ? (
        <TextInput label={t('reference')} description={t('referenceHint')} {...form.getInputProps('reference')} />
      ) : (
        <TextInput label={t('reason')} {...form.getInputProps('reason')} />
      )}
    </>
  );
}

interface ConfirmPostingProps {
  readonly mandate: MandateAnswer;
  readonly posting: Posting;
  readonly userName: string | undefined;
  readonly onConfirm: () => Promise<void>;
  readonly onClose: () => void;
}

/** Says once more, in words, how much goes where: figures are easily mistyped. */
function ConfirmPosting({ mandate, posting, userName, onConfirm, onClose }: ConfirmPostingProps) {
  const t = mandatesTexts.use();
  const { locale, exactMoney } = useFormat();
  const { kind, amount, userId } = posting;
  const account = userId === null ? t('pool') : t('walletOf', { name: userName ?? userId.slice(0, 8) });
  return (
    <Confirm
      title={t(`${kind}Title`)}
      action={t('post', { amount: exactMoney(amount, mandate.currency) })}
      isDangerous={kind !== 'topUp'}
      onConfirm={onConfirm}
      onClose={onClose}
    >
      <Text>
        {t(`${kind}Text`, { amount: amountInWords(amount, mandate.currency, locale), account, name: mandate.name })}
      </Text>
    </Confirm>
  );
}

function useBooking(mandate: MandateAnswer) {
  const t = mandatesTexts.use();
  const { money } = useFormat();
  const client = useQueryClient();
  const attempts = useAttempts();
  const [posting, setPosting] = useState<Posting | null>(null);
  const form = useForm<Values>({
    initialValues: EMPTY,
    validate: {
      amount: (amount) => (readAmount(amount, mandate.currency) === null ? t('noAmount') : null),
      reason: (reason, { kind }) => (kind !== 'topUp' && reason.trim() === '' ? t('reasonMissing') : null),
    },
  });
  const ask = form.onSubmit(({ kind, userId, amount, reference, reason }) =>
    setPosting({
      kind,
      userId: userId === '' ? null : userId,
      amount: readAmount(amount, mandate.currency) ?? amount,
      note: (kind === 'topUp' ? reference : reason).trim(),
    }),
  );
  const confirm = async () => {
    if (posting === null) return;
    try {
      const { balance, currency } = await post(mandate.id, posting, attempts.keyFor(posting));
      attempts.done();
      form.reset();
      void client.invalidateQueries({ queryKey: ['mandate', mandate.id] });
      showDone(balance === null ? t('done') : t('posted', { amount: money(balance, currency) }));
    } catch (error) {
      const field = fieldOf(error, Object.keys(EMPTY));
      if (field === null) throw error;
      // The dialog closes, and the field says what is wrong with it.
      form.setFieldError(field, fieldText(error));
    }
  };
  return { form, ask, posting, confirm, close: () => setPosting(null) };
}

/** Top-ups, corrections and refunds, for operators. */
export function BookMoney({ mandate }: { mandate: MandateAnswer }) {
  const t = mandatesTexts.use();
  const users = useUsers(mandate.id);
  const { form, ask, posting, confirm, close } = useBooking(mandate);
  return (
    <Panel title={t('money')} hint={t('moneyHint')}>
      <form onSubmit={ask} noValidate>
        <Stack gap="md">
          <Fields form={form} mandate={mandate} />
          <Group justify="flex-end">
            <Button type="submit">{t('next')}</Button>
          </Group>
        </Stack>
      </form>
      {posting && (
        <ConfirmPosting
          mandate={mandate}
          posting={posting}
          userName={users.find(({ id }) => id === posting.userId)?.displayName}
          onConfirm={confirm}
          onClose={close}
        />
      )}
    </Panel>
  );
}
