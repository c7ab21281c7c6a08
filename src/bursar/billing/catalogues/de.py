# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""German (Swiss usage)."""

from __future__ import annotations

from typing import Final

TEXTS: Final[dict[str, str]] = {
    "title.short": "Guthaben reicht nicht aus",
    "title.held": "Guthaben vorübergehend reserviert",
    "exhausted.pool": "Das KI-Guthaben von {mandate} ist aufgebraucht.",
    "exhausted.wallet": "Ihr KI-Guthaben bei {mandate} ist aufgebraucht.",
    "exhausted.credit": "Der Kreditrahmen von {mandate} für KI ist ausgeschöpft.",
    "too_large.pool": "Das restliche KI-Guthaben von {mandate} reicht für diese Anfrage nicht aus.",
    "too_large.wallet": "Ihr restliches KI-Guthaben bei {mandate} reicht für diese Anfrage nicht aus.",
    "too_large.credit": "Der restliche Kreditrahmen von {mandate} für KI reicht für diese Anfrage nicht aus.",
    "limit.key": "Dieser API-Schlüssel hat sein {period} erreicht.",
    "limit.user": "Sie haben Ihr {period} für KI erreicht.",
    "limit.model": "Für das Modell {model} ist das {period} erreicht.",
    "limit.mandate": "{mandate} hat das {period} für KI erreicht.",
    "held.pool": "Das KI-Guthaben von {mandate} reicht aus, ist aber gerade für laufende Anfragen reserviert.",
    "held.wallet": "Ihr KI-Guthaben reicht aus, ist aber gerade für laufende Anfragen reserviert.",
    "held.credit": "Der Kreditrahmen von {mandate} reicht aus, ist aber gerade für laufende Anfragen reserviert.",
    "period.day": "Tageslimit",
    "period.week": "Wochenlimit",
    "period.month": "Monatslimit",
    "period.total": "Gesamtlimit",
    "amounts": "Verfügbar: {available}; benötigt: bis zu {required}.",
    "limit_amounts": "Noch frei: {left} von {amount}; benötigt: bis zu {required}.",
    "affordable": "Der verfügbare Betrag reicht für eine Antwort von höchstens {tokens} Token.",
    "resets": "Am {at} wird es zurückgesetzt.",
    "retry": "Bitte versuchen Sie es in einigen Sekunden noch einmal.",
    "shorten": "Auch eine kürzere Anfrage kann genügen.",
    "top_up.pool": "Bitte laden Sie das Guthaben auf.",
    "top_up.wallet": "Bitte laden Sie Ihr Guthaben auf.",
    "top_up.credit": "Bitte gleichen Sie den offenen Betrag aus.",
    "raise_limit": "Sie können das Limit auf der Abrechnungsseite erhöhen.",
    "ask_for_limit": "Die Finanzverantwortlichen von {mandate} können das Limit erhöhen; bitte wenden Sie sich an sie.",
    "contact.told": "Die Finanzverantwortlichen wurden am {at} benachrichtigt; bitte wenden Sie sich bei Fragen an sie.",
    "contact.being_told": "Die Finanzverantwortlichen werden gerade benachrichtigt; bitte wenden Sie sich bei Fragen an sie.",
    "contact.nobody": "Niemand wurde benachrichtigt, weil keine Adresse dafür hinterlegt ist; bitte wenden Sie sich direkt an die Finanzverantwortlichen.",
    "contact.not_told": "Bitte wenden Sie sich an die Finanzverantwortlichen.",
    "finance.told": "Die Finanzverantwortlichen wurden am {at} benachrichtigt.",
    "finance.being_told": "Die Finanzverantwortlichen werden gerade benachrichtigt.",
    "finance.nobody": "Es ist keine Adresse hinterlegt, die in solchen Fällen benachrichtigt wird.",
    "at": "{date} um {time} Uhr",
}
