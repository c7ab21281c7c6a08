import { Alert } from '@mantine/core';
import { type ComponentType, lazy, Suspense } from 'react';
import { useSearchParams } from 'wouter';
import { useMandate } from '../../shared/session/index.ts';
import { commonTexts, Page, SubPages, Waiting } from '../../shared/ui/index.ts';
import { BackToConversation } from './back-to-conversation.tsx';
import { Overview } from './overview/overview.tsx';
import { ROOT, type TabName, tabsFor } from './place.ts';
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

function Standing() {
  const t = pageTexts.use();
  const { status } = useMandate();
  if (status === 'active') return null;
  return <Alert color="yellow">{t(status)}</Alert>;
}

const PaymentReturn = lazy(() => import('./top-up/payment-return.tsx'));

/** Shown to whoever comes back from paying online. */
function Payment() {
  const [search] = useSearchParams();
  const paymentId = search.get('payment');
  if (paymentId === null) return null;
  return (
    <Suspense fallback={<Waiting />}>
      <PaymentReturn paymentId={paymentId} isCancelled={search.get('outcome') === 'cancelled'} />
    </Suspense>
  );
}

export default function BillingPage() {
  const t = pageTexts.use();
  const common = commonTexts.use();
  const mandate = useMandate();
  useFollowBalance();
  return (
    <Page title={common('billing')} actions={<BackToConversation variant="default" />}>
      <Standing />
      <Payment />
      <SubPages
        base={ROOT}
        title={t('tabs')}
        pages={tabsFor(mandate).map((path) => ({ path, title: t(path), Content: CONTENT[path] }))}
      />
    </Page>
  );
}
