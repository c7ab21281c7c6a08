import { lazy } from 'react';
import { commonTexts, Page, type SubPage, SubPages } from '../../shared/ui/index.ts';
import { Mandates } from './mandates/mandates.tsx';
import { operatorTexts } from './texts.ts';

const PARTS = [
  { path: 'mandates', Content: Mandates },
  { path: 'vouchers', Content: lazy(() => import('./vouchers/vouchers.tsx')) },
  { path: 'alerts', Content: lazy(() => import('./alerts.tsx')) },
  { path: 'upstreams', Content: lazy(() => import('./upstreams.tsx')) },
  { path: 'prices', Content: lazy(() => import('./prices.tsx')) },
  { path: 'books', Content: lazy(() => import('./books/books.tsx')) },
  { path: 'operators', Content: lazy(() => import('./people/operators.tsx')) },
  { path: 'audit', Content: lazy(() => import('./audit.tsx')) },
] as const;

export default function OperatorPage() {
  const t = commonTexts.use();
  const own = operatorTexts.use();
  const pages: readonly SubPage[] = PARTS.map(({ path, Content }) => ({ path, Content, title: own(path) }));
  return (
    <Page title={t('operator')}>
      <SubPages base="/operator" title={t('operator')} pages={pages} />
    </Page>
  );
}
