import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from 'react';
import { useSearchParams } from 'wouter';
import { answer, api } from '../api/index.ts';
import { type Session, useSession } from './session.ts';

/** A mandate, and what the signed-in person is in it. Operators who are no member have no `userId`. */
export interface Membership {
  readonly id: string;
  readonly name: string;
  readonly status: 'active' | 'suspended' | 'closed';
  readonly currency: string;
  readonly timeZone: string;
  readonly role: 'owner' | 'finance' | 'member' | 'operator';
  readonly userId: string | null;
  /** Operators may do what operators do in mandates of their own, too. */
  readonly isOperator?: boolean;
}

interface Chosen {
  readonly mandate: Membership | null;
  readonly mandates: readonly Membership[];
  readonly choose: (mandateId: string) => void;
  /** Whether the address names one that this person has nothing to do with. */
  readonly isUnknown: boolean;
  /** Whether the one that the address names is still being read. */
  readonly isComing: boolean;
}

const STORED = 'bursar.mandate';
const ChosenMandate = createContext<Chosen | null>(null);

/** Operators look at any mandate: the one that the address names (`?mandate=`), or looked at last. */
function useMandates(session: Session, wanted: string | null) {
  const isForeign = session.operator && wanted !== null && !session.mandates.some((each) => each.id === wanted);
  const foreign = useQuery({
    queryKey: ['mandate', wanted],
    enabled: isForeign,
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}', { params: { path: { mandateId: wanted ?? '' } } })),
  });
  const mandates = useMemo(
    (): readonly Membership[] => [
      ...session.mandates.map((each) => ({ ...each, isOperator: session.operator })),
      ...(isForeign && foreign.data ? [{ ...foreign.data, role: 'operator' as const, userId: null }] : []),
    ],
    [session.mandates, session.operator, isForeign, foreign.data],
  );
  return { mandates, isComing: foreign.isLoading };
}

/** Chooses the mandate that the pages are about: of the address, else the last one, else the first. */
export function MandateProvider({ children }: { children: ReactNode }) {
  const session = useSession();
  const [search, setSearch] = useSearchParams();
  const [stored, setStored] = useState(() => localStorage.getItem(STORED));
  const wanted = search.get('mandate');
  const { mandates, isComing } = useMandates(session, wanted ?? stored);
  const choose = useCallback(
    (mandateId: string) => {
      localStorage.setItem(STORED, mandateId);
      setStored(mandateId);
      setSearch((before) => {
        before.delete('mandate');
        return before;
      });
    },
    [setSearch],
  );
  // What the address names stays chosen on the pages that are opened from there.
  const isKnown = mandates.some((each) => each.id === wanted);
  useEffect(() => {
    if (wanted === null || !isKnown) return;
    localStorage.setItem(STORED, wanted);
    setStored(wanted);
  }, [wanted, isKnown]);
  const chosen = useMemo(() => {
    const byId = (id: string | null) => mandates.find((each) => each.id === id);
    // What the address names is shown, or nothing: never another one in its place.
    const mandate = wanted === null ? (byId(stored) ?? mandates[0] ?? null) : (byId(wanted) ?? null);
    return { mandate, mandates, choose, isComing, isUnknown: wanted !== null && mandate === null && !isComing };
  }, [mandates, wanted, stored, choose, isComing]);
  return <ChosenMandate value={chosen}>{children}</ChosenMandate>;
}

export function useChosenMandate(): Chosen {
  const chosen = useContext(ChosenMandate);
  if (chosen === null) throw new Error('useChosenMandate outside of MandateProvider');
  return chosen;
}

/** The mandate of a page that is never shown without one. */
export function useMandate(): Membership {
  const { mandate } = useChosenMandate();
  if (mandate === null) throw new Error('no mandate is chosen');
  return mandate;
}

/** Whether somebody may see the pool and everybody's calls. */
export function seesPool(mandate: Membership): boolean {
  return mandate.role !== 'member' || mandate.isOperator === true;
}
