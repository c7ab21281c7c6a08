import { commonTexts, Nothing, Page } from '../../shared/ui/index.ts';

export default function WorkspacePage() {
  const t = commonTexts.use();
  return (
    <Page title={t('workspace')}>
      <Nothing />
    </Page>
  );
}
