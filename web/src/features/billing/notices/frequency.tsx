import { NumberInput, Select, Switch } from '@mantine/core';
import { useForm } from '@mantine/form';
import { answer, api, type SettingsAnswer } from '../../../shared/api/index.ts';
import { isLanguage, LANGUAGE_NAMES, LANGUAGES } from '../../../shared/i18n/index.ts';
import { Answered, commonTexts, Panel, SendForm, showDone, useSending } from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { noticesTexts } from '../texts/notices.ts';
import { settingsKey, useSettings } from './queries.ts';

const SECONDS_A_MINUTE = 60;

function Form({ settings }: { settings: SettingsAnswer }) {
  const t = noticesTexts.use();
  const common = commonTexts.use();
  const path = useMandatePath();
  const form = useForm({
    initialValues: {
      // In minutes; named as the API names it, so that its refusals find the field.
      notifyCooldownSeconds: Math.round(settings.notifyCooldownSeconds / SECONDS_A_MINUTE),
      language: settings.language ?? '',
      notifyWalletExhausted: settings.notifyWalletExhausted,
    },
  });
  const sent = useSending({
    form,
    changes: [settingsKey(path.mandateId)],
    onDone: () => showDone(t('saved')),
    send: ({ notifyCooldownSeconds: minutes, language, notifyWalletExhausted }) => {
      const body = {
        notifyCooldownSeconds: minutes * SECONDS_A_MINUTE,
        notifyWalletExhausted,
        language: isLanguage(language) ? language : null,
      };
      return answer(api.PUT('/api/mandates/{mandateId}/billing-settings', { params: { path }, body }));
    },
  });
  return (
    <SendForm sent={sent} action={common('save')}>
      <NumberInput
        label={t('cooldown')}
        description={t('cooldownHint')}
        min={1}
        max={43_200}
        allowDecimal={false}
        maw={320}
        {...form.getInputProps('notifyCooldownSeconds')}
      />
      <Select
        label={t('language')}
        maw={320}
        allowDeselect={false}
        data={[
          { value: '', label: t('languageDefault') },
          ...LANGUAGES.map((value) => ({ value, label: LANGUAGE_NAMES[value] })),
        ]}
        {...form.getInputProps('language')}
      />
      <Switch label={t('walletExhausted')} {...form.getInputProps('notifyWalletExhausted', { type: 'checkbox' })} />
    </SendForm>
  );
}

/** How often somebody is told of the same thing, and in which language. */
export function Frequency() {
  const t = noticesTexts.use();
  return (
    <Panel title={t('often')}>
      <Answered query={useSettings()}>{(settings) => <Form settings={settings} />}</Answered>
    </Panel>
  );
}
