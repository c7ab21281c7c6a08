import { type InfiniteData, useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { useCallback } from 'react';
import {
  answer,
  api,
  type DocumentAnswer,
  type ModelAnswer,
  type OverviewAnswer,
  type ThreadAnswer,
  type ThreadPage,
} from '../../shared/api/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { type Paged, showTrouble, usePaged } from '../../shared/ui/index.ts';

export type Kind = ThreadAnswer['kind'];

export const threadsKey = (mandateId: string) => ['mandate', mandateId, 'threads'] as const;
export const documentsKey = (mandateId: string, threadId: string) =>
  ['mandate', mandateId, 'thread', threadId, 'documents'] as const;
const threadKey = (mandateId: string, threadId: string) => ['mandate', mandateId, 'thread', threadId] as const;
const overviewKey = (mandateId: string) => ['mandate', mandateId, 'billing-overview'] as const;

/** One's own threads, the latest used first. */
export function useThreads(): Paged<ThreadAnswer> {
  const { id: mandateId } = useMandate();
  return usePaged({
    queryKey: threadsKey(mandateId),
    read: (query) => answer(api.GET('/api/mandates/{mandateId}/threads', { params: { path: { mandateId }, query } })),
    itemsOf: (page: ThreadPage) => page.threads,
  });
}

/** A thread without its messages: of the list, or read by itself where the list does not have it (yet). */
export function useThread(threadId: string): ThreadAnswer | undefined {
  const { id: mandateId } = useMandate();
  const { query } = useThreads();
  const listed = query.data?.find((thread) => thread.id === threadId);
  const { data } = useQuery({
    queryKey: threadKey(mandateId, threadId),
    enabled: query.data !== undefined && listed === undefined,
    retry: false,
    queryFn: () =>
      answer(api.GET('/api/mandates/{mandateId}/threads/{threadId}', { params: { path: { mandateId, threadId } } })),
  });
  return listed ?? data;
}

export function useModels(): readonly ModelAnswer[] | undefined {
  const { id: mandateId } = useMandate();
  const { data } = useQuery({
    queryKey: ['mandate', mandateId, 'models'],
    staleTime: 60_000,
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/workspace/models', { params: { path: { mandateId } } })),
  });
  return data?.models;
}

/** Who pays, what was spent, and whether this person may top up. */
export function useOverview(): OverviewAnswer | undefined {
  const { id: mandateId } = useMandate();
  const { data } = useQuery({
    queryKey: overviewKey(mandateId),
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/billing-overview', { params: { path: { mandateId } } })),
  });
  return data;
}

/** What a run that ended has changed: the thread's title and cost, what was spent. */
export function useAfterRun(threadId: string): () => void {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  return useCallback(() => {
    for (const queryKey of [threadsKey(mandateId), threadKey(mandateId, threadId), overviewKey(mandateId)]) {
      void client.invalidateQueries({ queryKey, exact: true });
    }
  }, [client, mandateId, threadId]);
}

export function useAddThread() {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  return useMutation({
    mutationFn: (body: { kind: Kind; model: string }) =>
      answer(api.POST('/api/mandates/{mandateId}/threads', { params: { path: { mandateId } }, body })),
    onSuccess: (thread) => {
      type Pages = InfiniteData<ThreadPage, string | null>;
      client.setQueryData<Pages>(threadsKey(mandateId), (before) => {
        const [first, ...rest] = before?.pages ?? [];
        if (before === undefined || first === undefined) return before;
        return { ...before, pages: [{ ...first, threads: [thread, ...first.threads] }, ...rest] };
      });
    },
    onError: showTrouble,
  });
}

export function useChangeThread(threadId: string) {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  return useMutation({
    mutationFn: (body: { title?: string; model?: string }) =>
      answer(
        api.PATCH('/api/mandates/{mandateId}/threads/{threadId}', { params: { path: { mandateId, threadId } }, body }),
      ),
    onSuccess: () =>
      Promise.all([
        client.invalidateQueries({ queryKey: threadsKey(mandateId) }),
        client.invalidateQueries({ queryKey: threadKey(mandateId, threadId), exact: true }),
      ]),
    onError: showTrouble,
  });
}

export function useDeleteThread() {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  return useCallback(
    async (threadId: string) => {
      await answer(
        api.DELETE('/api/mandates/{mandateId}/threads/{threadId}', { params: { path: { mandateId, threadId } } }),
      );
      client.removeQueries({ queryKey: threadKey(mandateId, threadId) });
      await client.invalidateQueries({ queryKey: threadsKey(mandateId) });
    },
    [client, mandateId],
  );
}

export function useDocuments(threadId: string): readonly DocumentAnswer[] {
  const { id: mandateId } = useMandate();
  const { data } = useQuery({
    queryKey: documentsKey(mandateId, threadId),
    queryFn: () =>
      answer(
        api.GET('/api/mandates/{mandateId}/threads/{threadId}/documents', {
          params: { path: { mandateId, threadId } },
        }),
      ),
  });
  return data?.documents ?? [];
}

export function useDeleteDocument(threadId: string) {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  return useCallback(
    async (documentId: string) => {
      await answer(
        api.DELETE('/api/mandates/{mandateId}/threads/{threadId}/documents/{documentId}', {
          params: { path: { mandateId, threadId, documentId } },
        }),
      );
      await client.invalidateQueries({ queryKey: documentsKey(mandateId, threadId) });
    },
    [client, mandateId, threadId],
  );
}
