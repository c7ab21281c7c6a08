import { Button, Group, Select, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconSearch } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { seesPool, useMandate } from '../../../shared/session/index.ts';
import { type Period, periodOf, spanOf } from '../period.ts';
import { PeriodChoice } from '../period-choice.tsx';
import { type JournalQuery, usePeople, useUsage } from '../queries.ts';
import { journalTexts } from '../texts/journal.ts';
import { isTransferKind, kindTexts, TRANSFER_KINDS } from '../texts/kinds.ts';
import { pageTexts } from '../texts/page.ts';
import classes from './filters.module.css';

/** Long enough that somebody who types is not asked for at each letter. */
const TYPING_MILLIS = 300;
const EVER: Period = periodOf('all', '2000-01-01');

interface Choice {
  readonly kind: string | null;
  readonly model: string | null;
  readonly userId: string | null;
  readonly keyId: string | null;
}

/** As the route takes it: only what is chosen. */
export function queryOf(text: string, choice: Choice, period: Period): JournalQuery {
  const { kind, model, userId, keyId } = choice;
  return {
    ...(text.trim() === '' ? {} : { q: text.trim() }),
    ...(isTransferKind(kind) ? { kind: [kind] } : {}),
    ...(model === null ? {} : { model }),
    ...(userId === null ? {} : { userId }),
    ...(keyId === null ? {} : { keyId }),
    ...spanOf(period),
  };
}

interface OneOfProps {
  readonly label: string;
  readonly value: string | null;
  readonly onChange: (value: string | null) => void;
  readonly data: readonly { value: string; label: string }[];
}

function OneOf({ label, data, ...rest }: OneOfProps) {
  const t = pageTexts.use();
  return (
    <Select
      className={classes['choice'] ?? ''}
      label={label}
      placeholder={t('everything')}
      searchable
      clearable
      data={[...data]}
      {...rest}
    />
  );
}

function useChoices() {
  const people = usePeople();
  const models = useUsage('model', EVER).data?.groups ?? [];
  const keys = useUsage('key', EVER).data?.groups ?? [];
  return {
    people: [...people].map(([value, label]) => ({ value, label })),
    models: models.flatMap(({ key }) => (key === null ? [] : [{ value: key, label: key }])),
    keys: keys.flatMap(({ key, label }) => (key === null ? [] : [{ value: key, label: label ?? key.slice(0, 8) }])),
  };
}

/** What to search for; tells of it when somebody pauses. */
export function Filters({ onChange }: { onChange: (query: JournalQuery) => void }) {
  const t = journalTexts.use();
  const words = pageTexts.use();
  const kindName = kindTexts.use();
  const mandate = useMandate();
  const choices = useChoices();
  const [text, setText] = useState('');
  const [choice, setChoice] = useState<Choice>({ kind: null, model: null, userId: null, keyId: null });
  const [period, setPeriod] = useState(EVER);
  const [isOpen, setOpen] = useState(false);
  const [settled] = useDebouncedValue(text, TYPING_MILLIS);
  useEffect(() => onChange(queryOf(settled, choice, period)), [settled, choice, period, onChange]);
  const choose = (part: keyof Choice) => (value: string | null) =>
    setChoice((before) => ({ ...before, [part]: value }));
  const kinds = TRANSFER_KINDS.filter((each) => each !== 'OVERRUN' || mandate.role === 'operator');
  return (
    <Group gap="sm" align="flex-end" role="search">
      <TextInput
        label={t('search')}
        placeholder={t('searchHint')}
        type="search"
        style={{ flex: '1 1 20rem' }}
        leftSection={<IconSearch size={16} aria-hidden />}
        value={text}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button hiddenFrom="sm" variant="default" aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>
        {t('filters')}
      </Button>
      <div className={classes['more']} data-open={isOpen}>
        <PeriodChoice value={period} onChange={setPeriod} />
        <OneOf
          label={t('kind')}
          value={choice.kind}
          onChange={choose('kind')}
          data={kinds.map((value) => ({ value, label: kindName(value) }))}
        />
        <OneOf label={words('model')} value={choice.model} onChange={choose('model')} data={choices.models} />
        {seesPool(mandate) && (
          <OneOf label={words('person')} value={choice.userId} onChange={choose('userId')} data={choices.people} />
        )}
        <OneOf label={words('key')} value={choice.keyId} onChange={choose('keyId')} data={choices.keys} />
      </div>
    </Group>
  );
}
