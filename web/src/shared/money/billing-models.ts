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
    PREPAY_MANDATE: 'Prepaid: one pool for all',
    PREPAY_USER: 'Prepaid: a wallet for each person',
    POSTPAY: 'On account, up to a limit',
    UNLIMITED: 'Metered only, never refused',
  },
  de: {
    PREPAY_MANDATE: 'Vorausbezahlt: ein Pool für alle',
    PREPAY_USER: 'Vorausbezahlt: ein Wallet je Person',
    POSTPAY: 'Auf Rechnung, bis zu einer Limite',
    UNLIMITED: 'Nur gezählt, nie abgelehnt',
  },
  fr: {
    PREPAY_MANDATE: 'Prépayé : un pool pour tous',
    PREPAY_USER: 'Prépayé : un portefeuille par personne',
    POSTPAY: 'Sur facture, jusqu’à une limite',
    UNLIMITED: 'Seulement compté, jamais refusé',
  },
  it: {
    PREPAY_MANDATE: 'Prepagato: un fondo per tutti',
    PREPAY_USER: 'Prepagato: un portafoglio per persona',
    POSTPAY: 'Su fattura, fino a un limite',
    UNLIMITED: 'Solo contato, mai rifiutato',
  },
});
