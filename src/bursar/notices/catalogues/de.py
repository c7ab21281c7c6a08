# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""German (Swiss usage)."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "subject": "{product}: {event} – {mandate} ({short_id})",
    "greeting": "Guten Tag",
    "exhausted.event.pool": "KI-Guthaben aufgebraucht",
    "exhausted.event.credit": "Kreditrahmen für KI ausgeschöpft",
    "exhausted.event.wallet": "Persönliches KI-Guthaben aufgebraucht",
    "exhausted.lead.pool": "Das KI-Guthaben von {mandate} ist aufgebraucht.",
    "exhausted.lead.credit": "Der Kreditrahmen von {mandate} für KI ist ausgeschöpft.",
    "exhausted.lead.wallet": "Bei {mandate} ist das persönliche KI-Guthaben von {owner} aufgebraucht.",
    "exhausted.refused.one": "Seit dem {since} wurde eine KI-Anfrage{users} abgelehnt.",
    "exhausted.refused.other": "Seit dem {since} wurden {calls} KI-Anfragen{users} abgelehnt.",
    "exhausted.users.one": " von einer Person",
    "exhausted.users.other": " von {users} Personen",
    "exhausted.action.pool": "Sobald das Guthaben aufgeladen ist, stehen die KI-Funktionen wieder allen zur Verfügung.",
    "exhausted.action.credit": "Sobald der offene Betrag beglichen ist, stehen die KI-Funktionen wieder allen zur Verfügung.",
    "exhausted.action.wallet": "Sie können Guthaben von {mandate} auf das persönliche Konto übertragen; danach stehen die KI-Funktionen wieder zur Verfügung.",
    "exhausted.button.pool": "Guthaben aufladen",
    "exhausted.button.credit": "Zur Abrechnung",
    "exhausted.button.wallet": "Guthaben übertragen",
    "exhausted.available.pool": "Verfügbares Guthaben",
    "exhausted.available.credit": "Noch frei im Kreditrahmen",
    "exhausted.available.wallet": "Verfügbares Guthaben",
    "exhausted.again": "Solange sich daran nichts ändert, melden wir uns frühestens {in_cooldown} wieder.",
    "label.required": "Benötigt für die letzte Anfrage",
    "label.who": "Zuletzt abgelehnt",
    "label.mandate": "Mandat",
    "colon": ":",
    "who.person": "{name} ({id})",
    "who.gone": "Person {id}",
    "who.key": "API-Schlüssel «{name}» ({id})",
    "who.key_gone": "API-Schlüssel {id}",
    "who.unknown": "nicht angegeben",
    "owner.unknown": "einer Person",
    "footer": "Sie erhalten diese Nachricht, weil Ihre Adresse bei {mandate} in den Abrechnungseinstellungen unter «notifyEmails» eingetragen ist.",
}
