import { Button, Group, Radio, Stack } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import type { PostedAnswer } from '../../../shared/api/index.ts';
import { isZero, negated, readAmount } from '../../../shared/money/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Panel } from '../../../shared/ui/index.ts';
import { AmountInput, FormTrouble, PersonChoice, problemAt } from '../form.tsx';
import { pageTexts } from '../texts/page.ts';
import { topUpTexts } from '../texts/top-up.ts';
import { useWalletTransfer } from './money-in.ts';

interface MoveProps {
  readonly person: string | null;
  readonly onPosted: (posted: PostedAnswer) => void;
}

/** For finance: between the pool and a wallet. */
export function Move({ person: first, onPosted }: MoveProps) {
  const t = topUpTexts.use();
  const { currency } = useMandate();
  const words = pageTexts.use();
  const [person, setPerson] = useState(first);
  const [amount, setAmount] = useState('');
  const [isBack, setBack] = useState(false);
  const [wasSent, setSent] = useState(false);
  const read = readAmount(amount, currency);
  const isAmountMissing = read === null || isZero(read) || read.startsWith('-');
  const transfer = useWalletTransfer((posted) => {
    setAmount('');
    setSent(false);
    onPosted(posted);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setSent(true);
    if (isAmountMissing || person === null) return;
    transfer.mutate({ userId: person, amount: isBack ? negated(read) : read });
  };
  return (
    <Panel title={t('move')} hint={t('moveHint')}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <PersonChoice
            value={person}
            onChange={setPerson}
            error={wasSent && person === null ? t('choosePerson') : problemAt(transfer.error, 'userId')}
          />
          <Radio.Group
            label={t('direction')}
            value={isBack ? 'back' : 'to'}
            onChange={(value) => setBack(value === 'back')}
          >
            <Group mt={6}>
              <Radio value="to" label={t('toPerson')} />
              <Radio value="back" label={t('fromPerson')} />
            </Group>
          </Radio.Group>
          <AmountInput
            value={amount}
            onChange={(event) => setAmount(event.currentTarget.value)}
            error={wasSent && isAmountMissing ? words('amountNeeded') : problemAt(transfer.error, 'amount')}
          />
          <FormTrouble error={transfer.error} fields={['amount', 'userId']} />
          <Group>
            <Button type="submit" loading={transfer.isPending}>
              {t('moveNow')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
}
