# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""Italian (Swiss usage)."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "subject": "{product}: {event} – {mandate} ({short_id})",
    "greeting": "Buongiorno,",
    "exhausted.event.pool": "Credito IA esaurito",
    "exhausted.event.credit": "Linea di credito IA esaurita",
    "exhausted.event.wallet": "Credito IA personale esaurito",
    "exhausted.lead.pool": "Il credito IA dell’organizzazione {mandate} è esaurito.",
    "exhausted.lead.credit": "La linea di credito IA dell’organizzazione {mandate} è esaurita.",
    "exhausted.lead.wallet": "Nell’organizzazione {mandate} un credito IA personale è esaurito: {owner}.",
    "exhausted.refused.one": "È stata respinta una richiesta di IA{users}, in data {since}.",
    "exhausted.refused.other": "Sono state respinte {calls} richieste di IA{users}, la prima in data {since}.",
    "exhausted.users.one": " di una persona",
    "exhausted.users.other": " di {users} persone",
    "exhausted.action.pool": "Non appena il credito sarà ricaricato, tutti potranno di nuovo utilizzare le funzioni di IA.",
    "exhausted.action.credit": "Non appena l’importo dovuto sarà saldato, tutti potranno di nuovo utilizzare le funzioni di IA.",
    "exhausted.action.wallet": "Può trasferire credito dall’organizzazione al conto personale; subito dopo le funzioni di IA saranno di nuovo disponibili.",
    "exhausted.button.pool": "Ricarica il credito",
    "exhausted.button.credit": "Vai alla fatturazione",
    "exhausted.button.wallet": "Trasferisci credito",
    "exhausted.available.pool": "Credito disponibile",
    "exhausted.available.credit": "Rimanente sulla linea di credito",
    "exhausted.available.wallet": "Credito disponibile",
    "exhausted.again": "Finché non cambia nulla, la ricontatteremo al più presto {in_cooldown}.",
    "label.required": "Necessario per l’ultima richiesta",
    "label.who": "Ultimo rifiuto",
    "label.mandate": "Mandato",
    "colon": ":",
    "who.person": "{name} ({id})",
    "who.gone": "Persona {id}",
    "who.key": "Chiave API «{name}» ({id})",
    "who.key_gone": "Chiave API {id}",
    "who.unknown": "non indicato",
    "owner.unknown": "una persona",
    "footer": "Riceve questo messaggio perché il suo indirizzo figura alla voce «notifyEmails» nelle impostazioni di fatturazione dell’organizzazione {mandate}.",
}
