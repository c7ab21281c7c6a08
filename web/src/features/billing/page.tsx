import { Alert, Tabs } from '@mantine/core';
import { type ComponentType, lazy, Suspense } from 'react';
import { Redirect } from 'wouter';
import { type Membership, seesPool, useMandate } from '../../shared/session/index.ts';
import { commonTexts, Page, Waiting } from '../../shared/ui/index.ts';
import { BackToConversation } from './back-to-conversation.tsx';
import classes from './billing.module.css';
import { Overview } from './overview/overview.tsx';
import { TABS, type TabName, usePlace } from './place.ts';
import { useFollowBalance } from './queries.ts';
import { pageTexts } from './texts/page.ts';

const CONTENT: Readonly<Record<TabName, ComponentType>> = {
  overview: Overview,
  'top-up': lazy(() => import('./top-up/top-up.tsx')),
  requests: lazy(() => import('./requests/requests.tsx')),
  usage: lazy(() => import('./usage/usage.tsx')),
  journal: lazy(() => import('./journal/journal.tsx')),
  limits: lazy(() => import('./caps/caps.tsx')),
  notices: lazy(() => import('./notices/notices.tsx')),
  statements: lazy(() => import('./statements/statements.tsx')),
};

const FOR_ALL: ReadonlySet<TabName> = new Set(['overview', 'top-up', 'usage', 'journal', 'statements']);

/** Members see what is theirs; what is about the mandate is for its owner, finance and operators. */
export function tabsFor(mandate: Membership): readonly TabName[] {
  return TABS.filter((tab) => seesPool(mandate) || FOR_ALL.has(tab));
}

function Standing() {
  const t = pageTexts.use();
  const { status } = useMandate();
  if (status === 'active') return null;
  return <Alert color="yellow">{t(status)}</Alert>;
}

export default function BillingPage() {
  const t = pageTexts.use();
  const common = commonTexts.use();
  const mandate = useMandate();
  const { tab, addressOf, go } = usePlace();
  useFollowBalance();
  const tabs = tabsFor(mandate);
  if (tab === null || !tabs.includes(tab)) return <Redirect to={addressOf('overview')} replace />;
  const Content = CONTENT[tab];
  return (
    <Page title={common('billing')} actions={<BackToConversation variant="default" />}>
      <Standing />
      <Tabs
        value={tab}
        keepMounted={false}
        activateTabWithKeyboard={false}
        onChange={(chosen) => go(tabs.find((each) => each === chosen) ?? 'overview')}
      >
        <Tabs.List aria-label={t('tabs')} className={classes['tabs'] ?? ''}>
          {tabs.map((each) => (
            <Tabs.Tab key={each} value={each}>
              {t(each)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value={tab} pt="md">
          <Suspense fallback={<Waiting />}>
            <Content />
          </Suspense>
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
