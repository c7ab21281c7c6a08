import { useLocation, useSearchParams } from 'wouter';
import { type Membership, seesPool, useMandate } from '../../shared/session/index.ts';

export const TABS = ['overview', 'top-up', 'requests', 'usage', 'journal', 'limits', 'notices', 'statements'] as const;
export type TabName = (typeof TABS)[number];

const FOR_ALL: ReadonlySet<TabName> = new Set(['overview', 'top-up', 'usage', 'journal', 'statements']);

/** Members see what is theirs; what is about the mandate is for its owner, finance and operators. */
export function tabsFor(mandate: Membership): readonly TabName[] {
  return TABS.filter((tab) => seesPool(mandate) || FOR_ALL.has(tab));
}

export const ROOT = '/billing';

/** How to get to a tab without losing whose billing it is. */
export function usePlace() {
  const [, navigate] = useLocation();
  const [search] = useSearchParams();
  const mandate = search.get('mandate');
  const addressOf = (tab: TabName, more: Readonly<Record<string, string>> = {}) => {
    const query = new URLSearchParams({ ...(mandate === null ? {} : { mandate }), ...more }).toString();
    return `${ROOT}/${tab}${query === '' ? '' : `?${query}`}`;
  };
  return {
    addressOf,
    go: (tab: TabName, more?: Readonly<Record<string, string>>) => navigate(addressOf(tab, more)),
  };
}

/** Parameters of the path of every route about the mandate. */
export function useMandatePath() {
  const { id } = useMandate();
  return { mandateId: id };
}
