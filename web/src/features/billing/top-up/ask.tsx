import { Button, Group, Stack, Text, TextInput } from '@mantine/core';
import { useMutation, useQueryClient } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { answer, api, type RequestAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Panel, showDone } from '../../../shared/ui/index.ts';
import { FormTrouble, problemAt } from '../form.tsx';
import { useMandatePath } from '../place.ts';
import { requestsKey, useRequests } from '../requests/queries.ts';
import { pageTexts } from '../texts/page.ts';
import { topUpTexts } from '../texts/top-up.ts';

const STANDING = { OPEN: 'askedOpen', APPROVED: 'approvedAt', DECLINED: 'declinedAt' } as const;

function Standing({ request }: { request: RequestAnswer }) {
  const t = topUpTexts.use();
  const format = useFormat(useMandate().timeZone);
  const when = format.dateTime(request.decidedAt ?? request.createdAt);
  return <Text size="sm">{t(STANDING[request.state], { when, reason: request.reason })}</Text>;
}

/** For whoever cannot top up: asks those who can. */
export function Ask() {
  const t = topUpTexts.use();
  const words = pageTexts.use();
  const client = useQueryClient();
  const path = useMandatePath();
  const [reason, setReason] = useState('');
  const [isMissing, setMissing] = useState(false);
  const latest = useRequests().data?.requests[0];
  const ask = useMutation({
    mutationFn: () =>
      answer(
        api.POST('/api/mandates/{mandateId}/top-up-requests', { params: { path }, body: { reason: reason.trim() } }),
      ),
    onSuccess: () => {
      setReason('');
      showDone(t('asked'));
      void client.invalidateQueries({ queryKey: requestsKey(path.mandateId) });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(reason.trim() === '');
    if (reason.trim() !== '') ask.mutate();
  };
  return (
    <Panel title={t('ask')} hint={t('askHint')}>
      {latest && <Standing request={latest} />}
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput
            label={t('reason')}
            maxLength={300}
            maw={520}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            error={isMissing ? words('needed') : problemAt(ask.error, 'reason')}
          />
          <FormTrouble error={ask.error} fields={['reason']} />
          <Group>
            <Button type="submit" loading={ask.isPending}>
              {t('askNow')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
}
