# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""French (Swiss usage)."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "subject": "{product}\u00a0: {event} – {mandate} ({short_id})",
    "greeting": "Bonjour,",
    "exhausted.event.pool": "Crédit IA épuisé",
    "exhausted.event.credit": "Ligne de crédit IA épuisée",
    "exhausted.event.wallet": "Crédit IA personnel épuisé",
    "exhausted.lead.pool": "Le crédit IA de l’organisation {mandate} est épuisé.",
    "exhausted.lead.credit": "La ligne de crédit IA de l’organisation {mandate} est épuisée.",
    "exhausted.lead.wallet": "Dans l’organisation {mandate}, un crédit IA personnel est épuisé\u00a0: {owner}.",
    "exhausted.refused.one": "Depuis le {since}, une requête d’IA{users} a été refusée.",
    "exhausted.refused.other": "Depuis le {since}, {calls} requêtes d’IA{users} ont été refusées.",
    "exhausted.users.one": " d’une personne",
    "exhausted.users.other": " de {users} personnes",
    "exhausted.action.pool": "Dès que le crédit sera rechargé, tout le monde pourra de nouveau utiliser les fonctions d’IA.",
    "exhausted.action.credit": "Dès que le montant dû sera réglé, tout le monde pourra de nouveau utiliser les fonctions d’IA.",
    "exhausted.action.wallet": "Vous pouvez transférer du crédit de l’organisation vers le compte personnel\u00a0; les fonctions d’IA seront de nouveau disponibles aussitôt.",
    "exhausted.button.pool": "Recharger le crédit",
    "exhausted.button.credit": "Vers la facturation",
    "exhausted.button.wallet": "Transférer du crédit",
    "exhausted.available.pool": "Crédit disponible",
    "exhausted.available.credit": "Reste sur la ligne de crédit",
    "exhausted.available.wallet": "Crédit disponible",
    "exhausted.again": "Tant que rien ne change, nous ne vous écrirons pas de nouveau avant un délai de {cooldown}.",
    "label.required": "Nécessaire pour la dernière requête",
    "label.who": "Dernier refus",
    "label.mandate": "Mandat",
    "colon": "\u00a0:",
    "who.person": "{name} ({id})",
    "who.gone": "Personne {id}",
    "who.key": "Clé API «\u00a0{name}\u00a0» ({id})",
    "who.key_gone": "Clé API {id}",
    "who.unknown": "non précisé",
    "owner.unknown": "une personne",
    "footer": "Vous recevez ce message parce que votre adresse figure sous «\u00a0notifyEmails\u00a0» dans les paramètres de facturation de l’organisation {mandate}.",
}
