import { Checkbox, Group, NumberInput, Select, TagsInput, TextInput } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import { answer, api, type KeyAnswer, type NewKeyAnswer, type Tagged } from '../../../shared/api/index.ts';
import { plainAmount } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { commonTexts, Dialog, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { amountOrNull, textOrNull } from '../fields.tsx';
import { usePeople } from '../people.ts';
import { useRights } from '../rights.ts';
import { dayOf, endOfDay } from './key-state.ts';
import { keyTexts } from './texts.ts';

export const keysKey = (mandateId: string) => ['mandate', mandateId, 'keys'] as const;

interface Limits extends Record<string, unknown> {
  name: string;
  allowedModels: string[];
  expiresAt: string;
  maxCallsPerMinute: number | '';
  maxConcurrentCalls: number | '';
  maxHeld: string;
  readOnlyBilling: boolean;
}

interface NewValues extends Limits {
  kind: KeyAnswer['kind'];
  userId: string;
}

const NONE: Limits = {
  name: '',
  allowedModels: [],
  expiresAt: '',
  maxCallsPerMinute: '',
  maxConcurrentCalls: '',
  maxHeld: '',
  readOnlyBilling: false,
};

function limitsOf(key: KeyAnswer): Limits {
  return {
    name: key.name,
    allowedModels: key.allowedModels ?? [],
    expiresAt: dayOf(key.expiresAt),
    maxCallsPerMinute: key.maxCallsPerMinute ?? '',
    maxConcurrentCalls: key.maxConcurrentCalls ?? '',
    maxHeld: key.maxHeld === null ? '' : plainAmount(key.maxHeld),
    readOnlyBilling: key.readOnlyBilling,
  };
}

function bodyOf(values: Limits, isAdmin: boolean) {
  const rates = {
    maxCallsPerMinute: values.maxCallsPerMinute === '' ? null : values.maxCallsPerMinute,
    maxConcurrentCalls: values.maxConcurrentCalls === '' ? null : values.maxConcurrentCalls,
    maxHeld: amountOrNull(values.maxHeld),
    allowedModels: values.allowedModels.length === 0 ? null : values.allowedModels,
  };
  // A management key calls no AI: what narrows calls is nothing for it.
  const own = isAdmin ? { readOnlyBilling: values.readOnlyBilling } : rates;
  return { name: values.name.trim(), expiresAt: endOfDay(values.expiresAt), ...own };
}

function RateFields<V extends Limits>({ form }: { form: UseFormReturnType<V> }) {
  const t = keyTexts.use();
  const { currency } = useMandate();
  const noLimit = t('noLimit');
  return (
    <>
      <TagsInput
        label={t('models')}
        description={t('modelsHint')}
        clearable={false}
        {...form.getInputProps('allowedModels')}
      />
      <Group grow align="flex-start">
        <NumberInput
          label={t('perMinute')}
          placeholder={noLimit}
          min={1}
          allowDecimal={false}
          hideControls
          {...form.getInputProps('maxCallsPerMinute')}
        />
        <NumberInput
          label={t('concurrent')}
          placeholder={noLimit}
          min={1}
          allowDecimal={false}
          hideControls
          {...form.getInputProps('maxConcurrentCalls')}
        />
      </Group>
      <TextInput
        label={t('held', { currency })}
        placeholder={noLimit}
        inputMode="decimal"
        {...form.getInputProps('maxHeld')}
      />
    </>
  );
}

function LimitFields<V extends Limits>({ form, isAdmin }: { form: UseFormReturnType<V>; isAdmin: boolean }) {
  const t = keyTexts.use();
  return (
    <>
      <TextInput
        type="date"
        label={t('expires')}
        description={t('expiresHint')}
        min={dayOf(new Date().toISOString())}
        {...form.getInputProps('expiresAt')}
      />
      {isAdmin ? (
        <Checkbox label={t('readOnly')} {...form.getInputProps('readOnlyBilling', { type: 'checkbox' })} />
      ) : (
        <RateFields form={form} />
      )}
    </>
  );
}

const KINDS = ['user', 'service', 'admin'] as const;
const HINTS = { user: 'userHint', service: 'serviceHint', admin: 'adminHint' } as const;

/** What only those choose who make keys for others: the kind, and whose it is. */
function KindFields({ form }: { form: UseFormReturnType<NewValues> }) {
  const t = keyTexts.use();
  const people = usePeople().map(({ id, displayName }) => ({ value: id, label: displayName }));
  const { kind } = form.getValues();
  return (
    <>
      <Select
        label={t('kind')}
        description={t(HINTS[kind])}
        inputWrapperOrder={['label', 'input', 'description', 'error']}
        data={KINDS.map((value) => ({ value, label: t(value) }))}
        allowDeselect={false}
        {...form.getInputProps('kind')}
      />
      {kind !== 'service' && (
        <Select
          label={t(kind === 'user' ? 'person' : 'actsAs')}
          placeholder={kind === 'admin' ? t('asOwner') : ''}
          data={people}
          searchable
          limit={50}
          clearable={kind === 'admin'}
          {...form.getInputProps('userId')}
        />
      )}
    </>
  );
}

/** `onMade` gets the key's text: nothing here keeps it. */
export function CreateKey({ onMade, onClose }: { onMade: (made: NewKeyAnswer) => void; onClose: () => void }) {
  const { id: mandateId, userId } = useMandate();
  const { allKeys } = useRights();
  const t = keyTexts.use();
  const form = useForm<NewValues>({ initialValues: { ...NONE, kind: 'user', userId: userId ?? '' } });
  const { kind } = form.getValues();
  const sent = useSending({
    form,
    changes: [keysKey(mandateId)],
    send: (values) =>
      answer(
        api.POST('/api/mandates/{mandateId}/keys', {
          params: { path: { mandateId } },
          body: {
            readOnlyBilling: false,
            ...bodyOf(values, values.kind === 'admin'),
            kind: values.kind,
            userId: values.kind === 'service' ? null : textOrNull(values.userId ?? ''),
          },
        }),
      ),
    onDone: onMade,
  });
  return (
    <Dialog opened title={t('create')} onClose={onClose}>
      <SendForm sent={sent} action={t('create')} onCancel={onClose}>
        <TextInput label={t('name')} description={t('nameHint')} data-autofocus {...form.getInputProps('name')} />
        {allKeys && <KindFields form={form} />}
        <LimitFields form={form} isAdmin={kind === 'admin'} />
      </SendForm>
    </Dialog>
  );
}

/** The key as it was read with its `tag`; its secret stays what it is. */
export function ChangeKey({ known, onClose }: { known: Tagged<KeyAnswer>; onClose: () => void }) {
  const { id: mandateId } = useMandate();
  const common = commonTexts.use();
  const t = keyTexts.use();
  const key = known.data;
  const isAdmin = key.kind === 'admin';
  const form = useForm<Limits>({ initialValues: limitsOf(key) });
  const sent = useSending({
    form,
    changes: [keysKey(mandateId)],
    send: (values) => {
      const { expiresAt, ...body } = bodyOf(values, isAdmin);
      // A date that nobody touched keeps the hour that the key really ends at.
      const isSameDay = values.expiresAt === dayOf(key.expiresAt);
      return answer(
        api.PATCH('/api/mandates/{mandateId}/keys/{keyId}', {
          params: { path: { mandateId, keyId: key.id }, header: { 'If-Match': known.tag } },
          body: isSameDay ? body : { ...body, expiresAt },
        }),
      );
    },
    onDone: () => {
      showDone(common('saved'));
      onClose();
    },
  });
  return (
    <SendForm sent={sent} action={common('save')} onCancel={onClose}>
      <TextInput label={t('name')} data-autofocus {...form.getInputProps('name')} />
      <LimitFields form={form} isAdmin={isAdmin} />
    </SendForm>
  );
}
