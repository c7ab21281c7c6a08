"""What the pages of sign-in say, in four languages. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LANGUAGES: Final = ("en", "de", "fr", "it")

TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "sign_in": "Sign in to Bursar",
        "link": "This link signs you in, once.",
        "invitation": "You are invited to {mandate}, as {role}.",
        "operator": "Whoever signs in by this link becomes an operator of this installation.",
        "use": "Sign in",
        "accept": "Accept and sign in",
        "with": "Continue with {provider}",
        "trouble": "That did not work",
        "link_over": "This link has been used, has expired or was withdrawn. Ask for a new one.",
        "already_member": "You belong to this mandate already. Sign in without the invitation.",
        "start_again": "This sign-in took too long, or was begun in another browser. Begin again.",
        "not_signed_in": "The provider did not sign you in. Begin again.",
        "not_proven": "What the provider answered does not prove who you are. Begin again.",
        "provider_away": "The provider does not answer at the moment. Try again in a minute.",
        "not_a_member": "You are signed in there, but belong to no mandate here. Ask for an invitation.",
        "no_provider": "There is no such way of signing in.",
        "elsewhere": "This came from another site. Open the link itself.",
        "too_many_attempts": "That was tried too often. Wait a few minutes.",
        "back": "To the start",
        "owner": "owner",
        "finance": "finance",
        "member": "member",
    },
    "de": {
        "sign_in": "Bei Bursar anmelden",
        "link": "Dieser Link meldet Sie einmal an.",
        "invitation": "Sie sind zu {mandate} eingeladen, als {role}.",
        "operator": "Wer sich über diesen Link anmeldet, wird Betreiber dieser Installation.",
        "use": "Anmelden",
        "accept": "Annehmen und anmelden",
        "with": "Weiter mit {provider}",
        "trouble": "Das hat nicht geklappt",
        "link_over": "Dieser Link wurde benutzt, ist abgelaufen oder wurde zurückgezogen. Bitten Sie um einen neuen.",
        "already_member": "Sie gehören bereits zu diesem Mandat. Melden Sie sich ohne die Einladung an.",
        "start_again": "Die Anmeldung dauerte zu lange oder begann in einem anderen Browser. Beginnen Sie von vorn.",
        "not_signed_in": "Der Anbieter hat Sie nicht angemeldet. Beginnen Sie von vorn.",
        "not_proven": "Die Antwort des Anbieters beweist nicht, wer Sie sind. Beginnen Sie von vorn.",
        "provider_away": "Der Anbieter antwortet im Moment nicht. Versuchen Sie es in einer Minute nochmals.",
        "not_a_member": "Sie sind dort angemeldet, gehören hier aber zu keinem Mandat. Bitten Sie um eine Einladung.",
        "no_provider": "Diese Art der Anmeldung gibt es nicht.",
        "elsewhere": "Das kam von einer anderen Website. Öffnen Sie den Link selbst.",
        "too_many_attempts": "Das wurde zu oft versucht. Warten Sie ein paar Minuten.",
        "back": "Zum Anfang",
        "owner": "Inhaber",
        "finance": "Finanzen",
        "member": "Mitglied",
    },
    "fr": {
        "sign_in": "Se connecter à Bursar",
        "link": "Ce lien vous connecte une seule fois.",
        "invitation": "Vous êtes invité à rejoindre {mandate}, rôle : {role}.",
        "operator": "Quiconque se connecte par ce lien devient opérateur de cette installation.",
        "use": "Se connecter",
        "accept": "Accepter et se connecter",
        "with": "Continuer avec {provider}",
        "trouble": "Cela n’a pas fonctionné",
        "link_over": "Ce lien a été utilisé, a expiré ou a été retiré. Demandez-en un nouveau.",
        "already_member": "Vous appartenez déjà à ce mandat. Connectez-vous sans l’invitation.",
        "start_again": "La connexion a duré trop longtemps ou a commencé dans un autre navigateur. Recommencez.",
        "not_signed_in": "Le fournisseur ne vous a pas connecté. Recommencez.",
        "not_proven": "La réponse du fournisseur ne prouve pas qui vous êtes. Recommencez.",
        "provider_away": "Le fournisseur ne répond pas pour le moment. Réessayez dans une minute.",
        "not_a_member": "Vous y êtes connecté, mais n’appartenez à aucun mandat ici. Demandez une invitation.",
        "no_provider": "Ce mode de connexion n’existe pas.",
        "elsewhere": "Cela vient d’un autre site. Ouvrez le lien lui-même.",
        "too_many_attempts": "Trop de tentatives. Attendez quelques minutes.",
        "back": "Retour au début",
        "owner": "propriétaire",
        "finance": "finances",
        "member": "membre",
    },
    "it": {
        "sign_in": "Accedere a Bursar",
        "link": "Questo link consente un solo accesso.",
        "invitation": "È invitato in {mandate}, ruolo: {role}.",
        "operator": "Chi accede con questo link diventa operatore di questa installazione.",
        "use": "Accedere",
        "accept": "Accettare e accedere",
        "with": "Continuare con {provider}",
        "trouble": "Non ha funzionato",
        "link_over": "Questo link è stato usato, è scaduto o è stato ritirato. Ne chieda uno nuovo.",
        "already_member": "Fa già parte di questo mandato. Acceda senza l’invito.",
        "start_again": "L’accesso è durato troppo a lungo o è iniziato in un altro browser. Ricominci.",
        "not_signed_in": "Il fornitore non ha consentito l’accesso. Ricominci.",
        "not_proven": "La risposta del fornitore non prova chi è Lei. Ricominci.",
        "provider_away": "Il fornitore al momento non risponde. Riprovi tra un minuto.",
        "not_a_member": "Ha effettuato l’accesso, ma qui non fa parte di alcun mandato. Chieda un invito.",
        "no_provider": "Questo modo di accedere non esiste.",
        "elsewhere": "Questo proviene da un altro sito. Apra il link stesso.",
        "too_many_attempts": "Troppi tentativi. Attenda qualche minuto.",
        "back": "Torna all’inizio",
        "owner": "titolare",
        "finance": "finanze",
        "member": "membro",
    },
}


def language_of(accept_language: str | None) -> str:
    """The first language of the header that there are texts in; English else."""
    for part in (accept_language or "").split(","):
        tag = part.split(";")[0].strip().lower()[:2]
        if tag in LANGUAGES:
            return tag
    return "en"
