import { useEffect } from 'react';
import { isBusy, type Workspace, type WorkspaceState } from './client.ts';

const ASK_AGAIN_SECONDS = [1, 2, 4, 8, 16, 32];

/** A call that was stopped costs what its provider says when it has ended, too; that finance was told takes a mail. */
function isNewsMissing({ messages, unsent, error }: WorkspaceState): boolean {
  if (unsent !== null) return false;
  if (error?.kind === 'insufficient_balance') {
    const { reason, notifiedAt } = error.billing;
    if (reason === 'BALANCE_EXHAUSTED' && notifiedAt === null) return true;
  }
  return messages.some((message) => message.role === 'assistant' && message.cost === null);
}

/** The thread is read again for what comes after the end of a run, a few times. */
export function useLateNews({ state, load }: Workspace): void {
  const isMissing = !isBusy(state) && isNewsMissing(state);
  useEffect(() => {
    if (!isMissing) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const wait = ([seconds, ...later]: readonly number[]) => {
      if (seconds === undefined) return;
      timer = setTimeout(() => {
        void load();
        wait(later);
      }, seconds * 1000);
    };
    wait(ASK_AGAIN_SECONDS);
    return () => clearTimeout(timer);
  }, [isMissing, load]);
}
