import { useQuery } from '@tanstack/react-query';
import { answer, api, type SettingsChange, taggedAnswer } from '../../../shared/api/index.ts';
import { useMandate } from '../../../shared/session/index.ts';

export const settingsKey = (mandateId: string) => ['mandate', mandateId, 'billing-settings', 'tagged'] as const;

export function useSettings() {
  const { id: mandateId } = useMandate();
  return useQuery({
    queryKey: settingsKey(mandateId),
    queryFn: () =>
      taggedAnswer(api.GET('/api/mandates/{mandateId}/billing-settings', { params: { path: { mandateId } } })),
  });
}

/** Changes what is given, if nobody else has changed the settings since `tag`. */
export function changeSettings(mandateId: string, tag: string, body: SettingsChange) {
  return answer(
    api.PUT('/api/mandates/{mandateId}/billing-settings', {
      params: { path: { mandateId }, header: { 'If-Match': tag } },
      body,
    }),
  );
}
