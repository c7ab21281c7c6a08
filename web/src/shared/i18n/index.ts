export { createFormat, type Format, plainAmount, useFormat } from './format.ts';
export { isLanguage, LANGUAGE_NAMES, LANGUAGES, type Language, localeOf, wasLanguageChosen } from './language.ts';
export { currentLanguage, defineTexts, setLanguage, type Translate, useLanguage } from './texts.ts';
