import { Alert, Loader, Stack, Text } from '@mantine/core';
import { IconCheck, IconInfoCircle } from '@tabler/icons-react';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect } from 'react';
import { answer, api, type PaymentAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { balanceKey } from '../../../shared/live/index.ts';
import { Answered } from '../../../shared/ui/index.ts';
import { BackToConversation } from '../back-to-conversation.tsx';
import { useMandatePath } from '../place.ts';
import { moneyKey } from '../queries.ts';
import { topUpTexts } from '../texts/top-up.ts';

const ASK_AGAIN_MILLIS = 2_000;
const UNDECIDED: ReadonlySet<PaymentAnswer['state']> = new Set(['OPEN', 'PAID']);

function usePayment(paymentId: string, isCancelled: boolean) {
  const path = { ...useMandatePath(), paymentId };
  return useQuery({
    queryKey: [...moneyKey(path.mandateId), 'payment', paymentId],
    refetchInterval: ({ state }) =>
      !isCancelled && (!state.data || UNDECIDED.has(state.data.state)) && ASK_AGAIN_MILLIS,
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/payments/{paymentId}', { params: { path } })),
  });
}

function Outcome({ payment, isCancelled }: { payment: PaymentAnswer; isCancelled: boolean }) {
  const t = topUpTexts.use();
  const format = useFormat();
  const amount = format.money(payment.amount, payment.currency);
  if (payment.state === 'CREDITED') {
    return (
      <Alert role="status" color="fir" icon={<IconCheck aria-hidden />} title={t('credited', { amount })}>
        <BackToConversation />
      </Alert>
    );
  }
  if (payment.state === 'FAILED' || payment.state === 'EXPIRED' || (isCancelled && payment.state === 'OPEN')) {
    return (
      <Alert role="status" color="yellow" icon={<IconInfoCircle aria-hidden />}>
        {t(payment.state === 'FAILED' ? 'failed' : 'cancelled')}
      </Alert>
    );
  }
  return (
    <Alert role="status" color="blue" icon={<Loader size="xs" aria-hidden />} title={t('paying')}>
      <Stack gap={0}>
        <Text size="sm">{t('payingHint')}</Text>
      </Stack>
    </Alert>
  );
}

/** For somebody who comes back from the payment provider: only the provider's word to us says that it is paid. */
export default function PaymentReturn({ paymentId, isCancelled }: { paymentId: string; isCancelled: boolean }) {
  const client = useQueryClient();
  const { mandateId } = useMandatePath();
  const query = usePayment(paymentId, isCancelled);
  const isCredited = query.data?.state === 'CREDITED';
  useEffect(() => {
    if (isCredited) void client.invalidateQueries({ queryKey: balanceKey(mandateId) });
  }, [isCredited, client, mandateId]);
  return <Answered query={query}>{(payment) => <Outcome payment={payment} isCancelled={isCancelled} />}</Answered>;
}
