import { Group, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type MandateAnswer, type Tagged, taggedAnswer } from '../../../shared/api/index.ts';
import { SESSION_KEY, useMandate } from '../../../shared/session/index.ts';
import {
  Answered,
  commonTexts,
  LanguageSelect,
  Panel,
  SendForm,
  showDone,
  TimeZoneSelect,
  useSending,
} from '../../../shared/ui/index.ts';
import { languageOrNull } from '../fields.tsx';
import { settingsTexts } from './texts.ts';

const organisationKey = (mandateId: string) => ['mandate', mandateId, 'organisation'] as const;

function Form({ known }: { known: Tagged<MandateAnswer> }) {
  const { id: mandateId } = useMandate();
  const t = settingsTexts.use();
  const common = commonTexts.use();
  const { name, language, timeZone } = known.data;
  const form = useForm({ initialValues: { name, language, timeZone } });
  const sent = useSending({
    form,
    changes: [SESSION_KEY, ['mandate', mandateId]],
    send: (values) =>
      answer(
        api.PATCH('/api/mandates/{mandateId}', {
          params: { path: { mandateId }, header: { 'If-Match': known.tag } },
          body: { name: values.name, timeZone: values.timeZone, language: languageOrNull(values.language) },
        }),
      ),
    onDone: () => showDone(common('saved')),
  });
  return (
    <SendForm sent={sent} action={common('save')}>
      <TextInput label={t('name')} {...form.getInputProps('name')} />
      <Group grow align="flex-start">
        <LanguageSelect label={t('language')} {...form.getInputProps('language')} />
        <TimeZoneSelect label={t('timeZone')} {...form.getInputProps('timeZone')} />
      </Group>
    </SendForm>
  );
}

/** Name, language and time zone, for those who may rename. */
export function OrganisationForm() {
  const { id: mandateId } = useMandate();
  const t = settingsTexts.use();
  const query = useQuery({
    queryKey: organisationKey(mandateId),
    queryFn: () => taggedAnswer(api.GET('/api/mandates/{mandateId}', { params: { path: { mandateId } } })),
  });
  return (
    <Panel title={t('organisation')} hint={t('organisationHint')}>
      <Answered query={query}>{(known) => <Form key={known.tag} known={known} />}</Answered>
    </Panel>
  );
}
