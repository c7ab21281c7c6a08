import { defineTexts } from '../../../shared/i18n/index.ts';

const kinds = defineTexts('billing-kinds', {
  en: {
    CHARGE: 'Call',
    OVERRUN: 'Overrun, borne by the operator',
    LATE_ADJUSTMENT: 'Late adjustment',
    TOP_UP: 'Top-up',
    CORRECTION: 'Correction',
    REFUND: 'Refund',
    WALLET_TRANSFER: 'Transfer',
  },
  de: {
    CHARGE: 'Aufruf',
    OVERRUN: 'Überschreitung, vom Betreiber getragen',
    LATE_ADJUSTMENT: 'Spätere Anpassung',
    TOP_UP: 'Aufladung',
    CORRECTION: 'Korrektur',
    REFUND: 'Rückzahlung',
    WALLET_TRANSFER: 'Übertragung',
  },
  fr: {
    CHARGE: 'Appel',
    OVERRUN: 'Dépassement, à la charge de l’exploitant',
    LATE_ADJUSTMENT: 'Ajustement ultérieur',
    TOP_UP: 'Recharge',
    CORRECTION: 'Correction',
    REFUND: 'Remboursement',
    WALLET_TRANSFER: 'Transfert',
  },
  it: {
    CHARGE: 'Chiamata',
    OVERRUN: 'Superamento, a carico del gestore',
    LATE_ADJUSTMENT: 'Rettifica successiva',
    TOP_UP: 'Ricarica',
    CORRECTION: 'Correzione',
    REFUND: 'Rimborso',
    WALLET_TRANSFER: 'Trasferimento',
  },
});

export const TRANSFER_KINDS = [
  'CHARGE',
  'TOP_UP',
  'WALLET_TRANSFER',
  'CORRECTION',
  'REFUND',
  'LATE_ADJUSTMENT',
  'OVERRUN',
] as const;
export type TransferKind = (typeof TRANSFER_KINDS)[number];

export function isTransferKind(kind: string | null): kind is TransferKind {
  return TRANSFER_KINDS.some((each) => each === kind);
}

/** What a kind of transfer is called; a kind that is not known here by its own name. */
export const kindTexts = {
  use: () => {
    const t = kinds.use();
    return (kind: string) => (isTransferKind(kind) ? t(kind) : kind);
  },
};
