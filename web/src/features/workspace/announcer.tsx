import { useEffect, useRef, useState } from 'react';
import type { Message, Status, WorkspaceError } from './client.ts';
import { workspaceTexts } from './texts.ts';

const MOST_CHARACTERS = 600;

/** Enough to know what was answered; the rest is read where it stands. */
function beginningOf(text: string): string {
  return text.length <= MOST_CHARACTERS ? text : `${text.slice(0, MOST_CHARACTERS)} …`;
}

interface AnnouncerProps {
  readonly status: Status;
  readonly messages: readonly Message[];
  readonly error: WorkspaceError | null;
}

/** Tells screen readers that an answer is being written, the answer when it is whole, and why there is none. */
export function Announcer({ status, messages, error }: AnnouncerProps) {
  const t = workspaceTexts.use();
  const [text, setText] = useState('');
  const before = useRef<Status>(status);
  const latest = useRef({ messages, error });
  useEffect(() => {
    latest.current = { messages, error };
  });
  useEffect(() => {
    const was = before.current;
    before.current = status;
    if (status === 'sending') setText(t('answering'));
    if (status === 'failed') setText(latest.current.error?.message || t('stopped'));
    const isOver = status === 'idle' && was !== 'idle';
    if (!isOver) return;
    const answer = latest.current.messages.at(-1);
    setText(answer?.role === 'assistant' ? t('answerCame', { text: beginningOf(answer.content) }) : '');
  }, [status, t]);
  return (
    <div className="visually-hidden" aria-live="polite">
      {text}
    </div>
  );
}
