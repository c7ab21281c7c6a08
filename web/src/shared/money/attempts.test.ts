import { expect, test } from 'vitest';
import { createAttempts } from './attempts.ts';

test('the same request keeps its key until it has gone through', () => {
  const attempts = createAttempts();
  const first = attempts.keyFor({ amount: '50' });
  expect(first).toMatch(/^[0-9a-f]{32}$/);
  expect(attempts.keyFor({ amount: '50' })).toBe(first);
  attempts.done();
  expect(attempts.keyFor({ amount: '50' })).not.toBe(first);
});

test('another request is another key: the same one would be a conflict', () => {
  const attempts = createAttempts();
  const first = attempts.keyFor({ amount: '50' });
  const second = attempts.keyFor({ amount: '60' });
  expect(second).not.toBe(first);
});
