import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { answer, api, type UserAnswer } from '../../shared/api/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { useRights } from './rights.ts';

export const peopleKey = (mandateId: string) => ['mandate', mandateId, 'users'] as const;
const MOST_NAMES = 1_000;

/** People to choose from, and their names: the first thousand, for those who may see them. */
export function usePeople(): readonly UserAnswer[] {
  const { id: mandateId } = useMandate();
  const { people } = useRights();
  const { data } = useQuery({
    queryKey: [...peopleKey(mandateId), 'names'],
    enabled: people,
    queryFn: () =>
      answer(
        api.GET('/api/mandates/{mandateId}/users', { params: { path: { mandateId }, query: { limit: MOST_NAMES } } }),
      ),
  });
  return data?.users ?? NOBODY;
}

const NOBODY: readonly UserAnswer[] = [];

/** The name of a user; the beginning of the id where the name is not known. */
export function useNameOf(): (userId: string) => string {
  const people = usePeople();
  const names = useMemo(() => new Map(people.map((each) => [each.id, each.displayName])), [people]);
  return (userId) => names.get(userId) ?? userId.slice(0, 8);
}
