import { useLocation, useSearchParams } from 'wouter';
import { useMandate } from '../../shared/session/index.ts';

export const TABS = ['overview', 'top-up', 'requests', 'usage', 'journal', 'limits', 'notices', 'statements'] as const;
export type TabName = (typeof TABS)[number];

const ROOT = '/billing';

export function isTabName(value: unknown): value is TabName {
  return TABS.includes(value as TabName);
}

/** The tab that the address names, and how to get to another one without losing whose billing it is. */
export function usePlace() {
  const [path, navigate] = useLocation();
  const [search] = useSearchParams();
  const mandate = search.get('mandate');
  const named = path.slice(ROOT.length).split('/')[1] ?? '';
  const addressOf = (tab: TabName, more: Readonly<Record<string, string>> = {}) => {
    const query = new URLSearchParams({ ...(mandate === null ? {} : { mandate }), ...more }).toString();
    return `${ROOT}${tab === 'overview' ? '' : `/${tab}`}${query === '' ? '' : `?${query}`}`;
  };
  return {
    tab: named === '' ? ('overview' as const) : isTabName(named) ? named : null,
    addressOf,
    go: (tab: TabName, more?: Readonly<Record<string, string>>) => navigate(addressOf(tab, more)),
  };
}

/** Parameters of the path of every route about the mandate. */
export function useMandatePath() {
  const { id } = useMandate();
  return { mandateId: id };
}
