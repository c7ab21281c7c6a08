# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""French."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "title.short": "Solde insuffisant",
    "title.held": "Crédit momentanément réservé",
    "exhausted.pool": "Le crédit IA de l’organisation {mandate} est épuisé.",
    "exhausted.wallet": "Votre crédit IA auprès de l’organisation {mandate} est épuisé.",
    "exhausted.credit": "La ligne de crédit IA de l’organisation {mandate} est épuisée.",
    "too_large.pool": "Le crédit IA restant de l’organisation {mandate} ne suffit pas pour cette requête.",
    "too_large.wallet": "Votre crédit IA restant auprès de l’organisation {mandate} ne suffit pas pour cette requête.",
    "too_large.credit": "La ligne de crédit IA restante de l’organisation {mandate} ne suffit pas pour cette requête.",
    "limit.key": "Cette clé API a atteint son {period}.",
    "limit.user": "Vous avez atteint votre {period} pour l’IA.",
    "limit.model": "Le {period} pour le modèle {model} est atteint.",
    "limit.mandate": "L’organisation {mandate} a atteint son {period} pour l’IA.",
    "held.pool": "Le crédit IA de l’organisation {mandate} suffit, mais il est réservé pour des requêtes en cours.",
    "held.wallet": "Votre crédit IA suffit, mais il est réservé pour des requêtes en cours.",
    "held.credit": "La ligne de crédit IA de l’organisation {mandate} suffit, mais elle est réservée pour des requêtes en cours.",
    "period.day": "plafond journalier",
    "period.week": "plafond hebdomadaire",
    "period.month": "plafond mensuel",
    "period.total": "plafond total",
    "amounts": "Disponible\u00a0: {available}\u00a0; nécessaire\u00a0: jusqu’à {required}.",
    "limit_amounts": "Reste\u00a0: {left} sur {amount}\u00a0; nécessaire\u00a0: jusqu’à {required}.",
    "affordable": "Le montant disponible suffit pour une réponse de {tokens} tokens au maximum.",
    "resets": "Il sera remis à zéro le {at}.",
    "retry": "Veuillez réessayer dans quelques secondes.",
    "shorten": "Une requête plus courte peut aussi suffire.",
    "top_up.pool": "Veuillez recharger le crédit.",
    "top_up.wallet": "Veuillez recharger votre crédit.",
    "top_up.credit": "Veuillez régler le montant dû.",
    "raise_limit": "Vous pouvez relever le plafond sur la page de facturation.",
    "ask_for_limit": "Les responsables financiers de l’organisation {mandate} peuvent relever le plafond\u00a0; veuillez vous adresser à eux.",
    "contact.told": "Les responsables financiers ont été avertis le {at}\u00a0; veuillez vous adresser à eux.",
    "contact.being_told": "Les responsables financiers sont avertis en ce moment\u00a0; veuillez vous adresser à eux.",
    "contact.nobody": "Personne n’a été averti, car aucune adresse n’est indiquée à cet effet\u00a0; veuillez vous adresser directement aux responsables financiers.",
    "contact.not_told": "Veuillez vous adresser aux responsables financiers.",
    "finance.told": "Les responsables financiers ont été avertis le {at}.",
    "finance.being_told": "Les responsables financiers sont avertis en ce moment.",
    "finance.nobody": "Aucune adresse à avertir dans un tel cas n’est indiquée.",
    "at": "{date} à {time}",
}
