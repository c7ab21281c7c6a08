import { commonTexts, Nothing, Page } from '../../shared/ui/index.ts';

export default function OperatorPage() {
  const t = commonTexts.use();
  return (
    <Page title={t('operator')}>
      <Nothing />
    </Page>
  );
}
