import { describe, expect, it } from 'vitest';
import { parseEvent } from '../src/index.ts';
import { eventsOf, RECORDINGS } from './support/recordings.ts';

describe('parseEvent', () => {
  it.each(RECORDINGS)('%s: knows every event that the server sends', (_, whole) => {
    const sent = new TextDecoder().decode(whole).match(/^data: /gm);
    expect(eventsOf(whole)).toHaveLength(sent?.length ?? 0);
  });

  it('keeps fields that are not known', () => {
    const event = { type: 'TEXT_MESSAGE_START', messageId: 'm', role: 'assistant', metadata: { mood: 'calm' } };
    expect(parseEvent(JSON.stringify(event))).toEqual(event);
  });

  it.each([
    ['no JSON', '{"type":'],
    ['no object', '"RUN_STARTED"'],
    ['nothing', 'null'],
    ['no type', '{"messageId":"m"}'],
    ['an unknown type', '{"type":"STATE_SNAPSHOT","snapshot":{}}'],
    ['a type that every object has', '{"type":"constructor"}'],
    ['a missing field', '{"type":"TEXT_MESSAGE_CONTENT","messageId":"m"}'],
    ['a field of another type', '{"type":"TEXT_MESSAGE_CONTENT","messageId":"m","delta":7}'],
  ])('passes over %s', (_, data) => {
    expect(parseEvent(data)).toBeNull();
  });
});
