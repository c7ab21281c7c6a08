import { Group, Select, Stack, Text } from '@mantine/core';
import { useState } from 'react';
import { useFormat } from '../../../shared/i18n/index.ts';
import { seesPool, useMandate } from '../../../shared/session/index.ts';
import { type Column, DataTable, Panel } from '../../../shared/ui/index.ts';
import { AccountChoice, type AccountChoiceProps, POOL } from '../form.tsx';
import { dayIn, monthsUntil } from '../period.ts';
import { useMandatePath } from '../place.ts';
import { useOverview } from '../queries.ts';
import { pageTexts } from '../texts/page.ts';
import { statementsTexts } from '../texts/statements.ts';
import { DownloadButton } from './download-button.tsx';
import { Receipts } from './receipts.tsx';

const FORMS = ['pdf', 'csv', 'json'] as const;
/** How many years back one can choose: longer than accounts are kept. */
const YEARS = 10;

function useMonthName(): (month: string) => string {
  const { locale } = useFormat();
  const name = new Intl.DateTimeFormat(locale, { year: 'numeric', month: 'long', timeZone: 'UTC' });
  return (month) => name.format(new Date(`${month}-15T00:00:00Z`));
}

function Months({ account, months, today }: { account: string; months: readonly string[]; today: string }) {
  const t = statementsTexts.use();
  const { mandateId } = useMandatePath();
  const monthName = useMonthName();
  const addressOf = (month: string, form: string) =>
    `/api/mandates/${mandateId}/statements?${new URLSearchParams({ month, account, format: form })}`;
  const columns: readonly Column<string>[] = [
    {
      key: 'month',
      label: t('month'),
      cell: (month) => (
        <>
          {monthName(month)}{' '}
          {today.startsWith(month) && (
            <Text span size="sm" c="var(--bursar-quiet)">
              ({t('provisional')})
            </Text>
          )}
        </>
      ),
    },
    {
      key: 'forms',
      label: t('download'),
      isFigure: true,
      cell: (month) => (
        <Group gap={6} wrap="nowrap" justify="flex-end">
          {FORMS.map((form) => (
            <DownloadButton
              key={form}
              address={addressOf(month, form)}
              form={form.toUpperCase()}
              label={t('downloadOf', { month: monthName(month), form: form.toUpperCase() })}
            />
          ))}
        </Group>
      ),
    },
  ];
  return <DataTable caption={t('title')} columns={columns} rows={months} rowKey={(month) => month} />;
}

/** Members choose between their wallet and their part of the pool, where both are theirs. */
function MemberAccount({ label, value, onChange }: AccountChoiceProps) {
  const t = statementsTexts.use();
  const words = pageTexts.use();
  const { userId } = useMandate();
  return (
    <Select
      label={label}
      maw={360}
      allowDeselect={false}
      value={value}
      onChange={(account) => onChange(account ?? POOL)}
      data={[
        { value: POOL, label: t('ownPart') },
        { value: userId ?? '', label: words('ownWallet') },
      ]}
    />
  );
}

function usePayersAccount(): string {
  const { userId } = useMandate();
  const payer = useOverview().data?.payer;
  return payer === 'wallet' && userId !== null ? userId : POOL;
}

/** Each month's statement and each top-up's receipt, to keep. */
export default function Statements() {
  const t = statementsTexts.use();
  const mandate = useMandate();
  const today = dayIn(mandate.timeZone);
  const thisYear = Number(today.slice(0, 4));
  const [year, setYear] = useState(thisYear);
  const usual = usePayersAccount();
  const [chosen, setAccount] = useState<string | null>(null);
  const account = chosen ?? (seesPool(mandate) ? POOL : usual);
  const Account = seesPool(mandate) ? AccountChoice : MemberAccount;
  const last = year === thisYear ? today : `${year}-12-31`;
  return (
    <Stack gap="lg">
      <Panel title={t('title')} hint={t('hint')}>
        <Group gap="sm" align="flex-end">
          <Account label={t('whose')} value={account} onChange={setAccount} />
          <Select
            label={t('year')}
            w={110}
            allowDeselect={false}
            value={String(year)}
            onChange={(value) => setYear(Number(value ?? thisYear))}
            data={Array.from({ length: YEARS }, (_, index) => String(thisYear - index))}
          />
        </Group>
        <Months account={account} months={monthsUntil(last, Number(last.slice(5, 7)))} today={today} />
      </Panel>
      <Receipts year={year} />
    </Stack>
  );
}
