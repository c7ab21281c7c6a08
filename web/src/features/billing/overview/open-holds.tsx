import type { HoldAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Answered, type Column, DataTable, Nothing, Panel } from '../../../shared/ui/index.ts';
import { Money } from '../money.tsx';
import { nameOf, useHolds, usePeople } from '../queries.ts';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';

function useColumns(): readonly Column<HoldAnswer>[] {
  const t = overviewTexts.use();
  const words = pageTexts.use();
  const format = useFormat(useMandate().timeZone);
  const people = usePeople();
  return [
    { key: 'who', label: words('person'), cell: ({ userId }) => (userId ? nameOf(people, userId) : '–') },
    { key: 'model', label: words('model'), cell: ({ model }) => model ?? '–' },
    { key: 'since', label: t('since'), cell: ({ createdAt }) => format.time(createdAt) },
    { key: 'frees', label: t('frees'), cell: ({ expiresAt }) => format.time(expiresAt) },
    { key: 'amount', label: words('amount'), isFigure: true, cell: ({ amount }) => <Money amount={amount} /> },
  ];
}

/** What calls in flight have set aside. */
export function OpenHolds() {
  const t = overviewTexts.use();
  const columns = useColumns();
  return (
    <Panel title={t('openHolds')}>
      <Answered query={useHolds()}>
        {({ holds }) =>
          holds.length === 0 ? (
            <Nothing>{t('noHolds')}</Nothing>
          ) : (
            <DataTable caption={t('openHolds')} columns={columns} rows={holds} rowKey={({ id }) => id} />
          )
        }
      </Answered>
    </Panel>
  );
}
