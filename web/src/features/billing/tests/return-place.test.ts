import { expect, test } from 'vitest';
import { conversationOf } from '../return-place.ts';

test.each(['/workspace', '/workspace/0198', '/workspace?thread=1'])('%s is a conversation', (place) =>
  expect(conversationOf(place)).toBe(place),
);

test.each([null, '', '/billing', '/workspaces', '//evil.example/workspace', 'https://evil.example/workspace'])(
  '%j is not followed',
  (place) => expect(conversationOf(place)).toBeNull(),
);
