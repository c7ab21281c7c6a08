import { answer, api } from '../../shared/api/index.ts';
import { ACTIONS, AuditLog } from '../../shared/audit/index.ts';
import { useMandate } from '../../shared/session/index.ts';
import { Panel } from '../../shared/ui/index.ts';
import { usePeople } from './people.ts';
import { mandateTexts } from './texts.ts';

export default function Audit() {
  const { id: mandateId, timeZone } = useMandate();
  const t = mandateTexts.use();
  const people = usePeople();
  return (
    <Panel title={t('audit')} hint={t('auditHint')}>
      <AuditLog
        caption={t('audit')}
        queryKey={['mandate', mandateId, 'audit']}
        actions={ACTIONS.ofMandate}
        timeZone={timeZone}
        nameOf={(id) => people.find((each) => each.id === id)?.displayName}
        read={(query) => answer(api.GET('/api/mandates/{mandateId}/audit', { params: { path: { mandateId }, query } }))}
      />
    </Panel>
  );
}
