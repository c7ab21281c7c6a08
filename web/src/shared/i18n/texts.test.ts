import i18next from 'i18next';
import { describe, expect, it } from 'vitest';
import { LANGUAGES } from './language.ts';
import { defineTexts, setLanguage } from './texts.ts';

const modules = import.meta.glob('../../**/*texts*.ts', { eager: true });
const PLURAL = /_(?:one|many|other)$/;

type Bundles = Record<string, Record<string, string>>;
const store = i18next.services.resourceStore.data as Record<string, Bundles>;
const namespaces = Object.keys(store['en'] ?? {});

const placeholders = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map(([, name]) => name).sort();

it('finds the texts of every feature', () => {
  expect(Object.keys(modules).length).toBeGreaterThan(1);
  expect(namespaces).toContain('common');
});

describe.each(namespaces)('%s', (namespace) => {
  const english = store['en']?.[namespace] ?? {};

  it.each(LANGUAGES)('is whole in %s, with the same values', (language) => {
    const texts = store[language]?.[namespace] ?? {};
    for (const [key, text] of Object.entries(english)) {
      expect(texts[key], key).toBeTruthy();
      // "one" may leave the figure out.
      if (!key.endsWith('_one')) expect(placeholders(texts[key] ?? ''), key).toEqual(placeholders(text));
    }
    const strange = Object.keys(texts).filter((key) => !(key in english) && !PLURAL.test(key));
    expect(strange).toEqual([]);
  });

  it('is Swiss German', () => {
    expect(Object.values(store['de']?.[namespace] ?? {}).filter((text) => text.includes('ß'))).toEqual([]);
  });
});

it('chooses the plural by the rules of the language, and switches at once', () => {
  const texts = defineTexts('test-of-plurals', {
    en: { calls_one: 'one call', calls_other: '{{count}} calls' },
    de: { calls_one: 'ein Aufruf', calls_other: '{{count}} Aufrufe' },
    fr: { calls_one: '{{count}} appel', calls_many: '{{count}} d’appels', calls_other: '{{count}} appels' },
    it: { calls_one: 'una chiamata', calls_other: '{{count}} chiamate' },
  });
  setLanguage('fr', false);
  expect(texts.text('calls', { count: 0 })).toBe('0 appel');
  setLanguage('de', false);
  expect(texts.text('calls', { count: 1 })).toBe('ein Aufruf');
  expect(texts.text('calls', { count: 0 })).toBe('0 Aufrufe');
  expect(document.documentElement.lang).toBe('de');
});
