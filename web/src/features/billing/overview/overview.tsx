import { Button, Group, Stack, Text } from '@mantine/core';
import { Link } from 'wouter';
import type { OverviewAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { payingAccount, useBalance } from '../../../shared/live/index.ts';
import { seesPool, useMandate } from '../../../shared/session/index.ts';
import { Answered, Panel } from '../../../shared/ui/index.ts';
import { usePlace } from '../place.ts';
import { useOverview } from '../queries.ts';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';
import { topUpTexts } from '../texts/top-up.ts';
import { canTopUp } from '../top-up/can-top-up.ts';
import { Figures, LiveMark, mainAccount } from './figures.tsx';
import { History } from './history.tsx';
import { OpenHolds } from './open-holds.tsx';
import { Wallets } from './wallets.tsx';

function HowPaid({ overview }: { overview: OverviewAnswer }) {
  const t = overviewTexts.use();
  const format = useFormat();
  const mandate = useMandate();
  const pool = payingAccount(useBalance(), mandate, 'pool');
  const limit = format.money(pool?.creditLimit ?? '0', overview.currency);
  const isHidden = !overview.seesPool && overview.payer === 'pool';
  return (
    <Panel title={t('howPaid')}>
      <Text maw="44rem">{isHidden ? t('memberPool') : t(overview.billingModel, { limit })}</Text>
    </Panel>
  );
}

function Actions({ isAble }: { isAble: boolean }) {
  const t = pageTexts.use();
  const ask = topUpTexts.use();
  const { addressOf } = usePlace();
  return (
    <Group justify="space-between">
      <LiveMark />
      <Button component={Link} href={addressOf('top-up')}>
        {isAble ? t('top-up') : ask('ask')}
      </Button>
    </Group>
  );
}

/** What there is, what it is spent on, and how long it lasts. */
export function Overview() {
  const query = useOverview();
  const mandate = useMandate();
  const balance = useBalance();
  return (
    <Answered query={query}>
      {(overview) => (
        <Stack gap="lg">
          <Actions isAble={canTopUp(overview)} />
          <Figures overview={overview} />
          <HowPaid overview={overview} />
          {mainAccount(overview, mandate, balance) && <History isWallet={!overview.seesPool} />}
          {seesPool(mandate) && <Wallets isPayer={overview.payer === 'wallet'} />}
          {seesPool(mandate) && <OpenHolds />}
        </Stack>
      )}
    </Answered>
  );
}
