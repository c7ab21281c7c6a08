import { Alert, Button, Group, NumberInput, Select, Stack, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { IconDownload, IconTicket } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { answer, api, type NewVoucherAnswer, type NewVouchersAnswer } from '../../../shared/api/index.ts';
import { readAmount } from '../../../shared/money/index.ts';
import { Copyable, Dialog, SendForm, useSending } from '../../../shared/ui/index.ts';
import { useMandateNames, VOUCHERS_KEY } from '../queries.ts';
import { voucherTexts } from './texts.ts';

interface Values extends Record<string, unknown> {
  amount: string;
  currency: string;
  count: number | '';
  expiresAt: string;
  mandateId: string;
  note: string;
}

/** A year from now, as a date field has it. */
function nextYear(): string {
  const now = new Date();
  return `${now.getFullYear() + 1}-${String(now.getMonth() + 1).padStart(2, '0')}-${String(now.getDate()).padStart(2, '0')}`;
}

function bodyOf({ amount, currency, count, expiresAt, mandateId, note }: Values) {
  return {
    amount: readAmount(amount) ?? amount,
    currency: currency.trim().toUpperCase(),
    count: count === '' ? 1 : count,
    expiresAt: expiresAt === '' ? '' : new Date(`${expiresAt}T23:59:59`).toISOString(),
    mandateId: mandateId === '' ? null : mandateId,
    note: note.trim() === '' ? null : note.trim(),
  };
}

interface MakeVouchersProps {
  readonly onMade: (made: NewVouchersAnswer) => void;
  readonly onClose: () => void;
}

/** `onMade` gets the codes: nothing here keeps them. */
export function MakeVouchers({ onMade, onClose }: MakeVouchersProps) {
  const t = voucherTexts.use();
  const mandates = useMandateNames();
  const form = useForm<Values>({
    initialValues: { amount: '', currency: 'CHF', count: 1, expiresAt: nextYear(), mandateId: '', note: '' },
  });
  const sent = useSending({
    form,
    changes: [VOUCHERS_KEY],
    send: (values) => answer(api.POST('/api/vouchers', { body: bodyOf(values) })),
    onDone: onMade,
  });
  return (
    <Dialog opened title={t('make')} onClose={onClose}>
      <SendForm sent={sent} action={t('make')} onCancel={onClose}>
        <Group grow align="flex-start">
          <TextInput
            label={t('amount')}
            inputMode="decimal"
            autoComplete="off"
            data-autofocus
            {...form.getInputProps('amount')}
          />
          <TextInput label={t('currency')} maxLength={3} {...form.getInputProps('currency')} />
        </Group>
        <Group grow align="flex-start">
          <NumberInput label={t('count')} min={1} max={1_000} allowDecimal={false} {...form.getInputProps('count')} />
          <TextInput type="date" label={t('expires')} {...form.getInputProps('expiresAt')} />
        </Group>
        <Select
          label={t('mandate')}
          data={[
            { value: '', label: t('anyMandate') },
            ...mandates.map(({ id, name }) => ({ value: id, label: `${name} (${id.slice(0, 8)})` })),
          ]}
          searchable
          limit={50}
          allowDeselect={false}
          {...form.getInputProps('mandateId')}
        />
        <TextInput label={t('note')} description={t('noteHint')} {...form.getInputProps('note')} />
      </SendForm>
    </Dialog>
  );
}

/** Codes with what they are worth, for a spreadsheet. */
export function csvOf(
  vouchers: readonly Pick<NewVoucherAnswer, 'code' | 'amount' | 'currency' | 'expiresAt'>[],
): string {
  const rows = vouchers.map(({ code, amount, currency, expiresAt }) => [code, amount, currency, expiresAt].join(','));
  return ['code,amount,currency,expiresAt', ...rows, ''].join('\n');
}

function useDownload(text: string): string {
  const [url, setUrl] = useState('');
  useEffect(() => {
    const made = URL.createObjectURL(new Blob([text], { type: 'text/csv' }));
    setUrl(made);
    return () => URL.revokeObjectURL(made);
  }, [text]);
  return url;
}

/** The one time that codes are on a page. */
export function CodesShown({ made, onClose }: { made: NewVouchersAnswer; onClose: () => void }) {
  const t = voucherTexts.use();
  const url = useDownload(csvOf(made.vouchers));
  return (
    <Dialog opened title={t('shownTitle', { count: made.vouchers.length })} closeOnEscape={false} onClose={onClose}>
      <Stack gap="md">
        <Alert color="yellow" icon={<IconTicket aria-hidden />}>
          {t('shownOnce')}
        </Alert>
        <Copyable label={t('codes')} text={made.vouchers.map(({ code }) => code).join('\n')} />
        <Group justify="space-between">
          <Button
            component="a"
            href={url}
            download="vouchers.csv"
            variant="default"
            leftSection={<IconDownload size={16} aria-hidden />}
          >
            {t('download')}
          </Button>
          <Button onClick={onClose}>{t('stored')}</Button>
        </Group>
      </Stack>
    </Dialog>
  );
}
