import { useEffect, useRef, useState } from 'react';
import type { Message, Status } from './client.ts';
import { workspaceTexts } from './texts.ts';

const MOST_CHARACTERS = 600;

/** Enough to know what was answered; the rest is read where it stands. */
function beginningOf(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)} …`;
}

/** Tells screen readers that an answer is being written, and the answer when it is whole: not every word. */
export function Announcer({ status, messages }: { status: Status; messages: readonly Message[] }) {
  const t = workspaceTexts.use();
  const [text, setText] = useState('');
  const before = useRef<Status>(status);
  const latest = useRef(messages);
  useEffect(() => {
    latest.current = messages;
  });
  useEffect(() => {
    const was = before.current;
    before.current = status;
    if (status === 'sending') setText(t('answering'));
    const isOver = status === 'idle' && was !== 'idle';
    if (!isOver) return;
    const answer = latest.current.at(-1);
    setText(answer?.role === 'assistant' ? t('answerCame', { text: beginningOf(answer.content) }) : '');
  }, [status, t]);
  return (
    <div className="visually-hidden" aria-live="polite">
      {text}
    </div>
  );
}
