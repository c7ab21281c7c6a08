import { useFormat } from '../../../shared/i18n/index.ts';
import { payingAccount, useBalance } from '../../../shared/live/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { Answered, Nothing, Panel } from '../../../shared/ui/index.ts';
import classes from '../billing.module.css';
import { Money } from '../money.tsx';
import { nameOf, useHolds, usePeople } from '../queries.ts';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';

/** What calls in flight have set aside. */
export function OpenHolds() {
  const t = overviewTexts.use();
  const words = pageTexts.use();
  const mandate = useMandate();
  const format = useFormat(mandate.timeZone);
  const people = usePeople();
  const query = useHolds(payingAccount(useBalance(), mandate, 'pool') !== null);
  return (
    <Panel title={t('openHolds')}>
      <Answered query={query}>
        {({ holds }) =>
          holds.length === 0 ? (
            <Nothing>{t('noHolds')}</Nothing>
          ) : (
            <div className={classes['scroll']}>
              <table className={classes['table']}>
                <thead>
                  <tr>
                    <th scope="col">{t('since')}</th>
                    <th scope="col">{words('person')}</th>
                    <th scope="col">{words('model')}</th>
                    <th scope="col">{t('frees')}</th>
                    <th scope="col" className={classes['number']}>
                      {words('amount')}
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {holds.map((hold) => (
                    <tr key={hold.id}>
                      <td>{format.time(hold.createdAt)}</td>
                      <td>{hold.userId ? nameOf(people, hold.userId) : '–'}</td>
                      <td>{hold.model ?? '–'}</td>
                      <td>{format.time(hold.expiresAt)}</td>
                      <td className={classes['number']}>
                        <Money amount={hold.amount} />
                      </td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          )
        }
      </Answered>
    </Panel>
  );
}
