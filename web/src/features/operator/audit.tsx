import { answer, api } from '../../shared/api/index.ts';
import { AuditLog } from '../../shared/audit/index.ts';
import { Panel } from '../../shared/ui/index.ts';
import { useMandateNames } from './queries.ts';
import { operatorTexts } from './texts.ts';

export default function Audit() {
  const t = operatorTexts.use();
  const mandates = useMandateNames();
  return (
    <Panel title={t('audit')} hint={t('auditHint')}>
      <AuditLog
        caption={t('audit')}
        queryKey={['operator', 'audit']}
        nameOf={(id) => mandates.find((each) => each.id === id)?.name}
        read={(query) => answer(api.GET('/api/audit', { params: { query } }))}
      />
    </Panel>
  );
}
