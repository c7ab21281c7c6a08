import { useId, useMemo } from 'react';
import { Area, CartesianGrid, ComposedChart, ResponsiveContainer, Scatter, Tooltip, XAxis, YAxis } from 'recharts';
import type { HistoryAnswer } from '../../../shared/api/index.ts';
import { useFormat } from '../../../shared/i18n/index.ts';
import { useMandate } from '../../../shared/session/index.ts';
import { kindTexts } from '../texts/kinds.ts';
import { overviewTexts } from '../texts/overview.ts';
import classes from './chart.module.css';
import { type HistoryRow, historyRows, momentWithin } from './history-rows.ts';

/** A height on the screen needs no more digits than a double has; what is read is formatted from the exact amount. */
interface Drawn extends HistoryRow {
  readonly height: number;
  readonly toppedUp: number | null;
  readonly refused: number | null;
}

function drawn(row: HistoryRow): Drawn {
  const height = Number(row.balance);
  return {
    ...row,
    height,
    toppedUp: row.movements.some(({ amount }) => Number(amount) > 0) ? height : null,
    refused: row.refusedCalls > 0 ? height : null,
  };
}

function Said({ row, history }: { row: Drawn; history: HistoryAnswer }) {
  const t = overviewTexts.use();
  const kind = kindTexts.use();
  const format = useFormat(useMandate().timeZone);
  const at = momentWithin(row.at, history.step);
  return (
    <div className={classes['said']}>
      <div className={classes['when']}>{history.step === 'hour' ? format.dateTime(at) : format.date(at)}</div>
      <strong className="figures">{format.exactMoney(row.balance, history.currency)}</strong>
      {row.movements.map((movement) => (
        <div key={`${movement.at} ${movement.amount}`} className="figures">
          {kind(movement.kind)}: {format.exactMoney(movement.amount, history.currency)}
        </div>
      ))}
      {row.refusedCalls > 0 && (
        <div className={classes['refused']}>{t('refusedCalls', { count: row.refusedCalls })}</div>
      )}
    </div>
  );
}

function Legend() {
  const t = overviewTexts.use();
  return (
    <div className={classes['legend']} aria-hidden>
      <span data-mark="balance">{t('balance')}</span>
      <span data-mark="in">{t('moneyIn')}</span>
      <span data-mark="refused">{t('refusals')}</span>
    </div>
  );
}

const AXIS = { fill: 'var(--bursar-quiet)', fontSize: 12 } as const;

/** The balance at the end of each hour or day, with money that came in and calls that were refused. */
export default function HistoryChart({ history }: { history: HistoryAnswer }) {
  const { timeZone } = useMandate();
  const format = useFormat(timeZone);
  const fill = useId();
  const rows = useMemo(() => historyRows(history).map(drawn), [history]);
  const axisDate = useMemo(
    () => new Intl.DateTimeFormat(format.locale, { day: 'numeric', month: 'short', timeZone }),
    [format.locale, timeZone],
  );
  const inCurrency = useMemo(() => new Intl.NumberFormat(format.locale, { notation: 'compact' }), [format.locale]);
  return (
    <div className={classes['chart']} aria-hidden>
      <ResponsiveContainer width="100%" height={260}>
        <ComposedChart data={rows} margin={{ top: 12, right: 12, bottom: 0, left: 0 }} accessibilityLayer={false}>
          <defs>
            <linearGradient id={fill} x1="0" y1="0" x2="0" y2="1">
              <stop offset="0%" stopColor="var(--mantine-primary-color-filled)" stopOpacity={0.22} />
              <stop offset="100%" stopColor="var(--mantine-primary-color-filled)" stopOpacity={0.03} />
            </linearGradient>
          </defs>
          <CartesianGrid vertical={false} stroke="var(--bursar-line)" />
          <XAxis
            dataKey="at"
            tick={AXIS}
            tickLine={false}
            axisLine={{ stroke: 'var(--bursar-line)' }}
            minTickGap={36}
            tickFormatter={(at: string) => axisDate.format(new Date(momentWithin(at, history.step)))}
          />
          <YAxis
            width={56}
            tick={AXIS}
            tickLine={false}
            axisLine={false}
            tickFormatter={(value: number) => inCurrency.format(value)}
          />
          <Tooltip
            isAnimationActive={false}
            cursor={{ stroke: 'var(--bursar-quiet)', strokeDasharray: '3 3' }}
            content={({ active, payload }) => {
              const row: Drawn | undefined = payload?.[0]?.payload;
              return active && row ? <Said row={row} history={history} /> : null;
            }}
          />
          <Area
            type="linear"
            dataKey="height"
            stroke="var(--mantine-primary-color-filled)"
            strokeWidth={2}
            fill={`url(#${fill})`}
            isAnimationActive={false}
          />
          <Scatter dataKey="toppedUp" className={classes['in'] ?? ''} shape="triangle" isAnimationActive={false} />
          <Scatter dataKey="refused" className={classes['out'] ?? ''} shape="cross" isAnimationActive={false} />
        </ComposedChart>
      </ResponsiveContainer>
      <Legend />
    </div>
  );
}
