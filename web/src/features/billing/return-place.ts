import { useEffect } from 'react';
import { useSearchParams } from 'wouter';
import { leavePlace, seePlace } from '../../shared/session/index.ts';

/** As links of ours and the payment provider's way back name it. */
const PARAMETERS = ['return', 'returnTo'] as const;

/** Only a conversation: whatever else an address or an earlier sign-in asks for is not followed. */
export function conversationOf(place: string | null | undefined): string | null {
  return place && /^\/workspace(?:[/?]|$)/.test(place) ? place : null;
}

/**
 * The conversation from which somebody came to top up; `null` if they did not. What the address says is left as their
 * place, so that going through the tabs does not lose it.
 */
export function useReturnPlace(): string | null {
  const [search] = useSearchParams();
  const named = conversationOf(PARAMETERS.map((each) => search.get(each)).find((each) => each !== null));
  useEffect(() => {
    if (named !== null) leavePlace(named);
  }, [named]);
  return named ?? conversationOf(seePlace());
}
