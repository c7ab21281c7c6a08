import { defineTexts } from '../../shared/i18n/index.ts';

export const signInTexts = defineTexts('sign-in', {
  en: {
    title: 'Sign in to Bursar',
    with: 'Sign in with {{provider}}',
    email: 'E-mail address',
    sendLink: 'Send me a link',
    linkSent: 'If we know {{email}}, a link is on its way there. It works once, for fifteen minutes.',
    byLink: 'With the link that you were sent or that the server printed, you are in directly.',
    onlySignIn: 'The sign-in is used for signing in, and for nothing else.',
  },
  de: {
    title: 'Bei Bursar anmelden',
    with: 'Mit {{provider}} anmelden',
    email: 'E-Mail-Adresse',
    sendLink: 'Link zusenden',
    linkSent: 'Falls wir {{email}} kennen, ist ein Link dorthin unterwegs. Er gilt einmal, fünfzehn Minuten lang.',
    byLink: 'Mit dem Link, den Sie erhalten haben oder den der Server ausgab, sind Sie direkt angemeldet.',
    onlySignIn: 'Die Anmeldung dient nur der Anmeldung, nichts anderem.',
  },
  fr: {
    title: 'Se connecter à Bursar',
    with: 'Se connecter avec {{provider}}',
    email: 'Adresse e-mail',
    sendLink: 'M’envoyer un lien',
    linkSent: 'Si nous connaissons {{email}}, un lien y est envoyé. Il fonctionne une fois, pendant quinze minutes.',
    byLink: 'Avec le lien reçu ou affiché par le serveur, vous êtes connecté directement.',
    onlySignIn: 'La connexion sert à vous identifier, et à rien d’autre.',
  },
  it: {
    title: 'Accedere a Bursar',
    with: 'Accedi con {{provider}}',
    email: 'Indirizzo e-mail',
    sendLink: 'Inviami un link',
    linkSent: 'Se conosciamo {{email}}, un link è in arrivo. Funziona una volta, per quindici minuti.',
    byLink: 'Con il link ricevuto o mostrato dal server si accede direttamente.',
    onlySignIn: 'L’accesso serve solo ad accedere, a nient’altro.',
  },
});
