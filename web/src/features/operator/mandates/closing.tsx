import { SimpleGrid, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { answer, api, type ClosingAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { Answered, DataTable, Panel } from '../../../shared/ui/index.ts';
import { mandatesTexts } from './texts.ts';

export const closingKey = (mandateId: string) => ['mandate', mandateId, 'closing'] as const;

function Sums({ closing }: { closing: ClosingAnswer }) {
  const t = mandatesTexts.use();
  const { money, number } = useFormat();
  const { currency } = closing;
  const sums = [
    ['openHolds', number(closing.openHolds)],
    ['held', money(closing.held, currency)],
    ['remaining', money(closing.remaining, currency)],
    ['owed', money(closing.owed, currency)],
    ['settled', t(closing.settled ? 'yes' : 'no')],
  ] as const;
  return (
    <SimpleGrid component="dl" cols={{ base: 2, sm: 5 }} m={0}>
      {sums.map(([name, value]) => (
        <div key={name}>
          <Text component="dt" size="sm" c="var(--bursar-quiet)">
            {t(name)}
          </Text>
          <Text component="dd" m={0} className="figures">
            {value}
          </Text>
        </div>
      ))}
    </SimpleGrid>
  );
}

/** What would have to be paid out or claimed, account by account. */
export function Closing({ mandateId }: { mandateId: string }) {
  const t = mandatesTexts.use();
  const { money } = useFormat();
  const query = useQuery({
    queryKey: closingKey(mandateId),
    queryFn: () => answer(api.GET('/api/mandates/{mandateId}/closing', { params: { path: { mandateId } } })),
  });
  return (
    <Panel title={t('closing')} hint={t('closingHint')}>
      <Answered query={query}>
        {(closing) => (
          <>
            <Sums closing={closing} />
            <DataTable
              caption={t('closing')}
              rows={closing.accounts}
              rowKey={({ userId }) => userId ?? 'pool'}
              columns={[
                {
                  key: 'account',
                  label: t('account'),
                  cell: ({ payer, userName, userId }) =>
                    payer === 'pool' ? t('pool') : t('walletOf', { name: userName ?? userId?.slice(0, 8) ?? '' }),
                },
                {
                  key: 'held',
                  label: t('held'),
                  isFigure: true,
                  cell: ({ held }) => money(held, closing.currency),
                },
                {
                  key: 'payable',
                  label: t('payable'),
                  isFigure: true,
                  cell: ({ payable }) => money(payable, closing.currency),
                },
              ]}
            />
          </>
        )}
      </Answered>
    </Panel>
  );
}
