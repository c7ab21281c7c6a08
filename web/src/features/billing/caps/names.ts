import type { LimitAnswer } from '../../../shared/api/index.ts';
import { periodOf } from '../period.ts';
import { nameOf, usePeople, useUsage } from '../queries.ts';
import { capsTexts } from '../texts/caps.ts';

const EVER = periodOf('all', '2000-01-01');

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** Keys that have been used, by the names they were given. */
export function useUsedKeys(): readonly Choice[] {
  const groups = useUsage('key', EVER).data?.groups ?? [];
  return groups.flatMap(({ key, label }) => (key === null ? [] : [{ value: key, label: label ?? key.slice(0, 8) }]));
}

export function useUsedModels(): readonly string[] {
  const groups = useUsage('model', EVER).data?.groups ?? [];
  return groups.flatMap(({ key }) => (key === null ? [] : [key]));
}

const SPOKEN = { day: 'forDay', week: 'forWeek', month: 'forMonth', total: 'forTotal' } as const;

/** `Anna Muster, per month`. */
export function useLimitName(): (limit: Pick<LimitAnswer, 'scope' | 'scopeId' | 'period'>) => string {
  const t = capsTexts.use();
  const people = usePeople();
  const keys = useUsedKeys();
  const subject = ({ scope, scopeId }: Pick<LimitAnswer, 'scope' | 'scopeId'>) => {
    if (scope === 'mandate') return t('mandate');
    if (scope === 'user') return nameOf(people, scopeId);
    if (scope === 'key') return keys.find(({ value }) => value === scopeId)?.label ?? scopeId.slice(0, 8);
    return scopeId;
  };
  return (limit) => t(SPOKEN[limit.period], { what: subject(limit) });
}
