import createClient, { type Middleware } from 'openapi-fetch';
import { ApiProblem, problemOf } from './problem.ts';
import type { paths } from './schema.ts';

const UNSAFE: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'DELETE']);

let csrfToken = '';
let onSignedOut: () => void = () => {};
let onStaleToken: () => void = () => {};

/** The token of the session, for every request that changes something. */
export function setCsrfToken(token: string): void {
  csrfToken = token;
}

/** Called when the API says that nobody is signed in any more. */
export function setOnSignedOut(callback: () => void): void {
  onSignedOut = callback;
}

/** Called when the token of the session is not that of the session any more: somebody signed in anew in another tab. */
export function setOnStaleToken(callback: () => void): void {
  onStaleToken = callback;
}

/** Headers that every request of ours has, for those who call `fetch` themselves. */
export function ownHeaders(method: string): Record<string, string> {
  const language = { 'accept-language': document.documentElement.lang };
  return UNSAFE.has(method.toUpperCase()) ? { ...language, 'x-csrf-token': csrfToken } : language;
}

const ours: Middleware = {
  onRequest({ request }) {
    for (const [name, value] of Object.entries(ownHeaders(request.method))) request.headers.set(name, value);
  },
  async onResponse({ response, schemaPath }) {
    if (response.ok) return;
    if (response.status === 401 && schemaPath !== '/api/session') onSignedOut();
    const problem = await problemOf(response);
    if (problem.code === 'csrf') onStaleToken();
    throw problem;
  },
  onError({ error }) {
    return error instanceof ApiProblem ? error : new ApiProblem(0, 'network', '');
  },
};

export const api = createClient<paths>({ credentials: 'same-origin' });
api.use(ours);

/** What a change may be based on: `tag` goes back as `If-Match`, and what is newer meanwhile is a 412. */
export interface Tagged<Data> {
  readonly data: Data;
  readonly tag: string;
}

/** What a call answered, with its version. Throws `ApiProblem` for everything that is not a success. */
export async function taggedAnswer<Data>(call: Promise<{ data?: Data; response: Response }>): Promise<Tagged<Data>> {
  const { data, response } = await call;
  return { data: data as Data, tag: response.headers.get('etag') ?? '*' };
}

/** What a call answered. Throws `ApiProblem` for everything that is not a success. */
export async function answer<Data>(call: Promise<{ data?: Data }>): Promise<Data> {
  const { data } = await call;
  return data as Data;
}
