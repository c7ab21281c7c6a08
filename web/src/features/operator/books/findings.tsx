import { Badge, Code, Stack, Text } from '@mantine/core';
import type { VerificationAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { DataTable, Dialog } from '../../../shared/ui/index.ts';
import { useMandateName } from '../queries.ts';
import { booksTexts } from './texts.ts';

const MOST_FINDINGS = 100;

/** What a verification found, in its own words: they are for whoever repairs it. */
export function Findings({ verification, onClose }: { verification: VerificationAnswer; onClose: () => void }) {
  const t = booksTexts.use();
  const nameOf = useMandateName();
  const { dateTime } = useFormat();
  const { findings, startedAt } = verification;
  return (
    <Dialog opened size="xl" title={t('findings', { at: dateTime(startedAt) })} onClose={onClose}>
      <Stack>
        {findings.length >= MOST_FINDINGS && <Text size="sm">{t('first')}</Text>}
        <DataTable
          caption={t('findings', { at: dateTime(startedAt) })}
          rows={findings}
          rowKey={(finding) => `${finding.invariant} ${finding.subject} ${finding.detail}`}
          columns={[
            {
              key: 'invariant',
              label: t('invariant'),
              cell: ({ invariant, isWarning }) => (
                <>
                  {invariant} {isWarning && <Badge color="yellow">{t('warning')}</Badge>}
                </>
              ),
            },
            { key: 'mandate', label: t('mandate'), cell: ({ mandateId }) => nameOf(mandateId) },
            {
              key: 'detail',
              label: t('detail'),
              cell: ({ subject, detail }) => (
                <div>
                  <Code>{subject}</Code> {detail}
                </div>
              ),
            },
          ]}
        />
      </Stack>
    </Dialog>
  );
}
