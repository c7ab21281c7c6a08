import { useQuery } from '@tanstack/react-query';
import { createContext, type ReactNode, useCallback, useContext, useMemo, useState } from 'react';
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
}

interface Chosen {
  readonly mandate: Membership | null;
  readonly mandates: readonly Membership[];
  readonly choose: (mandateId: string) => void;
}

const STORED = 'bursar.mandate';
const ChosenMandate = createContext<Chosen | null>(null);

/** Operators who are members nowhere look at the mandate that the address names (`?mandate=`). */
function useMandates(session: Session, wanted: string | null): readonly Membership[] {
  const isForeign = session.operator && wanted !== null && !session.mandates.some((each) => each.id === wanted);
  const foreign = useQuery({
    queryKey: ['mandate', wanted],
    enabled: isForeign,
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}', { params: { path: { mandateId: wanted ?? '' } } })),
  });
  return useMemo(
    () => [
      ...session.mandates,
      ...(isForeign && foreign.data ? [{ ...foreign.data, role: 'operator' as const, userId: null }] : []),
    ],
    [session.mandates, isForeign, foreign.data],
  );
}

/** Chooses the mandate that the pages are about: of the address, else the last one, else the first. */
export function MandateProvider({ children }: { children: ReactNode }) {
  const session = useSession();
  const [search, setSearch] = useSearchParams();
  const [stored, setStored] = useState(() => localStorage.getItem(STORED));
  const wanted = search.get('mandate');
  const mandates = useMandates(session, wanted ?? (session.mandates.length === 0 ? stored : null));
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
  const chosen = useMemo(() => {
    const byId = (id: string | null) => mandates.find((each) => each.id === id);
    return { mandate: byId(wanted) ?? byId(stored) ?? mandates[0] ?? null, mandates, choose };
  }, [mandates, wanted, stored, choose]);
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
  return mandate.role !== 'member';
}
