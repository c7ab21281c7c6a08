import { Group, Select, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { answer, api, type MandateAnswer } from '../../../shared/api/index.ts';
import { currentLanguage, isLanguage } from '../../../shared/i18n/index.ts';
import { BILLING_MODELS, type BillingModel, billingModelTexts, readAmount } from '../../../shared/money/index.ts';
import { Dialog, LanguageSelect, SendForm, TimeZoneSelect, useSending } from '../../../shared/ui/index.ts';
import { MANDATES_KEY } from '../queries.ts';
import { mandatesTexts } from './texts.ts';

interface Values extends Record<string, unknown> {
  name: string;
  currency: string;
  billingModel: BillingModel;
  creditLimit: string;
  language: string;
  timeZone: string;
}

function bodyOf(values: Values) {
  const { name, currency, billingModel, creditLimit, language, timeZone } = values;
  const isPostpay = billingModel === 'POSTPAY' && creditLimit.trim() !== '';
  return {
    name: name.trim(),
    currency: currency.trim().toUpperCase(),
    billingModel,
    creditLimit: isPostpay ? (readAmount(creditLimit) ?? creditLimit) : null,
    language: isLanguage(language) ? language : currentLanguage(),
    timeZone,
  };
}

interface CreateMandateProps {
  readonly onCreated: (mandate: MandateAnswer) => void;
  readonly onClose: () => void;
}

export function CreateMandate({ onCreated, onClose }: CreateMandateProps) {
  const t = mandatesTexts.use();
  const models = billingModelTexts.use();
  const form = useForm<Values>({
    initialValues: {
      name: '',
      currency: 'CHF',
      billingModel: 'PREPAY_MANDATE',
      creditLimit: '',
      language: currentLanguage(),
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
    },
  });
  const sent = useSending({
    form,
    changes: [MANDATES_KEY],
    send: (values) => answer(api.POST('/api/mandates', { body: bodyOf(values) })),
    onDone: onCreated,
  });
  return (
    <Dialog opened title={t('create')} onClose={onClose}>
      <SendForm sent={sent} action={t('create')} onCancel={onClose}>
        <TextInput label={t('name')} data-autofocus {...form.getInputProps('name')} />
        <TextInput
          label={t('currency')}
          description={t('currencyHint')}
          maxLength={3}
          {...form.getInputProps('currency')}
        />
        <Select
          label={t('billingModel')}
          data={BILLING_MODELS.map((value) => ({ value, label: models(value) }))}
          allowDeselect={false}
          {...form.getInputProps('billingModel')}
        />
        {form.getValues().billingModel === 'POSTPAY' && (
          <TextInput
            label={t('creditLimit')}
            description={t('creditLimitHint')}
            inputMode="decimal"
            {...form.getInputProps('creditLimit')}
          />
        )}
        <Group grow align="flex-start">
          <LanguageSelect label={t('language')} {...form.getInputProps('language')} />
          <TimeZoneSelect label={t('timeZone')} {...form.getInputProps('timeZone')} />
        </Group>
      </SendForm>
    </Dialog>
  );
}
