import { Select, type SelectProps } from '@mantine/core';
import { isLanguage, type Language } from '../../shared/i18n/index.ts';
import { readAmount } from '../../shared/money/index.ts';
import { mandateTexts } from './texts.ts';

export const ROLES = ['owner', 'finance', 'member'] as const;
export type Role = (typeof ROLES)[number];

const HINTS = { owner: 'ownerHint', finance: 'financeHint', member: 'memberHint' } as const;

/** A role, and what it may. */
export function RoleSelect({ value, ...props }: SelectProps & { value?: string | null }) {
  const t = mandateTexts.use();
  const role = ROLES.find((each) => each === value);
  return (
    <Select
      label={t('role')}
      description={role && t(HINTS[role])}
      inputWrapperOrder={['label', 'input', 'description', 'error']}
      data={ROLES.map((each) => ({ value: each, label: t(each) }))}
      allowDeselect={false}
      value={value ?? null}
      {...props}
    />
  );
}

/** What a field of choices holds, as the API has it: nothing chosen is `null`. */
export function languageOrNull(value: string): Language | null {
  return isLanguage(value) ? value : null;
}

/** An amount as it was typed; what is none goes to the API as it is, which says so at its field. */
export function amountOrNull(value: string): string | null {
  const text = textOrNull(value);
  return text === null ? null : (readAmount(text) ?? text);
}

export function textOrNull(value: string): string | null {
  return value.trim() === '' ? null : value.trim();
}
