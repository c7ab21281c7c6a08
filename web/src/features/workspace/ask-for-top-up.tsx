import { TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { answer, api, type RequestAnswer } from '../../shared/api/index.ts';
import { useFormat } from '../../shared/i18n/index.ts';
import { useUnread } from '../../shared/live/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { SendForm, useSending } from '../../shared/ui/index.ts';
import classes from './notice.module.css';
import { standstillTexts } from './standstill-texts.ts';

const requestsKey = (mandateId: string) => ['mandate', mandateId, 'top-up-requests'] as const;
const ASK_AGAIN_MILLIS = 15_000;

/** Of the person's requests the one about this shortage: an open one, or what was decided since. */
export function requestFor(
  requests: readonly RequestAnswer[],
  userId: string | null,
  since: string | null,
): RequestAnswer | null {
  const latest = requests.find((each) => each.userId === userId);
  if (latest === undefined) return null;
  if (latest.state === 'OPEN') return latest;
  const isSince = since !== null && latest.decidedAt !== null && Date.parse(latest.decidedAt) >= Date.parse(since);
  return isSince ? latest : null;
}

export function useOwnRequest(isNeeded: boolean, since: string | null): RequestAnswer | null {
  const client = useQueryClient();
  const { id: mandateId, userId } = useMandate();
  const unread = useUnread();
  const { data } = useQuery({
    queryKey: [...requestsKey(mandateId), 'own'],
    enabled: isNeeded,
    refetchInterval: ({ state }) =>
      state.data?.requests.some((each) => each.state === 'OPEN') ? ASK_AGAIN_MILLIS : false,
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/top-up-requests', { params: { path: { mandateId } } })),
  });
  // A decision is told by a notice: whatever was told, this is looked at again.
  // biome-ignore lint/correctness/useExhaustiveDependencies: `unread` is what it happens for
  useEffect(() => {
    if (isNeeded) void client.invalidateQueries({ queryKey: requestsKey(mandateId) });
  }, [client, mandateId, isNeeded, unread]);
  return requestFor(data?.requests ?? [], userId, since);
}

const DECISIONS = { OPEN: 'asked', APPROVED: 'approved', DECLINED: 'declined' } as const;

/** What became of the request. */
export function AskState({ request, isLimit }: { request: RequestAnswer; isLimit: boolean }) {
  const t = standstillTexts.use();
  const { timeZone } = useMandate();
  const format = useFormat(timeZone);
  const at = format.dateTime(request.decidedAt ?? request.createdAt);
  return (
    <p className={classes['quiet']} data-state={request.state}>
      {t(request.state === 'APPROVED' && isLimit ? 'approvedLimit' : DECISIONS[request.state], { at })}
    </p>
  );
}

interface AskFormProps {
  readonly isLimit: boolean;
  readonly title: string;
  readonly onClose: () => void;
}

export function AskForm({ isLimit, title, onClose }: AskFormProps) {
  const t = standstillTexts.use();
  const { id: mandateId } = useMandate();
  const form = useForm({ initialValues: { reason: t(isLimit ? 'reasonLimit' : 'reasonTopUp', { title }) } });
  const sent = useSending({
    form,
    send: (body) =>
      answer(api.POST('/api/mandates/{mandateId}/top-up-requests', { params: { path: { mandateId } }, body })),
    changes: [requestsKey(mandateId)],
    onDone: onClose,
  });
  return (
    <SendForm sent={sent} action={t('ask')} onCancel={onClose}>
      <TextInput
        label={t('reason')}
        description={t('reasonHint')}
        required
        autoFocus
        {...form.getInputProps('reason')}
      />
    </SendForm>
  );
}
