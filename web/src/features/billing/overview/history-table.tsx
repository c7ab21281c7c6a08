import type { HistoryAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import classes from '../billing.module.css';
import { Money } from '../money.tsx';
import { kindTexts } from '../texts/kinds.ts';
import { overviewTexts } from '../texts/overview.ts';
import { pageTexts } from '../texts/page.ts';
import { historyRows } from './history-rows.ts';

/** What the chart shows, in figures, the newest first. */
export function HistoryTable({ history }: { history: HistoryAnswer }) {
  const t = overviewTexts.use();
  const words = pageTexts.use();
  const kind = kindTexts.use();
  const format = useFormat(useMandate().timeZone);
  const at = (moment: string) => (history.step === 'hour' ? format.dateTime(moment) : format.date(moment));
  return (
    <div className={classes['scroll']} style={{ maxHeight: '24rem', overflowY: 'auto' }} tabIndex={-1}>
      <table className={classes['table']}>
        <thead>
          <tr>
            <th scope="col">{words('when')}</th>
            <th scope="col">{t('movements')}</th>
            <th scope="col" className={classes['number']}>
              {t('refusals')}
            </th>
            <th scope="col" className={classes['number']}>
              {t('balance')}
            </th>
          </tr>
        </thead>
        <tbody>
          {[...historyRows(history)].reverse().map((row) => (
            <tr key={row.at}>
              <th scope="row">{at(dayBefore(row.at, history.step))}</th>
              <td>
                {row.movements.map((movement) => (
                  <div key={`${movement.at} ${movement.amount}`}>
                    {kind(movement.kind)} <Money amount={movement.amount} signed />
                  </div>
                ))}
              </td>
              <td className={classes['number']}>{row.refusedCalls === 0 ? '' : format.number(row.refusedCalls)}</td>
              <td className={classes['number']}>
                <Money amount={row.balance} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** A point is the end of its step: midnight at the end of a day is that day's. */
export function dayBefore(at: string, step: HistoryAnswer['step']): string {
  return step === 'day' ? new Date(Date.parse(at) - 1).toISOString() : at;
}
