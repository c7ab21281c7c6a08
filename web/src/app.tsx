import { lazy, Suspense } from 'react';
import { Redirect, Route, Switch } from 'wouter';
import { Bell } from './features/bell/bell.tsx';
import { SignIn } from './features/sign-in/sign-in.tsx';
import { PAGES } from './pages.ts';
import {
  MandateProvider,
  type Session,
  takePlace,
  useChosenMandate,
  useSession,
  useSessionQuery,
} from './shared/session/index.ts';
import { Frame } from './shared/ui/frame.tsx';
import { NotFound, Trouble, Waiting } from './shared/ui/index.ts';

const ROUTES = PAGES.map((page) => ({ ...page, Content: lazy(page.load) }));

export function App() {
  const session = useSessionQuery();
  if (session.isPending) return <Waiting />;
  if (session.isError) return <Trouble error={session.error} onRetry={() => void session.refetch()} />;
  if (session.data === null) return <SignIn />;
  return (
    <MandateProvider>
      <Pages />
    </MandateProvider>
  );
}

function usePages(session: Session) {
  const { mandate, isComing, isUnknown } = useChosenMandate();
  return { mandate, isComing, isUnknown, pages: ROUTES.filter((page) => page.isFor(session, mandate)) };
}

function Pages() {
  const { mandate, isComing, isUnknown, pages } = usePages(useSession());
  return (
    <Frame pages={pages} bell={mandate !== null && <Bell />}>
      <Suspense fallback={<Waiting />}>
        <Switch>
          <Route path="/">{isComing ? <Waiting /> : <Front first={pages[0]?.path} />}</Route>
          {pages.map(({ path, Content }) => (
            <Route key={path} path={`${path}/*?`}>
              {/* Another mandate is another page: nothing of the one before stays in its forms. */}
              <Content key={mandate?.id ?? ''} />
            </Route>
          ))}
          <Route>{isComing ? <Waiting /> : <NotFound reason={isUnknown ? 'otherMandate' : 'notFound'} />}</Route>
        </Switch>
      </Suspense>
    </Frame>
  );
}

/** The front door: back to where somebody was before they signed in, or to their first page. */
function Front({ first }: { first: string | undefined }) {
  const place = takePlace() ?? first;
  return place === undefined ? <NotFound reason="noMandate" /> : <Redirect to={place} replace />;
}
