import { Anchor, TextInput } from '@mantine/core';
import { IconSearch } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { Link } from 'wouter';
import { useFormat } from '../../../shared/i18n/index.ts';
import { type Account, useBalance } from '../../../shared/live/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Panel } from '../../../shared/ui/index.ts';
import { isZero, nanosOf, sumOf } from '../amount.ts';
import classes from '../billing.module.css';
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

function WalletTable({ wallets, names }: { wallets: readonly Wallet[]; names: (userId: string) => string }) {
  const t = overviewTexts.use();
  const words = pageTexts.use();
  const { addressOf } = usePlace();
  return (
    <div className={classes['scroll']}>
      <table className={classes['table']}>
        <thead>
          <tr>
            <th scope="col">{words('person')}</th>
            <th scope="col" className={classes['number']}>
              {words('available')}
            </th>
            <th scope="col" className={classes['number']}>
              {words('held')}
            </th>
            <th scope="col">
              <span className="visually-hidden">{words('actions')}</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {wallets.map(({ userId, available, held }) => (
            <tr key={userId}>
              <th scope="row">{names(userId)}</th>
              <td className={classes['number']}>
                <Money amount={available} />
              </td>
              <td className={classes['number']}>
                <Money amount={held} />
              </td>
              <td className={classes['number']}>
                <Anchor
                  component={Link}
                  href={addressOf('top-up', { for: userId })}
                  size="sm"
                  aria-label={t('moveTo', { name: names(userId) })}
                >
                  {t('move')}
                </Anchor>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
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
      <WalletTable wallets={shown} names={names} />
    </Panel>
  );
}
