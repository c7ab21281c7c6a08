import { NumberInput, Radio, Stack, Switch, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import type { SettingsAnswer, Tagged } from '../../../shared/api/index.ts';
import { plainAmount } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { commonTexts, Panel, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { amountOrNull } from '../fields.tsx';
import { settingsTexts } from './texts.ts';
import { changeSettings } from './use-settings.ts';

interface Values extends Record<string, unknown> {
  maxHoldSharePercent: number | '';
  clientGone: SettingsAnswer['clientGone'];
  usersOnFirstSight: boolean;
  exhaustedBelow: string;
  lowBalanceThreshold: string;
}

/** How calls are treated: owner and finance decide. */
export function CallsForm({ known }: { known: Tagged<SettingsAnswer> }) {
  const { id: mandateId, currency } = useMandate();
  const t = settingsTexts.use();
  const common = commonTexts.use();
  const { maxHoldSharePercent, clientGone, usersOnFirstSight, exhaustedBelow, lowBalanceThreshold } = known.data;
  const form = useForm<Values>({
    initialValues: {
      maxHoldSharePercent,
      clientGone,
      usersOnFirstSight,
      exhaustedBelow: exhaustedBelow === null ? '' : plainAmount(exhaustedBelow),
      lowBalanceThreshold: lowBalanceThreshold === null ? '' : plainAmount(lowBalanceThreshold),
    },
  });
  const sent = useSending({
    form,
    changes: [['mandate', mandateId, 'billing-settings']],
    send: (values) =>
      changeSettings(mandateId, known.tag, {
        clientGone: values.clientGone,
        usersOnFirstSight: values.usersOnFirstSight,
        exhaustedBelow: amountOrNull(values.exhaustedBelow),
        lowBalanceThreshold: amountOrNull(values.lowBalanceThreshold),
        ...(values.maxHoldSharePercent === '' ? {} : { maxHoldSharePercent: values.maxHoldSharePercent }),
      }),
    onDone: () => showDone(common('saved')),
  });
  return (
    <Panel title={t('calls')} hint={t('callsHint')}>
      <SendForm sent={sent} action={common('save')}>
        <NumberInput
          label={t('share')}
          description={t('shareHint')}
          min={1}
          max={100}
          allowDecimal={false}
          maw={320}
          {...form.getInputProps('maxHoldSharePercent')}
        />
        <Radio.Group label={t('gone')} {...form.getInputProps('clientGone')}>
          <Stack gap="xs" mt={4}>
            <Radio value="DRAIN" label={t('DRAIN')} />
            <Radio value="STOP" label={t('STOP')} />
          </Stack>
        </Radio.Group>
        <Switch
          label={t('sight')}
          description={t('sightHint')}
          {...form.getInputProps('usersOnFirstSight', { type: 'checkbox' })}
        />
        <TextInput
          label={t('below', { currency })}
          description={t('belowHint')}
          inputMode="decimal"
          maw={320}
          {...form.getInputProps('exhaustedBelow')}
        />
        <TextInput
          label={t('low', { currency })}
          description={t('lowHint')}
          inputMode="decimal"
          maw={320}
          {...form.getInputProps('lowBalanceThreshold')}
        />
      </SendForm>
    </Panel>
  );
}
