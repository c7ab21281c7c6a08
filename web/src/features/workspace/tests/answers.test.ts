import { expect, it } from 'vitest';
import { turnsOf } from '../answers.ts';
import type { Message } from '../client.ts';
import { readable } from '../tool-step.tsx';

const message = (id: string, role: Message['role'], content: string, cost: string | null = null): Message => ({
  id,
  role,
  content,
  toolCalls: [],
  cost,
  calls: 1,
  runId: 'run',
});

it('takes the steps between two questions for one answer, with the sum of their costs', () => {
  const turns = turnsOf([
    message('q1', 'user', 'Rent?'),
    message('a1', 'assistant', '', '0.000000001'),
    message('a2', 'assistant', 'CHF 2450', '0.1'),
    message('q2', 'user', 'Sure?'),
    message('a3', 'assistant', 'Yes', null),
  ]);
  expect(turns.map(({ kind, id }) => `${kind} ${id}`)).toEqual([
    'question q1',
    'answer a1',
    'question q2',
    'answer a3',
  ]);
  expect(turns[1]).toMatchObject({ text: 'CHF 2450', cost: '0.100000001' });
  expect(turns[3]).toMatchObject({ text: 'Yes', cost: null });
});

it.each([
  ['{"a":[1,2]}', '{\n  "a": [\n    1,\n    2\n  ]\n}'],
  ['"plain"', 'plain'],
  ['not JSON', 'not JSON'],
  ['', ''],
])('a tool’s %s is shown as people read it', (text, shown) => {
  expect(readable(text)).toBe(shown);
});
