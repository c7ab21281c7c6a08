import { useQuery } from '@tanstack/react-query';
import { answer, api } from '../../../shared/api/index.ts';
import { useMandatePath } from '../place.ts';
import { setupKey } from '../queries.ts';

export const wishesKey = (mandateId: string) => [...setupKey(mandateId), 'wishes'] as const;
export const settingsKey = (mandateId: string) => [...setupKey(mandateId), 'settings'] as const;
export const silencesKey = (mandateId: string) => [...setupKey(mandateId), 'silences'] as const;
export const sentKey = (mandateId: string) => [...setupKey(mandateId), 'sent'] as const;

/** Thresholds, and how each address stands. */
export function useWishes() {
  const path = useMandatePath();
  return useQuery({
    queryKey: wishesKey(path.mandateId),
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/notice-settings', { params: { path } })),
  });
}

export function useSettings() {
  const path = useMandatePath();
  return useQuery({
    queryKey: settingsKey(path.mandateId),
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/billing-settings', { params: { path } })),
  });
}

export function useSilences() {
  const path = useMandatePath();
  return useQuery({
    queryKey: silencesKey(path.mandateId),
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/silences', { params: { path } })),
  });
}
