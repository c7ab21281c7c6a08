import type { MandateAnswer } from '../api/index.ts';
import { defineTexts } from '../i18n/index.ts';

export type BillingModel = MandateAnswer['billingModel'];
export const BILLING_MODELS = [
  'PREPAY_MANDATE',
  'PREPAY_USER',
  'POSTPAY',
  'UNLIMITED',
] as const satisfies BillingModel[];

/** Who pays, and how, in a few words. */
export const billingModelTexts = defineTexts('billing-models', {
  en: {
    PREPAY_MANDATE: 'Prepaid: one credit shared by all',
    PREPAY_USER: 'Prepaid: a credit for each person',
    POSTPAY: 'On account, up to a limit',
    UNLIMITED: 'Metered only, never refused',
  },
  de: {
    PREPAY_MANDATE: 'Vorausbezahlt: ein gemeinsames Guthaben',
    PREPAY_USER: 'Vorausbezahlt: ein Guthaben je Person',
    POSTPAY: 'Auf Rechnung, bis zu einer Limite',
    UNLIMITED: 'Nur gezählt, nie abgelehnt',
  },
  fr: {
    PREPAY_MANDATE: 'Prépayé : un crédit commun',
    PREPAY_USER: 'Prépayé : un crédit par personne',
    POSTPAY: 'Sur facture, jusqu’à une limite',
    UNLIMITED: 'Seulement compté, jamais refusé',
  },
  it: {
    PREPAY_MANDATE: 'Prepagato: un credito comune',
    PREPAY_USER: 'Prepagato: un credito per persona',
    POSTPAY: 'Su fattura, fino a un limite',
    UNLIMITED: 'Solo contato, mai rifiutato',
  },
});
