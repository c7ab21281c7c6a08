import { Select, type SelectProps, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { LANGUAGE_NAMES, LANGUAGES } from '../i18n/index.ts';
import { commonTexts } from './texts.ts';

/** A language for what is said to somebody; `none` names what holds without one of their own. */
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

/** Browsers leave UTC and the other names of a zone out. */
function zonesWith(chosen: unknown): readonly string[] {
  const zones = new Set(['UTC', ...Intl.supportedValuesOf('timeZone')]);
  if (typeof chosen === 'string' && chosen !== '') zones.add(chosen);
  return [...zones];
}

export function TimeZoneSelect({ none, ...props }: SelectProps & { none?: string }) {
  const zones = zonesWith(props.value).map((value) => ({ value, label: value.replaceAll('_', ' ') }));
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

/** A search in a list that is there already. */
export function SearchInput({ value, onSearch }: { value: string; onSearch: (search: string) => void }) {
  const t = commonTexts.use();
  return (
    <TextInput
      type="search"
      aria-label={t('search')}
      placeholder={t('search')}
      leftSection={<IconSearch size={16} aria-hidden />}
      value={value}
      onChange={(event) => onSearch(event.currentTarget.value)}
    />
  );
}
