import { Group, Select, TextInput } from '@mantine/core';
import { useMandate } from '../../shared/session/index.ts';
import { dayIn, type Period, type PeriodName, periodOf } from './period.ts';
import { pageTexts } from './texts/page.ts';

const NAMES = ['thisMonth', 'lastMonth', 'last7', 'last30', 'last90', 'all', 'custom'] as const;

function isName(value: string | null): value is PeriodName {
  return NAMES.some((each) => each === value);
}

/** A usual span of days, or one's own. */
export function PeriodChoice({ value, onChange }: { value: Period; onChange: (period: Period) => void }) {
  const t = pageTexts.use();
  const { timeZone } = useMandate();
  const today = dayIn(timeZone);
  const choose = (name: string | null) => {
    if (!isName(name)) return;
    onChange(
      name === 'custom'
        ? { ...value, name, first: value.first ?? today, last: value.last ?? today }
        : periodOf(name, today),
    );
  };
  const day = (part: 'first' | 'last', text: string) => onChange({ ...value, [part]: text === '' ? null : text });
  return (
    <Group gap="sm" align="flex-end">
      <Select
        label={t('period')}
        w={170}
        allowDeselect={false}
        value={value.name}
        onChange={choose}
        data={NAMES.map((name) => ({ value: name, label: t(name) }))}
      />
      {value.name === 'custom' && (
        <>
          <TextInput
            type="date"
            label={t('from')}
            value={value.first ?? ''}
            max={value.last ?? undefined}
            onChange={(event) => day('first', event.currentTarget.value)}
          />
          <TextInput
            type="date"
            label={t('to')}
            value={value.last ?? ''}
            min={value.first ?? undefined}
            onChange={(event) => day('last', event.currentTarget.value)}
          />
        </>
      )}
    </Group>
  );
}
