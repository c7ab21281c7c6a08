import { UnstyledButton } from '@mantine/core';
import { IconArrowUpRight } from '@tabler/icons-react';
import classes from './suggestions.module.css';
import { workspaceTexts } from './texts.ts';
import type { Kind } from './threads.ts';

const BY_KIND = {
  agent: ['demoDocument', 'demoCompute', 'demoBudget'],
  chat: ['demoIntroduce'],
} as const satisfies Record<Kind, readonly string[]>;

/** Something to begin with. */
export function Suggestions({ kind, onChoose }: { kind: Kind; onChoose: (text: string) => void }) {
  const t = workspaceTexts.use();
  return (
    <div className={classes['suggestions']}>
      <p>{t(kind === 'agent' ? 'agentHint' : 'chatHint')}</p>
      <ul aria-label={t('suggestions')}>
        {BY_KIND[kind].map((key) => (
          <li key={key}>
            <UnstyledButton className={classes['suggestion']} onClick={() => onChoose(t(key))}>
              <span>{t(key)}</span>
              <IconArrowUpRight size={16} aria-hidden />
            </UnstyledButton>
          </li>
        ))}
      </ul>
    </div>
  );
}
