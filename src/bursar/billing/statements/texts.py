# ruff: noqa: E501  (a sentence stays on one line, so that it can be read and found)
"""The words on statements and receipts, and amounts and days as their reader writes them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from babel.dates import format_date, format_skeleton
from babel.numbers import format_decimal, get_currency_precision

from bursar.billing.models import Language
from bursar.billing.texts import LOCALES
from bursar.foundation.money import DECIMALS

_EN: Final[Mapping[str, str]] = {
    "statement": "Statement {month}",
    "own_part": "Your usage {month}",
    "receipt": "Receipt {number}",
    "mandate": "Mandate",
    "mandate_id": "Mandate ID",
    "account": "Account",
    "pool": "Shared pool",
    "wallet": "Wallet of {user}",
    "part": "{user}: part of the shared pool",
    "period": "Period",
    "span": "{start} to {end} ({zone})",
    "state": "State",
    "closed": "closed, does not change any more",
    "open": "provisional, as of {at}",
    "summary": "Summary",
    "opening": "Opening balance {day}",
    "entries": "Money in and out",
    "usage": "AI usage",
    "closing": "Closing balance {day}",
    "balance_now": "Balance as of now",
    "due": "Amount due",
    "due_so_far": "Debt as of now",
    "due_rule": "The amount due is the debt at the end of the month.",
    "per_day": "Usage per day and model",
    "per_model": "Usage per model",
    "per_user": "Usage per user",
    "per_key": "Usage per key",
    "day": "Date",
    "what": "What",
    "reference": "Reference",
    "model": "Model",
    "user": "User",
    "key": "Key",
    "calls": "Calls",
    "input": "Input tokens",
    "output": "Output tokens",
    "total": "Total",
    "none": "No usage in this month.",
    "no_model": "without a model",
    "no_user": "without a user",
    "no_key": "without a key",
    "former": "former user {id}",
    "rounded": "Figures are rounded so that the rows add up to the totals. The CSV file has every movement with all nine decimals.",
    "replaced": "A question mark stands for a character that this document's typefaces do not have.",
    "page": "Page {page} of {pages}",
    "number": "Number",
    "date": "Date",
    "credited": "Credited to",
    "amount": "Amount received",
    "transfer": "Journal entry",
    "kind.TOP_UP": "Top-up",
    "kind.CORRECTION": "Correction",
    "kind.REFUND": "Refund",
    "kind.WALLET_TRANSFER": "Internal transfer",
    "kind.OVERRUN": "Overrun",
}
_DE: Final[Mapping[str, str]] = {
    "statement": "Kontoauszug {month}",
    "own_part": "Ihre Nutzung {month}",
    "receipt": "Quittung {number}",
    "mandate": "Mandat",
    "mandate_id": "Mandats-ID",
    "account": "Konto",
    "pool": "Gemeinsames Guthaben",
    "wallet": "Guthaben von {user}",
    "part": "{user}: Anteil am gemeinsamen Guthaben",
    "period": "Zeitraum",
    "span": "{start} bis {end} ({zone})",
    "state": "Stand",
    "closed": "abgeschlossen, ändert sich nicht mehr",
    "open": "vorläufig, {at}",
    "summary": "Übersicht",
    "opening": "Anfangssaldo {day}",
    "entries": "Ein- und Auszahlungen",
    "usage": "KI-Nutzung",
    "closing": "Schlusssaldo {day}",
    "balance_now": "Aktueller Saldo",
    "due": "Fälliger Betrag",
    "due_so_far": "Aktuelle Schuld",
    "due_rule": "Fällig ist die Schuld am Ende des Monats.",
    "per_day": "Nutzung pro Tag und Modell",
    "per_model": "Nutzung pro Modell",
    "per_user": "Nutzung pro Person",
    "per_key": "Nutzung pro Schlüssel",
    "day": "Datum",
    "what": "Vorgang",
    "reference": "Referenz",
    "model": "Modell",
    "user": "Person",
    "key": "Schlüssel",
    "calls": "Aufrufe",
    "input": "Eingabe-Token",
    "output": "Ausgabe-Token",
    "total": "Total",
    "none": "Keine Nutzung in diesem Monat.",
    "no_model": "ohne Modell",
    "no_user": "ohne Person",
    "no_key": "ohne Schlüssel",
    "former": "ehemalige Person {id}",
    "rounded": "Die Beträge sind so gerundet, dass die Zeilen die Summen ergeben. Die CSV-Datei enthält jede Bewegung mit allen neun Nachkommastellen.",
    "replaced": "Ein Fragezeichen steht für ein Zeichen, das den Schriften dieses Dokuments fehlt.",
    "page": "Seite {page} von {pages}",
    "number": "Nummer",
    "date": "Datum",
    "credited": "Gutgeschrieben auf",
    "amount": "Erhaltener Betrag",
    "transfer": "Buchung",
    "kind.TOP_UP": "Aufladung",
    "kind.CORRECTION": "Korrektur",
    "kind.REFUND": "Rückzahlung",
    "kind.WALLET_TRANSFER": "Umbuchung",
    "kind.OVERRUN": "Mehrverbrauch",
}
CATALOGUES: Final[Mapping[str, Mapping[str, str]]] = {"de": _DE, "en": _EN}
WRITTEN_IN: Final[Mapping[Language, Language]] = {"de": "de", "en": "en", "fr": "en", "it": "en"}
"""Statements are written in German and English."""

# As in the room's other texts: what people type and search for, and no figure broken over two lines.
_PLAIN: Final = str.maketrans({"\u2019": "'", "\u202f": "\u00a0", "\u2212": "-"})


def decimals_of(currency: str) -> int:
    """How many decimals an amount of the currency (ISO 4217) is printed with."""
    return int(get_currency_precision(currency))


def step_nanos(currency: str) -> int:
    """The smallest amount that is printed."""
    return int(10 ** (DECIMALS - decimals_of(currency)))


def figure(nanos: int, currency: str, language: Language) -> str:
    """An amount in a column, such as `1'234.50`, without its currency. `nanos` is a multiple of the step."""
    decimals = decimals_of(currency)
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    value = Decimal(nanos).scaleb(-DECIMALS)
    return format_decimal(value, format=pattern, locale=LOCALES[language]).translate(_PLAIN)


def count(number: int, language: Language) -> str:
    return format_decimal(number, locale=LOCALES[language]).translate(_PLAIN)


def short_day(day: date, language: Language) -> str:
    """Such as `23.11.2026`."""
    return format_date(day, format="dd.MM.yyyy", locale=LOCALES[language])


def long_day(at: datetime | date, language: Language) -> str:
    return format_date(at, format="long", locale=LOCALES[language])


def month_name(day: date, language: Language) -> str:
    """Such as `November 2026`."""
    return format_skeleton("yMMMM", day, locale=LOCALES[language])
