import { Group, NumberInput, Select, SimpleGrid, TagsInput, Text, TextInput } from '@mantine/core';
import { type UseFormReturnType, useForm } from '@mantine/form';
import type { SettingsAnswer, Tagged } from '../../../shared/api/index.ts';
import { plainAmount, useFormat } from '../../../shared/i18n/index.ts';
import { BILLING_MODELS, billingModelTexts } from '../../../shared/money/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { commonTexts, Panel, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { amountOrNull, textOrNull } from '../fields.tsx';
import { settingsTexts } from './texts.ts';
import { changeSettings } from './use-settings.ts';

function Fact({ label, children }: { label: string; children: string }) {
  return (
    <div>
      <Text component="dt" size="sm" c="var(--bursar-quiet)">
        {label}
      </Text>
      <Text component="dd" m={0}>
        {children}
      </Text>
    </div>
  );
}

/** The terms as they are, for those who do not set them. */
export function Terms({ settings }: { settings: SettingsAnswer }) {
  const { currency } = useMandate();
  const t = settingsTexts.use();
  const models = billingModelTexts.use();
  const { money, number } = useFormat();
  const { creditLimit, markupPercent, allowedModels, maxCallsPerMinute, maxConcurrentCalls, maxHeld } = settings;
  const limit = (value: number | null) => (value === null ? t('noLimit') : number(value));
  return (
    <Panel title={t('terms')} hint={t('termsHint')}>
      <SimpleGrid component="dl" cols={{ base: 1, xs: 2, md: 3 }} m={0}>
        <Fact label={t('billingModel')}>{models(settings.billingModel)}</Fact>
        <Fact label={t('currency')}>{currency}</Fact>
        {creditLimit === null ? null : (
          <Fact label={t('creditLimit', { currency })}>{money(creditLimit, currency)}</Fact>
        )}
        <Fact label={t('markup')}>{markupPercent ?? t('asInstallation')}</Fact>
        <Fact label={t('models')}>{allowedModels?.join(', ') ?? t('all')}</Fact>
        <Fact label={t('perMinute')}>{limit(maxCallsPerMinute)}</Fact>
        <Fact label={t('concurrent')}>{limit(maxConcurrentCalls)}</Fact>
        <Fact label={t('held', { currency })}>{maxHeld === null ? t('noLimit') : money(maxHeld, currency)}</Fact>
      </SimpleGrid>
    </Panel>
  );
}

interface Values extends Record<string, unknown> {
  billingModel: SettingsAnswer['billingModel'];
  creditLimit: string;
  markupPercent: string;
  allowedModels: string[];
  maxCallsPerMinute: number | '';
  maxConcurrentCalls: number | '';
  maxHeld: string;
}

function valuesOf(settings: SettingsAnswer): Values {
  return {
    billingModel: settings.billingModel,
    creditLimit: settings.creditLimit === null ? '' : plainAmount(settings.creditLimit),
    markupPercent: settings.markupPercent ?? '',
    allowedModels: settings.allowedModels ?? [],
    maxCallsPerMinute: settings.maxCallsPerMinute ?? '',
    maxConcurrentCalls: settings.maxConcurrentCalls ?? '',
    maxHeld: settings.maxHeld === null ? '' : plainAmount(settings.maxHeld),
  };
}

function bodyOf(values: Values) {
  return {
    billingModel: values.billingModel,
    creditLimit: amountOrNull(values.creditLimit),
    markupPercent: textOrNull(values.markupPercent),
    allowedModels: values.allowedModels.length === 0 ? null : values.allowedModels,
    maxCallsPerMinute: values.maxCallsPerMinute === '' ? null : values.maxCallsPerMinute,
    maxConcurrentCalls: values.maxConcurrentCalls === '' ? null : values.maxConcurrentCalls,
    maxHeld: amountOrNull(values.maxHeld),
  };
}

function Fields({ form }: { form: UseFormReturnType<Values> }) {
  const { currency } = useMandate();
  const t = settingsTexts.use();
  const models = billingModelTexts.use();
  const noLimit = t('noLimit');
  const rate = { placeholder: noLimit, min: 1, allowDecimal: false, hideControls: true } as const;
  return (
    <>
      <Select
        label={t('billingModel')}
        data={BILLING_MODELS.map((value) => ({ value, label: models(value) }))}
        allowDeselect={false}
        {...form.getInputProps('billingModel')}
      />
      {form.getValues().billingModel === 'POSTPAY' && (
        <TextInput
          label={t('creditLimit', { currency })}
          description={t('creditLimitHint')}
          inputMode="decimal"
          {...form.getInputProps('creditLimit')}
        />
      )}
      <TextInput
        label={t('markup')}
        description={t('markupHint')}
        inputMode="decimal"
        {...form.getInputProps('markupPercent')}
      />
      <TagsInput label={t('models')} description={t('modelsHint')} {...form.getInputProps('allowedModels')} />
      <Group grow align="flex-start">
        <NumberInput label={t('perMinute')} {...rate} {...form.getInputProps('maxCallsPerMinute')} />
        <NumberInput label={t('concurrent')} {...rate} {...form.getInputProps('maxConcurrentCalls')} />
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

/** The terms to change, for operators. */
export function TermsForm({ known }: { known: Tagged<SettingsAnswer> }) {
  const { id: mandateId } = useMandate();
  const t = settingsTexts.use();
  const common = commonTexts.use();
  const form = useForm<Values>({ initialValues: valuesOf(known.data) });
  const sent = useSending({
    form,
    changes: [['mandate', mandateId]],
    send: (values) => changeSettings(mandateId, known.tag, bodyOf(values)),
    onDone: () => showDone(common('saved')),
  });
  return (
    <Panel title={t('terms')} hint={t('termsOperator')}>
      <SendForm sent={sent} action={common('save')}>
        <Fields form={form} />
      </SendForm>
    </Panel>
  );
}
