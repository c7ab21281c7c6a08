import i18next from 'i18next';
import { initReactI18next, useTranslation } from 'react-i18next';
import { type Language, preferredLanguage, rememberLanguage } from './language.ts';

/** `{{name}}` takes a value; `key_one` and `key_other` are chosen by `count`, by the rules of each language. */
type Texts = Readonly<Record<string, string>>;
type Key<T> = keyof T extends infer K ? (K extends `${infer Base}_${'one' | 'many' | 'other'}` ? Base : K) : never;
export type Values = Readonly<Record<string, string | number>>;
export type Translate<T> = (key: Key<T> & string, values?: Values) => string;

export interface DefinedTexts<T> {
  /** The texts of a component, in the language of the reader. */
  readonly use: () => Translate<T>;
  /** The same outside of components. */
  readonly text: Translate<T>;
}

void i18next.use(initReactI18next).init({
  lng: preferredLanguage(),
  fallbackLng: 'en',
  resources: {},
  // React escapes what it shows.
  interpolation: { escapeValue: false },
  react: { useSuspense: false },
});

/**
 * The texts of a feature, all languages beside each other. English says which keys there are; a language that lacks
 * one does not compile. French and Italian may have `_many` beside `_other`.
 */
export function defineTexts<const T extends Texts>(
  namespace: string,
  texts: { en: T } & Record<Exclude<Language, 'en'>, { readonly [K in keyof T]: string } & Texts>,
): DefinedTexts<T> {
  for (const [language, bundle] of Object.entries(texts)) {
    i18next.addResourceBundle(language, namespace, bundle, true, true);
  }
  return {
    use: () => {
      const { t } = useTranslation(namespace);
      return t as unknown as Translate<T>;
    },
    text: i18next.getFixedT(null, namespace) as unknown as Translate<T>,
  };
}

export function currentLanguage(): Language {
  return i18next.language as Language;
}

export function useLanguage(): Language {
  const { i18n } = useTranslation();
  return i18n.language as Language;
}

/** At once, everywhere on the page; `remember` where the reader chose it. */
export function setLanguage(language: Language, remember: boolean): void {
  if (remember) rememberLanguage(language);
  document.documentElement.lang = language;
  void i18next.changeLanguage(language);
}
