import type { ReactNode } from 'react';
import classes from './notice.module.css';

interface NoticeProps {
  readonly icon: ReactNode;
  readonly title: string;
  readonly tone: 'quiet' | 'money' | 'good';
  readonly children: ReactNode;
}

/** A card in the conversation about the conversation itself; read out when it appears. */
export function Notice({ icon, title, tone, children }: NoticeProps) {
  return (
    <section className={classes['notice']} data-tone={tone} role="status" aria-label={title}>
      <span className={classes['icon']}>{icon}</span>
      <div className={classes['words']}>
        <h3>{title}</h3>
        {children}
      </div>
    </section>
  );
}
