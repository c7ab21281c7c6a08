import { Code, Group, Select, Stack, Text } from '@mantine/core';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { answer, api, type PreviewAnswer } from '../../../shared/api/index.ts';
import { isLanguage, LANGUAGE_NAMES, LANGUAGES, type Language, useLanguage } from '../../../shared/i18n/index.ts';
import { Answered, commonTexts, Panel } from '../../../shared/ui/index.ts';
import { useMandatePath } from '../place.ts';
import { setupKey } from '../queries.ts';
import { NOTICE_KINDS, noticeKindTexts } from '../texts/notice-kinds.ts';
import { noticesTexts } from '../texts/notices.ts';
import classes from './notices.module.css';

function usePreview(kind: string, language: Language) {
  const path = useMandatePath();
  return useQuery({
    queryKey: [...setupKey(path.mandateId), 'preview', kind, language],
    staleTime: Number.POSITIVE_INFINITY,
    placeholderData: keepPreviousData,
    queryFn: () =>
      answer(api.POST('/api/mandates/{mandateId}/notices/preview', { params: { path }, body: { kind, language } })),
  });
}

function Shown({ preview }: { preview: PreviewAnswer }) {
  const t = noticesTexts.use();
  return (
    <Stack gap="sm" lang={preview.language}>
      <Text fw={600}>{preview.subject}</Text>
      <Code block className={classes['mail'] ?? ''} tabIndex={0}>
        {preview.text}
      </Code>
      <Text size="sm" c="var(--bursar-quiet)">
        {t('short')}
      </Text>
      <Code block className={classes['mail'] ?? ''} tabIndex={0}>
        {preview.brief}
      </Code>
    </Stack>
  );
}

/** What somebody gets who is told. */
export function Preview() {
  const t = noticesTexts.use();
  const common = commonTexts.use();
  const kindName = noticeKindTexts.use();
  const reader = useLanguage();
  const [kind, setKind] = useState<string>('EXHAUSTED');
  const [chosen, setLanguage] = useState<Language | null>(null);
  const language = chosen ?? reader;
  return (
    <Panel title={t('preview')} hint={t('previewHint')}>
      <Group gap="sm">
        <Select
          label={t('kindOf')}
          allowDeselect={false}
          value={kind}
          onChange={(value) => setKind(value ?? kind)}
          data={NOTICE_KINDS.map((value) => ({ value, label: kindName(value) }))}
        />
        <Select
          label={common('language')}
          allowDeselect={false}
          value={language}
          onChange={(value) => isLanguage(value) && setLanguage(value)}
          data={LANGUAGES.map((value) => ({ value, label: LANGUAGE_NAMES[value] }))}
        />
      </Group>
      <Answered query={usePreview(kind, language)}>{(preview) => <Shown preview={preview} />}</Answered>
    </Panel>
  );
}
