import { queryOptions, useQuery, useSuspenseQuery } from '@tanstack/react-query';
import { setCsrfToken } from '../api/client.ts';
import { ApiProblem, answer, api, type SessionAnswer } from '../api/index.ts';
import { setLanguage, wasLanguageChosen } from '../i18n/index.ts';

export type Session = SessionAnswer;
export const SESSION_KEY = ['session'] as const;

let known: string | null = null;

/** Whoever signs in as somebody else in another tab finds nothing of the one before in this one. */
function recognise(session: Session): void {
  const { identityId } = session.person;
  if (known !== null && known !== identityId) {
    sessionStorage.clear();
    window.location.reload();
  }
  known = identityId;
}

const sessionQuery = queryOptions({
  queryKey: SESSION_KEY,
  staleTime: 60_000,
  queryFn: async (): Promise<Session | null> => {
    try {
      const session = await answer(api.GET('/api/session'));
      recognise(session);
      setCsrfToken(session.csrfToken);
      if (!wasLanguageChosen()) setLanguage(session.language, false);
      return session;
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) return null;
      throw error;
    }
  },
});

/** Who is signed in; `null` is nobody. */
export function useSessionQuery() {
  return useQuery(sessionQuery);
}

/** Who is signed in, below the door that lets nobody else through. */
export function useSession(): Session {
  const { data } = useSuspenseQuery(sessionQuery);
  if (data === null) throw new ApiProblem(401, 'unauthorized', '');
  return data;
}
