import { defineTexts } from '../../shared/i18n/index.ts';

export const bellTexts = defineTexts('bell', {
  en: {
    notices: 'Notices',
    unread_one: '{{count}} unread notice',
    unread_other: '{{count}} unread notices',
    isUnread: 'unread',
    readAll: 'Mark all as read',
    read: 'Mark as read',
    nothing: 'Nothing has been reported to you.',
    toBilling: 'To billing',
  },
  de: {
    notices: 'Meldungen',
    unread_one: '{{count}} ungelesene Meldung',
    unread_other: '{{count}} ungelesene Meldungen',
    isUnread: 'ungelesen',
    readAll: 'Alle als gelesen markieren',
    read: 'Als gelesen markieren',
    nothing: 'Es wurde Ihnen noch nichts gemeldet.',
    toBilling: 'Zum Guthaben',
  },
  fr: {
    notices: 'Avis',
    unread_one: '{{count}} avis non lu',
    unread_other: '{{count}} avis non lus',
    isUnread: 'non lu',
    readAll: 'Tout marquer comme lu',
    read: 'Marquer comme lu',
    nothing: 'Aucun avis ne vous a été adressé.',
    toBilling: 'Vers la facturation',
  },
  it: {
    notices: 'Avvisi',
    unread_one: '{{count}} avviso non letto',
    unread_other: '{{count}} avvisi non letti',
    isUnread: 'non letto',
    readAll: 'Segna tutto come letto',
    read: 'Segna come letto',
    nothing: 'Non le è stato segnalato nulla.',
    toBilling: 'Alla fatturazione',
  },
});
