import { Button, Chip, Group, Stack } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { type FormEvent, useState } from 'react';
import { answer, api, type OnlineAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { nanosOf, readAmount } from '../../../shared/money/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Panel } from '../../../shared/ui/index.ts';
import { AmountInput, FormTrouble, problemAt } from '../form.tsx';
import { useMandatePath } from '../place.ts';
import { useReturnPlace } from '../return-place.ts';
import { pageTexts } from '../texts/page.ts';
import { topUpTexts } from '../texts/top-up.ts';
import { userOf } from './money-in.ts';

const USUAL_AMOUNTS = ['20', '50', '100', '200', '500'];
const PROVIDERS: Readonly<Record<string, string>> = { stripe: 'Stripe' };

function usePayment() {
  const path = useMandatePath();
  const place = useReturnPlace();
  return useMutation({
    mutationFn: (body: { amount: string; userId?: string }) => {
      const back = place === null ? {} : { returnTo: place };
      return answer(api.POST('/api/mandates/{mandateId}/payments', { params: { path }, body: { ...body, ...back } }));
    },
    onSuccess: ({ url }) => window.location.assign(url),
  });
}

/** Leads to the payment provider's own page. The way back is `PaymentReturn`. */
export function Online({ account, online }: { account: string; online: OnlineAnswer }) {
  const t = topUpTexts.use();
  const words = pageTexts.use();
  const { currency } = useMandate();
  const format = useFormat();
  const [amount, setAmount] = useState('');
  const [isMissing, setMissing] = useState(false);
  const payment = usePayment();
  const isPossible = (each: string) =>
    nanosOf(each) >= nanosOf(online.minimum) && nanosOf(each) <= nanosOf(online.maximum);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = readAmount(amount, currency);
    setMissing(read === null);
    if (read !== null) payment.mutate({ amount: read, ...userOf(account) });
  };
  const hint = t('onlineHint', {
    minimum: format.money(online.minimum, currency),
    maximum: format.money(online.maximum, currency),
    provider: PROVIDERS[online.provider] ?? online.provider,
  });
  return (
    <Panel title={t('online')} hint={hint}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <Chip.Group value={amount} onChange={setAmount}>
            <Group gap="xs">
              {USUAL_AMOUNTS.filter(isPossible).map((each) => (
                <Chip key={each} value={each}>
                  {format.money(each, currency)}
                </Chip>
              ))}
            </Group>
          </Chip.Group>
          <AmountInput
            value={amount}
            onChange={(event) => setAmount(event.currentTarget.value)}
            error={isMissing ? words('amountNeeded') : problemAt(payment.error, 'amount')}
          />
          <FormTrouble error={payment.error} fields={['amount']} />
          <Group>
            <Button type="submit" loading={payment.isPending || payment.isSuccess}>
              {t('pay')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
}
