import { Alert, Stack, Text } from '@mantine/core';
import { IconCheck } from '@tabler/icons-react';
import { useEffect, useRef, useState } from 'react';
import { useSearchParams } from 'wouter';
import type { OverviewAnswer, PostedAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { nanosOf, negated } from '../../../shared/money/index.ts';
import { seesPool, useMandate } from '../../../shared/session/index.ts';
import { Answered, Nothing } from '../../../shared/ui/index.ts';
import { BackToConversation } from '../back-to-conversation.tsx';
import { AccountChoice, POOL } from '../form.tsx';
import { useOverview } from '../queries.ts';
import { topUpTexts } from '../texts/top-up.ts';
import { Ask } from './ask.tsx';
import { ByHand } from './by-hand.tsx';
import { canTopUp } from './can-top-up.ts';
import { Move } from './move.tsx';
import { Online } from './online.tsx';
import { Voucher } from './voucher.tsx';

function sizeOf(amount: string): string {
  return nanosOf(amount) < 0n ? negated(amount) : amount;
}

/** What has just been posted, said where it is seen and heard, with the way back to work. */
function Posted({ posted }: { posted: PostedAnswer }) {
  const t = topUpTexts.use();
  const format = useFormat();
  const place = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: each posting is brought into view
  useEffect(() => place.current?.focus(), [posted.id]);
  const amount = format.exactMoney(sizeOf(posted.amount), posted.currency);
  return (
    <Alert
      ref={place}
      tabIndex={-1}
      role="status"
      color="fir"
      icon={<IconCheck aria-hidden />}
      title={t(posted.kind === 'WALLET_TRANSFER' ? 'moved' : 'cameIn', { amount })}
    >
      <Stack gap="sm" align="flex-start">
        {posted.balance !== null && (
          <Text>{t('balanceNow', { balance: format.exactMoney(posted.balance, posted.currency) })}</Text>
        )}
        <BackToConversation />
      </Stack>
    </Alert>
  );
}

interface MeansProps {
  readonly overview: OverviewAnswer;
  readonly account: string;
  readonly onPosted: (posted: PostedAnswer) => void;
}

function Means({ overview, account, onPosted }: MeansProps) {
  const { means } = overview;
  return (
    <>
      {means.byHand && <ByHand account={account} onPosted={onPosted} />}
      {means.voucher && <Voucher account={account} onPosted={onPosted} />}
      {means.online && <Online account={account} online={means.online} />}
    </>
  );
}

function Ways({ overview }: { overview: OverviewAnswer }) {
  const t = topUpTexts.use();
  const mandate = useMandate();
  const [search] = useSearchParams();
  const person = search.get('for');
  const [account, setAccount] = useState(person ?? (overview.payer === 'wallet' ? mandate.userId : null) ?? POOL);
  const [posted, setPosted] = useState<PostedAnswer | null>(null);
  const isAble = canTopUp(overview);
  const isMember = !seesPool(mandate);
  return (
    <Stack gap="lg">
      {posted && <Posted posted={posted} />}
      {isAble && !isMember && <AccountChoice label={t('where')} value={account} onChange={setAccount} />}
      {isAble && <Means overview={overview} account={isMember ? POOL : account} onPosted={setPosted} />}
      {overview.means.fromPool && <Move key={person} person={person} onPosted={setPosted} />}
      {isMember && <Ask />}
      {!isAble && !isMember && <Nothing>{t('nothingPossible')}</Nothing>}
    </Stack>
  );
}

/** Every way in which this person can bring money in here, and the way to ask others for it. */
export default function TopUp() {
  return <Answered query={useOverview()}>{(overview) => <Ways overview={overview} />}</Answered>;
}
