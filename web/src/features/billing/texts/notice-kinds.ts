import { defineTexts } from '../../../shared/i18n/index.ts';

export const NOTICE_KINDS = [
  'EXHAUSTED',
  'FUNDED_AGAIN',
  'BALANCE_LOW',
  'RUNNING_OUT',
  'LIMIT_NEAR',
  'LIMIT_REACHED',
  'CREDIT_EXPIRING',
  'TOP_UP_REQUESTED',
  'TEST',
] as const;

const kinds = defineTexts('billing-notice-kinds', {
  en: {
    EXHAUSTED: 'Credit used up',
    FUNDED_AGAIN: 'Credit again',
    BALANCE_LOW: 'Credit low',
    RUNNING_OUT: 'Credit running out',
    LIMIT_NEAR: 'Limit nearly reached',
    LIMIT_REACHED: 'Limit reached',
    CREDIT_EXPIRING: 'Vouchers expiring',
    TOP_UP_REQUESTED: 'Top-up asked for',
    TEST: 'Test',
  },
  de: {
    EXHAUSTED: 'Guthaben aufgebraucht',
    FUNDED_AGAIN: 'Wieder Guthaben',
    BALANCE_LOW: 'Guthaben knapp',
    RUNNING_OUT: 'Guthaben geht zu Ende',
    LIMIT_NEAR: 'Limite beinahe erreicht',
    LIMIT_REACHED: 'Limite erreicht',
    CREDIT_EXPIRING: 'Gutscheine verfallen',
    TOP_UP_REQUESTED: 'Um Aufladung gebeten',
    TEST: 'Test',
  },
  fr: {
    EXHAUSTED: 'Crédit épuisé',
    FUNDED_AGAIN: 'Crédit rechargé',
    BALANCE_LOW: 'Crédit bas',
    RUNNING_OUT: 'Crédit bientôt épuisé',
    LIMIT_NEAR: 'Plafond presque atteint',
    LIMIT_REACHED: 'Plafond atteint',
    CREDIT_EXPIRING: 'Bons bientôt échus',
    TOP_UP_REQUESTED: 'Recharge demandée',
    TEST: 'Essai',
  },
  it: {
    EXHAUSTED: 'Credito esaurito',
    FUNDED_AGAIN: 'Credito ricaricato',
    BALANCE_LOW: 'Credito basso',
    RUNNING_OUT: 'Credito in esaurimento',
    LIMIT_NEAR: 'Limite quasi raggiunto',
    LIMIT_REACHED: 'Limite raggiunto',
    CREDIT_EXPIRING: 'Buoni in scadenza',
    TOP_UP_REQUESTED: 'Ricarica richiesta',
    TEST: 'Prova',
  },
});

/** What a kind of notice is called; a kind that is not known here by its own name. */
export const noticeKindTexts = {
  use: () => {
    const t = kinds.use();
    return (kind: string) => {
      const known = NOTICE_KINDS.find((each) => each === kind);
      return known === undefined ? kind : t(known);
    };
  },
};
