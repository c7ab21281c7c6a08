import { Autocomplete, Select, Stack } from '@mantine/core';
import { useForm } from '@mantine/form';
import { answer, api, type LimitAnswer, type NewLimit } from '../../../shared/api/index.ts';
import { asTyped, readAmount } from '../../../shared/money/index.ts';
import { commonTexts, Dialog, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { AmountInput, PersonChoice } from '../form.tsx';
import { useMandatePath } from '../place.ts';
import { moneyKey } from '../queries.ts';
import { capsTexts } from '../texts/caps.ts';
import { pageTexts } from '../texts/page.ts';
import { useUsedKeys, useUsedModels } from './names.ts';

const SCOPES = ['mandate', 'user', 'key', 'model'] as const;
const PERIODS = ['day', 'week', 'month', 'total'] as const;

type Values = Pick<NewLimit, 'scope' | 'period' | 'amount'> & { scopeId: string };

function useLimitForm() {
  const words = pageTexts.use();
  return useForm<Values>({
    initialValues: { scope: 'mandate', scopeId: '', period: 'month', amount: '' },
    validate: {
      scopeId: (value, { scope }) => (scope !== 'mandate' && value.trim() === '' ? words('needed') : null),
      amount: (value) => (readAmount(value) === null ? words('amountNeeded') : null),
    },
  });
}

function Subject({ form }: { form: ReturnType<typeof useLimitForm> }) {
  const t = capsTexts.use();
  const words = pageTexts.use();
  const keys = useUsedKeys();
  const models = useUsedModels();
  const { scope } = form.getValues();
  if (scope === 'mandate') return null;
  const input = form.getInputProps('scopeId');
  if (scope === 'user') return <PersonChoice {...input} value={form.getValues().scopeId || null} />;
  const isKey = scope === 'key';
  return isKey ? (
    <Select label={t('whichKey')} description={t('keyHint')} searchable data={[...keys]} {...input} />
  ) : (
    <Autocomplete label={words('model')} description={t('modelHint')} data={[...models]} {...input} />
  );
}

export function AddLimit({ onClose }: { onClose: () => void }) {
  const t = capsTexts.use();
  const common = commonTexts.use();
  const path = useMandatePath();
  const form = useLimitForm();
  const sent = useSending({
    form,
    changes: [moneyKey(path.mandateId)],
    onDone: () => {
      showDone(t('added'));
      onClose();
    },
    send: ({ scope, scopeId, period, amount }) => {
      const of = scope === 'mandate' ? {} : { scopeId: scopeId.trim() };
      const body = { scope, period, amount: readAmount(amount) ?? amount, ...of };
      return answer(api.POST('/api/mandates/{mandateId}/limits', { params: { path }, body }));
    },
  });
  return (
    <Dialog opened title={t('add')} onClose={onClose}>
      <SendForm sent={sent} action={common('add')} onCancel={onClose}>
        <Select
          label={t('scope')}
          allowDeselect={false}
          data={SCOPES.map((value) => ({ value, label: t(value) }))}
          {...form.getInputProps('scope')}
          onChange={(value) => {
            form.setFieldValue('scope', SCOPES.find((each) => each === value) ?? 'mandate');
            form.setFieldValue('scopeId', '');
          }}
        />
        <Subject form={form} />
        <Select
          label={t('period')}
          allowDeselect={false}
          data={PERIODS.map((value) => ({ value, label: t(value) }))}
          {...form.getInputProps('period')}
        />
        <AmountInput {...form.getInputProps('amount')} />
      </SendForm>
    </Dialog>
  );
}

interface ChangeLimitProps {
  readonly limit: LimitAnswer;
  readonly name: string;
  readonly onClose: () => void;
}

export function ChangeLimit({ limit, name, onClose }: ChangeLimitProps) {
  const t = capsTexts.use();
  const common = commonTexts.use();
  const words = pageTexts.use();
  const { mandateId } = useMandatePath();
  const form = useForm({
    initialValues: { amount: asTyped(limit.amount) },
    validate: { amount: (value) => (readAmount(value) === null ? words('amountNeeded') : null) },
  });
  const sent = useSending({
    form,
    changes: [moneyKey(mandateId)],
    onDone: () => {
      showDone(t('changed'));
      onClose();
    },
    send: ({ amount }) =>
      answer(
        api.PATCH('/api/mandates/{mandateId}/limits/{limitId}', {
          params: { path: { mandateId, limitId: limit.id } },
          body: { amount: readAmount(amount) ?? amount },
        }),
      ),
  });
  return (
    <Dialog opened title={t('changeOf', { what: name })} onClose={onClose}>
      <SendForm sent={sent} action={common('save')} onCancel={onClose}>
        <Stack>
          <AmountInput data-autofocus {...form.getInputProps('amount')} />
        </Stack>
      </SendForm>
    </Dialog>
  );
}
