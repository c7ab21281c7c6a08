import { useQueryClient } from '@tanstack/react-query';
import { useCallback, useState } from 'react';
import { ApiProblem, ownHeaders, problemOf } from '../../shared/api/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { documentsKey } from './threads.ts';

export interface Upload {
  readonly id: number;
  readonly name: string;
  /** From 0 to 1. */
  readonly share: number;
  readonly error: unknown;
}

/** What the server's `accept` would be: the file dialogue shows these first. */
export const ACCEPTED = '.txt,.md,.markdown,.csv,.pdf,text/plain,text/markdown,text/csv,application/pdf';

/** Sends a document. `fetch` cannot tell how much of a request is sent; this can. Throws `ApiProblem`. */
export function sendDocument(url: string, file: File, onProgress: (share: number) => void): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', url);
    for (const [name, value] of Object.entries(ownHeaders('POST'))) request.setRequestHeader(name, value);
    request.upload.addEventListener('progress', ({ loaded, total, lengthComputable }) => {
      if (lengthComputable) onProgress(loaded / total);
    });
    request.addEventListener('error', () => reject(new ApiProblem(0, 'network', '')));
    request.addEventListener('load', () => {
      if (request.status >= 200 && request.status < 300) return resolve();
      void problemOf(new Response(request.responseText, { status: request.status })).then(reject);
    });
    const body = new FormData();
    body.append('file', file);
    request.send(body);
  });
}

let lastId = 0;

/** Documents on their way into a thread; what was refused stays until it is dismissed. */
export function useUploads(threadId: string) {
  const client = useQueryClient();
  const { id: mandateId } = useMandate();
  const [uploads, setUploads] = useState<readonly Upload[]>([]);
  const dismiss = useCallback((id: number) => setUploads((before) => before.filter((each) => each.id !== id)), []);
  const add = useCallback(
    async (files: Iterable<File>) => {
      const change = (id: number, changed: Partial<Upload>) =>
        setUploads((before) => before.map((each) => (each.id === id ? { ...each, ...changed } : each)));
      const named = [...files].map((file) => {
        lastId += 1;
        return { file, id: lastId };
      });
      setUploads((before) => [
        ...before.filter((each) => each.error === null),
        ...named.map(({ file, id }) => ({ id, name: file.name, share: 0, error: null })),
      ]);
      // One after the other: the server reads each before it takes the next.
      for (const { file, id } of named) {
        try {
          const url = `/api/mandates/${mandateId}/threads/${threadId}/documents`;
          await sendDocument(url, file, (share) => change(id, { share }));
          await client.invalidateQueries({ queryKey: documentsKey(mandateId, threadId) });
          dismiss(id);
        } catch (error) {
          change(id, { error });
        }
      }
    },
    [client, mandateId, threadId, dismiss],
  );
  return { uploads, add, dismiss };
}
