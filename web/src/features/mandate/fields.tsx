import { Select, type SelectProps } from '@mantine/core';
import { isLanguage, LANGUAGE_NAMES, LANGUAGES, type Language } from '../../shared/i18n/index.ts';
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

/** A language for what is said to somebody, or none of their own. */
export function LanguageSelect({ none, ...props }: SelectProps & { none?: string }) {
  const languages = LANGUAGES.map((value) => ({ value: value as string, label: LANGUAGE_NAMES[value] }));
  return (
    <Select
      data={none === undefined ? languages : [{ value: '', label: none }, ...languages]}
      allowDeselect={false}
      {...props}
    />
  );
}

export function TimeZoneSelect({ none, ...props }: SelectProps & { none?: string }) {
  const zones = Intl.supportedValuesOf('timeZone').map((value) => ({ value, label: value.replaceAll('_', ' ') }));
  return (
    <Select
      data={none === undefined ? zones : [{ value: '', label: none }, ...zones]}
      searchable
      limit={100}
      allowDeselect={false}
      {...props}
    />
  );
}

/** What a field of choices holds, as the API has it: nothing chosen is `null`. */
export function languageOrNull(value: string): Language | null {
  return isLanguage(value) ? value : null;
}

export function textOrNull(value: string): string | null {
  return value.trim() === '' ? null : value.trim();
}
