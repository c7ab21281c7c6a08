"""What a field that is not acceptable is told, in English and in German. Pure.

What the checks of a body's form say is written here for both; what the rooms say stands with them in English, and its
German here, found by its pattern. What has no German yet is said in English.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

# By the kind of error that pydantic names; `{…}` are its own values.
_FORMS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("is required", "fehlt"),
    "extra_forbidden": ("is not known here", "gibt es hier nicht"),
    "string_type": ("must be a text", "muss ein Text sein"),
    "bool_type": ("must be true or false", "muss true oder false sein"),
    "list_type": ("must be a list", "muss eine Liste sein"),
    "whole_number": ("must be a whole number", "muss eine ganze Zahl sein"),
    "int_parsing": ("must be a whole number", "muss eine ganze Zahl sein"),
    "literal_error": ("must be one of {expected}", "muss eines von {expected} sein"),
    "enum": ("must be one of {expected}", "muss eines von {expected} sein"),
    "greater_than_equal": ("must be at least {ge}", "muss mindestens {ge} sein"),
    "less_than_equal": ("must be at most {le}", "darf höchstens {le} sein"),
    "string_too_long": ("must have at most {max_length} characters", "darf höchstens {max_length} Zeichen haben"),
    "string_too_short": ("must have at least {min_length} characters", "muss mindestens {min_length} Zeichen haben"),
    "too_long": ("must not have more than {max_length} entries", "darf höchstens {max_length} Einträge haben"),
    "uuid_parsing": ("must be an id", "muss eine id sein"),
    "datetime_from_date_parsing": (
        "must be a moment, such as 2026-12-31T12:00:00Z",
        "muss ein Zeitpunkt sein, etwa 2026-12-31T12:00:00Z",
    ),
}
_LIST_OF_CHOICES: Final = re.compile(r" or ")

_GERMAN: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(pattern), german)
    for pattern, german in (
        (r'must be a decimal string such as "10\.00"', 'muss ein Betrag als Text sein, etwa "10.00"'),
        (
            r'must be a decimal string with at most (nine|six) decimals, such as "([0-9.]+)"',
            r'muss eine Dezimalzahl als Text mit höchstens \1 Stellen nach dem Punkt sein, etwa "\2"',
        ),
        (r"must be at most ([0-9.]+)", r"darf höchstens \1 sein"),
        (r"must not be negative", "darf nicht negativ sein"),
        (r"must not be zero", "darf nicht null sein"),
        (r"must be above -100", "muss über -100 liegen"),
        (
            r"is required with POSTPAY: how far below zero the pool may go",
            "ist mit POSTPAY nötig: wie weit das Guthaben unter null gehen darf",
        ),
        (r'"(.*)" is not a valid e-mail address\..*', r"„\1“ ist keine gültige E-Mail-Adresse"),
        (r"must hold e-mail addresses and nothing else", "darf nur E-Mail-Adressen enthalten"),
        (r"must be a list of e-mail addresses", "muss eine Liste von E-Mail-Adressen sein"),
        (r"must not have more than (\d+) addresses", r"darf höchstens \1 Adressen haben"),
        (r"must not have more than (\d+) entries", r"darf höchstens \1 Einträge haben"),
        (r"looks like a JSON array, but is none", "sieht wie eine JSON-Liste aus, ist aber keine"),
        (
            r"must hold names or globs of models, of 1 to (\d+) characters",
            r"darf nur Namen oder Muster von Modellen mit 1 bis \1 Zeichen enthalten",
        ),
        (r"must have 1 to (\d+) (?:visible )?characters", r"muss 1 bis \1 Zeichen haben"),
        (
            r"must be one line of text, without control characters",
            "muss eine Zeile Text ohne Steuerzeichen sein",
        ),
        (
            r"must be a time zone's IANA name, such as Europe/Zurich",
            "muss der IANA-Name einer Zeitzone sein, etwa Europe/Zurich",
        ),
        (r"must be one of (.+)", r"muss eines von \1 sein"),
        (r"must be in the future(.*)", "muss in der Zukunft liegen"),
        (r"is out of range", "ist außerhalb des Möglichen"),
        (r"is too far away", "ist zu weit weg"),
        (
            r'must be a decimal string such as "10\.00", or be a percentage such as "20%"',
            'muss ein Betrag wie "10.00" oder ein Anteil wie "20%" sein',
        ),
    )
)
_NUMBERS: Final = {"nine": "neun", "six": "sechs"}


def form_error(kind: str, message: str, values: Mapping[str, Any]) -> str:
    """What to say of a value of the wrong form: better than the library's `message` where there is something."""
    known = _FORMS.get(kind)
    if known is None:
        return message
    choices = _LIST_OF_CHOICES.sub(", ", str(values.get("expected", "")))
    return known[0].format_map({**values, "expected": choices})


def in_german(message: str) -> str:
    """The same in German; what is not known stays as it is."""
    for english, german in _FORM_PATTERNS:
        if found := english.fullmatch(message):
            return german.format_map(found.groupdict())
    for pattern, german in _GERMAN:
        if match := pattern.fullmatch(message):
            said = match.expand(german)
            for english_number, number in _NUMBERS.items():
                said = said.replace(f" {english_number} ", f" {number} ")
            return said
    return message


def wants_german(accept_language: str | None) -> bool:
    """Whether German comes before English in `Accept-Language`."""
    ranked: list[tuple[float, str]] = []
    for part in (accept_language or "").lower().split(","):
        tag, _, weight = part.strip().partition(";q=")
        try:
            ranked.append((-float(weight or 1), tag.split("-")[0]))
        except ValueError:
            continue
    return next((tag for _, tag in sorted(ranked, key=lambda each: each[0]) if tag in ("de", "en")), "en") == "de"


def _as_pattern(english: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(english)))


_FORM_PATTERNS: Final = tuple((_as_pattern(english), german) for english, german in dict(_FORMS.values()).items())
