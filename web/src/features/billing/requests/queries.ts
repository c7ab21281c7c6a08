import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { answer, api } from '../../../shared/api/index.ts';
import { useUnread } from '../../../shared/live/index.ts';
import { useMandatePath } from '../place.ts';
import { setupKey } from '../queries.ts';

export const requestsKey = (mandateId: string) => [...setupKey(mandateId), 'requests'] as const;

/** Finance sees everybody's, others their own; the newest first. */
export function useRequests() {
  const path = useMandatePath();
  // A request and its decision are told under the bell: that is when to look again.
  const unread = useUnread();
  return useQuery({
    queryKey: [...requestsKey(path.mandateId), unread],
    placeholderData: (before) => before,
    queryFn: () =>
      answer(api.GET('/api/mandates/{mandateId}/top-up-requests', { params: { path, query: { limit: 100 } } })),
  });
}

export function useDecision() {
  const client = useQueryClient();
  const { mandateId } = useMandatePath();
  return useMutation({
    mutationFn: ({ requestId, isApproved }: { requestId: string; isApproved: boolean }) => {
      const params = { path: { mandateId, requestId } };
      return answer(
        isApproved
          ? api.POST('/api/mandates/{mandateId}/top-up-requests/{requestId}/approve', { params })
          : api.POST('/api/mandates/{mandateId}/top-up-requests/{requestId}/decline', { params }),
      );
    },
    onSettled: () => client.invalidateQueries({ queryKey: requestsKey(mandateId) }),
  });
}
