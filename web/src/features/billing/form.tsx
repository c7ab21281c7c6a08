import { Select, TextInput, type TextInputProps } from '@mantine/core';
import type { ReactNode } from 'react';
import { useMandate } from '../../shared/session/index.ts';
import { fieldOf, fieldText, Trouble } from '../../shared/ui/index.ts';
import { usePeople } from './queries.ts';
import { pageTexts } from './texts/page.ts';

/** What the API has against a field of a form; `null` if it is about something else. */
export function problemAt(error: unknown, field: string): string | null {
  return fieldOf(error, [field]) === null ? null : fieldText(error);
}

/** What is wrong with a request otherwise than in one of the `fields` that are shown. */
export function FormTrouble({ error, fields }: { error: unknown; fields: readonly string[] }) {
  if (!error || fieldOf(error, fields) !== null) return null;
  return <Trouble error={error} />;
}

/** Where an amount of the mandate's currency is typed. */
export function AmountInput(props: TextInputProps) {
  const t = pageTexts.use();
  const { currency } = useMandate();
  return (
    <TextInput
      label={t('amount')}
      description={t('amountHint', { currency })}
      inputMode="decimal"
      autoComplete="off"
      maw={240}
      {...props}
    />
  );
}

export const POOL = 'pool';

export interface AccountChoiceProps {
  /** `POOL`, or whose wallet. */
  readonly value: string;
  readonly onChange: (account: string) => void;
  readonly label?: string;
  readonly error?: ReactNode;
  readonly size?: string;
}

/** The pool, or somebody's wallet. */
export function AccountChoice({ value, onChange, label, ...rest }: AccountChoiceProps) {
  const t = pageTexts.use();
  const people = usePeople();
  return (
    <Select
      maw={360}
      searchable
      allowDeselect={false}
      {...(label === undefined ? { 'aria-label': t('account') } : { label })}
      value={value}
      onChange={(account) => onChange(account ?? POOL)}
      data={[
        { value: POOL, label: t('pool') },
        ...[...people].map(([id, name]) => ({ value: id, label: t('walletOf', { name }) })),
      ]}
      {...rest}
    />
  );
}

/** One person of the mandate. */
export function PersonChoice({
  value,
  onChange,
  error,
}: {
  value: string | null;
  onChange: (userId: string | null) => void;
  error?: ReactNode;
}) {
  const t = pageTexts.use();
  const people = usePeople();
  return (
    <Select
      label={t('person')}
      maw={360}
      searchable
      value={value}
      onChange={onChange}
      error={error}
      data={[...people].map(([id, name]) => ({ value: id, label: name }))}
    />
  );
}
