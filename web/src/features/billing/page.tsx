import { commonTexts, Nothing, Page } from '../../shared/ui/index.ts';

export default function BillingPage() {
  const t = commonTexts.use();
  return (
    <Page title={t('billing')}>
      <Nothing />
    </Page>
  );
}
