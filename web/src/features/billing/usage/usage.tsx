import { Group, Select, Text } from '@mantine/core';
import { useState } from 'react';
import type { UsageAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { seesPool, useMandate } from '../../../shared/session/index.ts';
import { Answered, Nothing, Panel } from '../../../shared/ui/index.ts';
import { dayIn, type Period, periodOf } from '../period.ts';
import { PeriodChoice } from '../period-choice.tsx';
import { type GroupBy, nameOf, usePeople, useUsage } from '../queries.ts';
import { usageTexts } from '../texts/usage.ts';
import type { UsageRow } from './sorting.ts';
import { UsageTable } from './usage-table.tsx';

const GROUPINGS = ['user', 'model', 'key', 'day', 'tag'] as const satisfies readonly GroupBy[];

/** The answer's groups under the names by which people know them. */
function useRows({ groupBy, groups }: UsageAnswer): readonly UsageRow[] {
  const t = usageTexts.use();
  const people = usePeople();
  const format = useFormat('UTC');
  const nameFor = (key: string) => {
    if (groupBy === 'user') return nameOf(people, key);
    if (groupBy === 'key') return key.slice(0, 8);
    return groupBy === 'day' ? format.date(`${key}T00:00:00Z`) : key;
  };
  return groups.map((group) => ({
    ...group,
    name: group.label ?? (group.key === null ? t('without') : nameFor(group.key)),
  }));
}

function Groups({ usage }: { usage: UsageAnswer }) {
  const t = usageTexts.use();
  const rows = useRows(usage);
  if (rows.length === 0) return <Nothing>{t('nothing')}</Nothing>;
  return <UsageTable key={usage.groupBy} groupBy={usage.groupBy} rows={rows} total={usage.total} />;
}

/** What calls cost, by whom, with what, and when. Members see their own. */
export default function Usage() {
  const t = usageTexts.use();
  const mandate = useMandate();
  const groupings = GROUPINGS.filter((each) => each !== 'user' || seesPool(mandate));
  const [groupBy, setGroupBy] = useState<GroupBy>(groupings[0] ?? 'model');
  const [period, setPeriod] = useState<Period>(() => periodOf('thisMonth', dayIn(mandate.timeZone)));
  return (
    <Panel title={t('title')}>
      <Group gap="sm" align="flex-end">
        <PeriodChoice value={period} onChange={setPeriod} />
        <Select
          label={t('groupBy')}
          w={170}
          allowDeselect={false}
          value={groupBy}
          onChange={(value) => setGroupBy(groupings.find((each) => each === value) ?? groupBy)}
          data={groupings.map((value) => ({ value, label: t(value) }))}
        />
      </Group>
      {groupBy === 'tag' && (
        <Text size="sm" c="var(--bursar-quiet)">
          {t('tagHint')}
        </Text>
      )}
      <Answered query={useUsage(groupBy, period)}>{(usage) => <Groups usage={usage} />}</Answered>
    </Panel>
  );
}
