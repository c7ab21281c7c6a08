import { Button, Group, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import type { PostedAnswer } from '../../../shared/api/index.ts';
import { readAmount } from '../../../shared/money/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Panel } from '../../../shared/ui/index.ts';
import { AmountInput, FormTrouble, problemAt } from '../form.tsx';
import { pageTexts } from '../texts/page.ts';
import { topUpTexts } from '../texts/top-up.ts';
import { userOf, useTopUp } from './money-in.ts';

/** For operators: money that has come in another way. */
export function ByHand({ account, onPosted }: { account: string; onPosted: (posted: PostedAnswer) => void }) {
  const t = topUpTexts.use();
  const { currency } = useMandate();
  const words = pageTexts.use();
  const [amount, setAmount] = useState('');
  const [reference, setReference] = useState('');
  const [isAmountMissing, setAmountMissing] = useState(false);
  const topUp = useTopUp((posted) => {
    setAmount('');
    setReference('');
    onPosted(posted);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const read = readAmount(amount, currency);
    setAmountMissing(read === null);
    const note = reference.trim() === '' ? {} : { reference: reference.trim() };
    if (read !== null) topUp.mutate({ amount: read, ...userOf(account), ...note });
  };
  return (
    <Panel title={t('byHand')} hint={t('byHandHint')}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <AmountInput
            value={amount}
            onChange={(event) => setAmount(event.currentTarget.value)}
            error={isAmountMissing ? words('amountNeeded') : problemAt(topUp.error, 'amount')}
          />
          <TextInput
            label={`${words('reference')} (${words('optional')})`}
            description={t('referenceHint')}
            maw={420}
            value={reference}
            onChange={(event) => setReference(event.currentTarget.value)}
            error={problemAt(topUp.error, 'reference')}
          />
          <FormTrouble error={topUp.error} fields={['amount', 'reference']} />
          <Group>
            <Button type="submit" loading={topUp.isPending}>
              {t('post')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
}
