"""What mails to one person say, in four languages: an invitation, a link to sign in. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bursar.billing.models import Language

ROLES: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {"owner": "owner", "finance": "finance", "member": "member"},
    "de": {"owner": "Inhaber", "finance": "Finanzen", "member": "Mitglied"},
    "fr": {"owner": "propriétaire", "finance": "finances", "member": "membre"},
    "it": {"owner": "titolare", "finance": "finanze", "member": "membro"},
}

PERSONAL: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "greeting": "Hello,",
        "colon": ":",
        "invitation.subject": "Bursar: invitation to {mandate}",
        "invitation.title": "Invitation to {mandate}",
        "invitation.lead": "you are invited to {mandate}, as {role}.",
        "invitation.action": "Accept by signing in. The link works once, within seven days.",
        "invitation.button": "Accept the invitation",
        "invitation.footer": "If you do not know what this is about, do nothing: nobody gets in without this link.",
        "link.subject": "Bursar: your link to sign in",
        "link.title": "Sign in to Bursar",
        "link.lead": "somebody, probably you, asked for a link to sign in to Bursar.",
        "link.action": "The link works once, within fifteen minutes.",
        "link.button": "Sign in",
        "link.footer": "If it was not you, do nothing: nobody gets in without this link. Never pass it on.",
    },
    "de": {
        "greeting": "Guten Tag",
        "colon": ":",
        "invitation.subject": "Bursar: Einladung zu {mandate}",
        "invitation.title": "Einladung zu {mandate}",
        "invitation.lead": "Sie sind zu {mandate} eingeladen, als {role}.",
        "invitation.action": "Nehmen Sie an, indem Sie sich anmelden. Der Link gilt einmal, sieben Tage lang.",
        "invitation.button": "Einladung annehmen",
        "invitation.footer": "Wenn Sie davon nichts wissen, tun Sie nichts: Ohne diesen Link kommt niemand hinein.",
        "link.subject": "Bursar: Ihr Link zum Anmelden",
        "link.title": "Bei Bursar anmelden",
        "link.lead": "Jemand, vermutlich Sie, hat einen Link zum Anmelden bei Bursar verlangt.",
        "link.action": "Der Link gilt einmal, fünfzehn Minuten lang.",
        "link.button": "Anmelden",
        "link.footer": "Waren Sie es nicht, tun Sie nichts: Ohne diesen Link kommt niemand hinein. Nie weitergeben!",
    },
    "fr": {
        "greeting": "Bonjour,",
        "colon": " :",
        "invitation.subject": "Bursar : invitation à {mandate}",
        "invitation.title": "Invitation à {mandate}",
        "invitation.lead": "vous êtes invité à rejoindre {mandate}, rôle : {role}.",
        "invitation.action": "Acceptez en vous connectant. Le lien est valable une fois, pendant sept jours.",
        "invitation.button": "Accepter l’invitation",
        "invitation.footer": "Si vous ignorez de quoi il s’agit, ne faites rien : personne n’entre sans ce lien.",
        "link.subject": "Bursar : votre lien de connexion",
        "link.title": "Se connecter à Bursar",
        "link.lead": "quelqu’un, sans doute vous, a demandé un lien de connexion à Bursar.",
        "link.action": "Le lien est valable une fois, pendant quinze minutes.",
        "link.button": "Se connecter",
        "link.footer": "Si ce n’était pas vous, ne faites rien : personne n’entre sans ce lien. Gardez-le pour vous.",
    },
    "it": {
        "greeting": "Buongiorno,",
        "colon": ":",
        "invitation.subject": "Bursar: invito in {mandate}",
        "invitation.title": "Invito in {mandate}",
        "invitation.lead": "è invitato in {mandate}, ruolo: {role}.",
        "invitation.action": "Accetti accedendo. Il link vale una volta, per sette giorni.",
        "invitation.button": "Accettare l’invito",
        "invitation.footer": "Se non sa di che cosa si tratta, non faccia nulla: senza questo link nessuno entra.",
        "link.subject": "Bursar: il Suo link di accesso",
        "link.title": "Accedere a Bursar",
        "link.lead": "qualcuno, probabilmente Lei, ha chiesto un link per accedere a Bursar.",
        "link.action": "Il link vale una volta, per quindici minuti.",
        "link.button": "Accedere",
        "link.footer": "Se non è stato Lei, non faccia nulla: senza questo link nessuno entra. Non lo trasmetta mai.",
    },
}
