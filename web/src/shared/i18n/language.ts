export const LANGUAGES = ['de', 'en', 'fr', 'it'] as const;
export type Language = (typeof LANGUAGES)[number];

/** Each in its own words: whoever cannot read the page must find theirs. */
export const LANGUAGE_NAMES: Record<Language, string> = {
  de: 'Deutsch',
  en: 'English',
  fr: 'Français',
  it: 'Italiano',
};

const STORED = 'bursar.language';

export function isLanguage(value: unknown): value is Language {
  return LANGUAGES.includes(value as Language);
}

/** What was chosen on this device, else the first language of the browser that there is, else English. */
export function preferredLanguage(): Language {
  const stored = localStorage.getItem(STORED);
  if (isLanguage(stored)) return stored;
  return navigator.languages.map((each) => each.slice(0, 2).toLowerCase()).find(isLanguage) ?? 'en';
}

export function wasLanguageChosen(): boolean {
  return isLanguage(localStorage.getItem(STORED));
}

export function rememberLanguage(language: Language): void {
  localStorage.setItem(STORED, language);
}

/** The locale for figures and dates: the browser's own region for the language, else Switzerland's. */
export function localeOf(language: Language): string {
  return navigator.languages.find((each) => each.toLowerCase().startsWith(`${language}-`)) ?? `${language}-CH`;
}
