import { useQuery } from '@tanstack/react-query';
import { answer, api, type MandateAnswer } from '../../shared/api/index.ts';

export const MANDATES_KEY = ['operator', 'mandates'] as const;
export const VOUCHERS_KEY = ['operator', 'vouchers'] as const;
export const OPERATORS_KEY = ['operator', 'operators'] as const;
export const VERIFICATIONS_KEY = ['operator', 'verifications'] as const;
const MOST_NAMES = 1_000;

/** Organisations to choose from, and their names: the first thousand. */
export function useMandateNames(): readonly MandateAnswer[] {
  const { data } = useQuery({
    queryKey: [...MANDATES_KEY, 'names'],
    queryFn: () => answer(api.GET('/api/mandates', { params: { query: { limit: MOST_NAMES } } })),
  });
  return data?.mandates ?? NONE;
}

const NONE: readonly MandateAnswer[] = [];

export function useMandateName(): (mandateId: string) => string {
  const mandates = useMandateNames();
  return (mandateId) => mandates.find(({ id }) => id === mandateId)?.name ?? mandateId.slice(0, 8);
}
