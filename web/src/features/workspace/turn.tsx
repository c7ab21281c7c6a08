import { memo } from 'react';
import { useFormat } from '../../shared/i18n/index.ts';
import { callCost } from './amounts.ts';
import { AnswerText } from './answer-text.tsx';
import type { Answer, Question } from './answers.ts';
import { CopyIcon } from './code-block.tsx';
import { workspaceTexts } from './texts.ts';
import { ToolStep } from './tool-step.tsx';
import classes from './turn.module.css';

export const QuestionTurn = memo(QuestionArticle, (one, other) => one.question.text === other.question.text);

function QuestionArticle({ question }: { question: Question }) {
  const t = workspaceTexts.use();
  return (
    <article className={classes['question']} aria-label={t('you')}>
      <div className={classes['bubble']}>{question.text}</div>
    </article>
  );
}

interface AnswerTurnProps {
  readonly answer: Answer;
  readonly currency: string | null;
  /** It is being written. */
  readonly isRunning: boolean;
}

/** Messages that have not changed are the same objects: while one answer streams, those before it stay as they are. */
function isSameAnswer(one: AnswerTurnProps, other: AnswerTurnProps): boolean {
  if (one.isRunning !== other.isRunning || one.currency !== other.currency) return false;
  const [parts, others] = [one.answer.parts, other.answer.parts];
  return parts.length === others.length && parts.every((part, index) => part === others[index]);
}

export const AnswerTurn = memo(AnswerArticle, isSameAnswer);

/** Steps and text in the order in which they came, and what it cost. */
function AnswerArticle({ answer, currency, isRunning }: AnswerTurnProps) {
  const t = workspaceTexts.use();
  return (
    <article className={classes['answer']} aria-label={t('assistant')} aria-busy={isRunning}>
      {answer.parts.map((part) => (
        <div key={part.id} className={classes['part']}>
          {part.content !== '' && <AnswerText text={part.content} />}
          {part.toolCalls.map((call) => (
            <ToolStep key={call.id} call={call} isRunning={isRunning} />
          ))}
        </div>
      ))}
      {!isRunning && <AnswerFoot answer={answer} currency={currency} />}
    </article>
  );
}

/** The cost of an answer, its steps where there were several, and a way to take it along. */
function AnswerFoot({ answer, currency }: { answer: Answer; currency: string | null }) {
  const t = workspaceTexts.use();
  const format = useFormat();
  const cost = answer.cost === null || currency === null ? null : callCost(format, answer.cost, currency);
  const exact = answer.cost === null || currency === null ? undefined : format.exactMoney(answer.cost, currency);
  const steps = answer.parts.length > 1 ? ` · ${t('steps', { count: answer.parts.length })}` : '';
  return (
    <footer className={classes['foot']}>
      <span title={exact}>
        {cost === null ? t('costUnknown') : t('cost', { amount: cost })}
        {steps}
      </span>
      {answer.text !== '' && <CopyIcon label={t('copyAnswer')} text={() => answer.text} />}
    </footer>
  );
}
