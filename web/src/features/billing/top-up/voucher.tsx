import { Button, Group, Stack, TextInput } from '@mantine/core';
import { type FormEvent, useState } from 'react';
import type { PostedAnswer } from '../../../shared/api/index.ts';
import { Panel } from '../../../shared/ui/index.ts';
import { FormTrouble, problemAt } from '../form.tsx';
import { pageTexts } from '../texts/page.ts';
import { topUpTexts } from '../texts/top-up.ts';
import { useRedemption, userOf } from './money-in.ts';

export function Voucher({ account, onPosted }: { account: string; onPosted: (posted: PostedAnswer) => void }) {
  const t = topUpTexts.use();
  const words = pageTexts.use();
  const [code, setCode] = useState('');
  const [isMissing, setMissing] = useState(false);
  const redemption = useRedemption((posted) => {
    setCode('');
    onPosted(posted);
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setMissing(code.trim() === '');
    if (code.trim() !== '') redemption.mutate({ code: code.trim(), ...userOf(account) });
  };
  return (
    <Panel title={t('voucher')}>
      <form onSubmit={submit} noValidate>
        <Stack>
          <TextInput
            label={t('code')}
            description={t('voucherHint')}
            autoComplete="off"
            autoCapitalize="characters"
            spellCheck={false}
            maw={420}
            value={code}
            onChange={(event) => setCode(event.currentTarget.value)}
            error={isMissing ? words('needed') : problemAt(redemption.error, 'code')}
          />
          <FormTrouble error={redemption.error} fields={['code']} />
          <Group>
            <Button type="submit" loading={redemption.isPending}>
              {t('redeem')}
            </Button>
          </Group>
        </Stack>
      </form>
    </Panel>
  );
}
