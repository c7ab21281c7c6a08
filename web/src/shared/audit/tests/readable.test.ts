import { describe, expect, it } from 'vitest';
import { setLanguage } from '../../i18n/index.ts';
import { ACTIONS, actionText, actorText, differences, fieldText, valueText } from '../readable.ts';
import { auditTexts } from '../texts.ts';

const t = auditTexts.text;
const nobody = () => undefined;

describe('what was done', () => {
  it.each([
    ['en', 'key.revoked', 'Key: revoked'],
    ['de', 'key.rotated', 'Schlüssel: ersetzt'],
    ['en', 'money.top_up', 'Top-up'],
    ['en', 'something.new', 'something.new'],
  ] as const)('in %s: %s is “%s”', (language, action, expected) => {
    setLanguage(language, false);
    expect(actionText(t, action)).toBe(expected);
    setLanguage('en', false);
  });

  it.each(['en', 'de', 'fr', 'it'] as const)('has words for every kind that the filter offers, in %s', (language) => {
    setLanguage(language, false);
    const known = [...ACTIONS.ofMandate, ...ACTIONS.ofInstallation];
    expect(known.filter((action) => actionText(t, action) === action)).toEqual([]);
    setLanguage('en', false);
  });
});

describe('who did it', () => {
  it.each([
    ['user:22222222-2222-4222-8222-222222222222', 'Person 22222222'],
    ['key:33333333-3333-4333-8333-333333333333', 'Key 33333333'],
    ['identity:44444444-4444-4444-8444-444444444444', 'Operator 44444444'],
    ['root', 'Root key'],
    ['system', 'Bursar itself'],
    ['demo', 'demo'],
  ])('%s is “%s”', (actor, expected) => {
    expect(actorText(t, actor, nobody)).toBe(expected);
  });

  it('is named where the name is known', () => {
    expect(actorText(t, 'user:a', (id) => (id === 'a' ? 'Anna' : undefined))).toBe('Anna');
  });
});

describe('before and after', () => {
  it('lists what changed, without what the entry is about and accounts nobody knows', () => {
    const entry = {
      object: 'k1',
      before: { name: 'Laptop', expiresAt: null },
      after: { keyId: 'k1', name: 'Office', expiresAt: null, debitAccountId: 'a1' },
    };
    expect(differences(entry)).toEqual([{ field: 'name', before: 'Laptop', after: 'Office' }]);
  });

  it.each([
    [null, 'nothing'],
    [[], 'nothing'],
    [['gpt-*', 'o3'], 'gpt-*, o3'],
    [true, 'yes'],
    ['0.050000000', '0.05'],
    ['-12.345000000', '-12.345'],
    ['member', 'Member'],
    ['2026-11-28T08:00:00Z', 'at 2026-11-28T08:00:00Z'],
    ['(not kept)', '(not kept)'],
    [{ a: 1 }, '{"a":1}'],
  ])('%j is “%s”', (value, expected) => {
    expect(valueText(t, value, (at) => `at ${at}`)).toBe(expected);
  });

  it('calls a field that it does not know as the API does', () => {
    expect(fieldText(t, 'role')).toBe('role');
    expect(fieldText(t, 'somethingNew')).toBe('somethingNew');
  });
});
