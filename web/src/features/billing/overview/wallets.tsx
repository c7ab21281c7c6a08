import { Anchor, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { Link } from 'wouter';
import { useFormat } from '../../../shared/i18n/index.ts';
import { type Account, useBalance } from '../../../shared/live/index.ts';
import { isZero, nanosOf, sumOf } from '../../../shared/money/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { type Column, DataTable, Panel } from '../../../shared/ui/index.ts';
import { Money } from '../money.tsx';
import { usePlace } from '../place.ts';
import { nameOf, usePeople } from '../queries.ts';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';

/** From so many on, one wants to search. */
const MANY = 12;

interface Wallet extends Account {
  readonly userId: string;
}

function useWallets(): readonly Wallet[] {
  const balance = useBalance();
  return useMemo(
    () =>
      (balance?.accounts ?? [])
        .flatMap((each) => (each.payer === 'wallet' && each.userId ? [{ ...each, userId: each.userId }] : []))
        .sort((one, other) => Number(nanosOf(other.posted) - nanosOf(one.posted))),
    [balance],
  );
}

function useColumns(names: (userId: string) => string): readonly Column<Wallet>[] {
  const t = overviewTexts.use();
  const words = pageTexts.use();
  const { addressOf } = usePlace();
  const link = ({ userId }: Wallet) => (
    <Anchor
      component={Link}
      href={addressOf('top-up', { for: userId })}
      size="sm"
      aria-label={`${t('move')}: ${names(userId)}`}
    >
      {t('move')}
    </Anchor>
  );
  return [
    { key: 'who', label: words('person'), cell: ({ userId }) => names(userId) },
    {
      key: 'available',
      label: words('available'),
      isFigure: true,
      cell: ({ available }) => <Money amount={available} />,
    },
    { key: 'held', label: words('held'), isFigure: true, cell: ({ held }) => <Money amount={held} /> },
    { key: 'move', label: words('actions'), isActions: true, cell: link },
  ];
}

/** Everybody's personal credit; not shown where there is none and none is used. */
export function Wallets({ isPayer }: { isPayer: boolean }) {
  const t = overviewTexts.use();
  const { currency } = useMandate();
  const format = useFormat();
  const people = usePeople();
  const wallets = useWallets();
  const [wanted, setWanted] = useState('');
  const names = (userId: string) => nameOf(people, userId);
  const columns = useColumns(names);
  if (wallets.length === 0 || (!isPayer && wallets.every(({ posted, held }) => isZero(posted) && isZero(held)))) {
    return null;
  }
  const sum = format.money(sumOf(wallets.map(({ available }) => available)), currency);
  const shown = wallets.filter(({ userId }) => names(userId).toLowerCase().includes(wanted.trim().toLowerCase()));
  return (
    <Panel title={t('wallets')} hint={t('walletsHint', { count: wallets.length, sum })}>
      {wallets.length >= MANY && (
        <TextInput
          aria-label={t('find')}
          placeholder={t('find')}
          leftSection={<IconSearch size={16} aria-hidden />}
          value={wanted}
          onChange={(event) => setWanted(event.currentTarget.value)}
          maw={320}
        />
      )}
      <DataTable caption={t('wallets')} columns={columns} rows={shown} rowKey={({ userId }) => userId} />
    </Panel>
  );
}
