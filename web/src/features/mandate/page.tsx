import { commonTexts, Nothing, Page } from '../../shared/ui/index.ts';

export default function MandatePage() {
  const t = commonTexts.use();
  return (
    <Page title={t('mandate')}>
      <Nothing />
    </Page>
  );
}
