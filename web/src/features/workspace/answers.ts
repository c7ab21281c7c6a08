import { addAmounts, type Message, type ToolCall } from 'bursar-workspace-client';

/** What one question led to: the steps of a run, which read as one answer. */
export interface Answer {
  readonly kind: 'answer';
  readonly id: string;
  readonly parts: readonly Message[];
  readonly calls: readonly ToolCall[];
  /** The text of all parts. */
  readonly text: string;
  /** `null` while that of a part is not known. */
  readonly cost: string | null;
}

export interface Question {
  readonly kind: 'question';
  readonly id: string;
  readonly text: string;
}

export type Turn = Question | Answer;

function answerOf(parts: readonly [Message, ...Message[]]): Answer {
  return {
    kind: 'answer',
    id: parts[0].id,
    parts,
    calls: parts.flatMap((part) => part.toolCalls),
    text: parts
      .map((part) => part.content)
      .filter(Boolean)
      .join('\n\n'),
    cost: parts.reduce<string | null>(
      (sum, part) => (sum === null || part.cost === null ? null : addAmounts(sum, part.cost)),
      '0',
    ),
  };
}

/** Questions and answers in their order; the assistant's messages between two questions belong together. */
export function turnsOf(messages: readonly Message[]): Turn[] {
  const turns: Turn[] = [];
  let parts: Message[] = [];
  const close = () => {
    const [first, ...rest] = parts;
    if (first !== undefined) turns.push(answerOf([first, ...rest]));
    parts = [];
  };
  for (const message of messages) {
    if (message.role === 'assistant') parts.push(message);
    else {
      close();
      turns.push({ kind: 'question', id: message.id, text: message.content });
    }
  }
  close();
  return turns;
}
