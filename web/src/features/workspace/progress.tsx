import { Loader } from '@mantine/core';
import { useFormat } from '../../shared/i18n/index.ts';
import { callCost } from './amounts.ts';
import type { WorkspaceState } from './client.ts';
import classes from './conversation.module.css';
import { workspaceTexts } from './texts.ts';

const WORDS = { reconnecting: 'reconnecting', stopping: 'stopping' } as const;

/** What a run is about, its step, and what it cost so far. */
export function Progress({ state }: { state: WorkspaceState }) {
  const t = workspaceTexts.use();
  const format = useFormat();
  const { status, steps, runCost, currency } = state;
  const isTrouble = status === 'reconnecting' || status === 'stopping';
  const figures: string[] = [];
  if (steps > 1) figures.push(t('stepNow', { step: steps }));
  if (runCost !== null && currency !== null && Number(runCost) > 0) {
    figures.push(t('costSoFar', { amount: callCost(format, runCost, currency) }));
  }
  return (
    <div className={classes['progress']}>
      <Loader type="dots" size={22} aria-hidden />
      <span role="status">
        {isTrouble ? t(WORDS[status]) : <span className="visually-hidden">{t('working')}</span>}
      </span>
      {!isTrouble && <span className={classes['figures']}>{figures.join(' · ')}</span>}
    </div>
  );
}
