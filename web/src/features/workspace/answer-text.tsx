import { lazy, Suspense, useDeferredValue } from 'react';
import classes from './markdown.module.css';

const SafeMarkdown = lazy(() => import('./markdown.tsx'));

/** An answer's text, set as Markdown once that is loaded. While it streams, what is newest may wait for the page. */
export function AnswerText({ text }: { text: string }) {
  const settled = useDeferredValue(text);
  return (
    <Suspense fallback={<div className={classes['plain']}>{text}</div>}>
      <SafeMarkdown text={settled} />
    </Suspense>
  );
}
