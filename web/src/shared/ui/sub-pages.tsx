import { type ComponentType, Suspense, useEffect, useRef } from 'react';
import { Link, Redirect, Route, Switch, useLocation, useSearch } from 'wouter';
import { Waiting } from './page.tsx';
import classes from './sub-pages.module.css';
import { NotFound } from './trouble.tsx';

export interface SubPage {
  /** Below the page's own path, and without slashes: `keys`. */
  readonly path: string;
  readonly title: string;
  readonly Content: ComponentType;
}

/** The parts of a page, each at an address of its own; the first one is there when none is named. */
export function SubPages({ base, title, pages }: { base: string; title: string; pages: readonly SubPage[] }) {
  const [location] = useLocation();
  const search = useSearch();
  const query = search === '' ? '' : `?${search}`;
  const [first] = pages;
  const tabs = useCurrentInView(location);
  return (
    <>
      <nav aria-label={title} className={classes['tabs']} ref={tabs}>
        {pages.map((page) => (
          <Link
            key={page.path}
            href={`${base}/${page.path}${query}`}
            className={classes['tab']}
            aria-current={isBelow(location, `${base}/${page.path}`) ? 'page' : undefined}
          >
            {page.title}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Waiting />}>
        <Switch>
          {pages.map(({ path, Content }) => (
            <Route key={path} path={`${base}/${path}/*?`}>
              <Content />
            </Route>
          ))}
          <Route path={base}>{first && <Redirect to={`${base}/${first.path}${query}`} replace />}</Route>
          <Route>
            <NotFound />
          </Route>
        </Switch>
      </Suspense>
    </>
  );
}

/** On a narrow screen, the part that is open is not the one that is out of sight. */
function useCurrentInView(location: string) {
  const tabs = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the location says when another one is current
  useEffect(() => {
    const current = tabs.current?.querySelector<HTMLElement>('[aria-current]');
    if (!tabs.current || !current) return;
    tabs.current.scrollLeft = current.offsetLeft - (tabs.current.clientWidth - current.clientWidth) / 2;
  }, [location]);
  return tabs;
}

function isBelow(location: string, path: string): boolean {
  return location === path || location.startsWith(`${path}/`);
}
