"""The texts of a refusal: which sentences, in which language, with amounts and times as their reader writes them. Pure.

Formats come from CLDR by Babel, for the Swiss variant of each language.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date
from babel.dates import format_time as format_clock_time
from babel.numbers import format_currency, format_decimal, get_currency_precision

from bursar.billing.catalogues import de, en, fr, it
from bursar.billing.models import LANGUAGES, FinanceNews, Language, Subject, UserAction
from bursar.foundation.money import DECIMALS
from bursar.ledger.model import LimitScope, Period, Reason

CATALOGUES: Final[Mapping[Language, Mapping[str, str]]] = {
    "de": de.TEXTS,
    "en": en.TEXTS,
    "fr": fr.TEXTS,
    "it": it.TEXTS,
}
LOCALES: Final[Mapping[Language, str]] = {"de": "de_CH", "en": "en_CH", "fr": "fr_CH", "it": "it_CH"}

LONGEST_NAME: Final = 80
"""Characters of a mandate's or model's name that a text quotes; the billing object has the whole name."""

# What CLDR writes between currency and figure and between thousands becomes what people type and search for, but a
# figure is never broken over two lines.
_PLAIN_FIGURES: Final = str.maketrans({"\u00a0": " ", "\u202f": "\u00a0", "\u2019": "'"})


# --- choosing a language ---------------------------------------------------------------------------------------------

_SPOKEN_AS: Final[Mapping[str, Language]] = {"de": "de", "gsw": "de", "en": "en", "fr": "fr", "it": "it"}


def choose_language(
    accept_language: str | None, user_language: str | None = None, mandate_language: str | None = None
) -> Language:
    """The language of one text: by `Accept-Language` (RFC 9110, 12.5.4), else the user's, the mandate's, English.

    `*` stands for "any other", and means the user's or the mandate's language. What has `q=0` is avoided. A header that
    makes no sense is as good as none.
    """
    wishes = _wishes(accept_language or "")
    refused = {language for language, quality in wishes if quality == 0}
    at_hand: list[Language] = []
    for tag in (user_language, mandate_language, "en", *LANGUAGES):
        language = _SPOKEN_AS.get(_primary(tag or ""))
        if language is not None and language not in refused:
            at_hand.append(language)
    for wish, quality in sorted(wishes, key=lambda each: -each[1]):
        if quality == 0:
            break
        if wish == "*":
            named = {each for each, _ in wishes}
            other = next((language for language in at_hand if language not in named), None)
            if other is not None:
                return other
        elif wish in CATALOGUES and wish not in refused:
            return _SPOKEN_AS[wish]
    return at_hand[0] if at_hand else "en"


def _primary(tag: str) -> str:
    return tag.replace("_", "-").split("-", 1)[0].strip().lower()


def _wishes(header: str) -> list[tuple[str, Decimal]]:
    """(language or `*`, quality) in the header's order; our languages by our codes, others by their own."""
    wishes: list[tuple[str, Decimal]] = []
    for part in header.split(",")[:32]:
        tag, *parameters = (piece.strip() for piece in part.split(";"))
        if not tag:
            continue
        quality = Decimal(1)
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                quality = _quality(value.strip())
        primary = _primary(tag)
        wishes.append((_SPOKEN_AS.get(primary, primary), quality))
    return wishes


def _quality(text: str) -> Decimal:
    """RFC 9110, 12.4.2; what is no quality counts as least wanted, not as an error."""
    digits = text.replace(".", "", 1)
    if not (digits.isascii() and digits.isdigit() and len(text) <= 8):
        return Decimal("0.001")
    return min(Decimal(text), Decimal(1))


# --- amounts and times -----------------------------------------------------------------------------------------------


def format_money(nanos: int, currency: str, locale: str, *, least_decimals: int = 0) -> str:
    """The amount for people, such as `CHF 1'234.50`: the currency's decimals, more where it would show as zero.

    `currency` is ISO 4217, `locale` a CLDR name such as `de_CH`. Rounded half up; at most nine decimals are shown.
    """
    value = Decimal(nanos).scaleb(-DECIMALS)
    decimals = max(get_currency_precision(currency), least_decimals)
    rounded = _rounded(value, decimals)
    if nanos != 0 and rounded == 0:
        # The first decimal that is not zero, and one more.
        decimals = min(-value.adjusted() + 1, DECIMALS)
        rounded = _rounded(value, decimals).normalize()
    text = format_currency(rounded, currency, locale=locale, decimal_quantization=False)
    return text.translate(_PLAIN_FIGURES)


def format_compared(nanos: int, other_nanos: int, currency: str, locale: str) -> tuple[str, str]:
    """Two amounts that a reader compares: with more decimals where different amounts would look the same."""
    first = second = ""
    for decimals in range(DECIMALS + 1):
        first = format_money(nanos, currency, locale, least_decimals=decimals)
        second = format_money(other_nanos, currency, locale, least_decimals=decimals)
        if first != second or nanos == other_nanos:
            break
    return first, second


def _rounded(value: Decimal, decimals: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP)


def format_time(at: datetime, time_zone: str, language: Language) -> str:
    """Day and time of day in the mandate's time zone, such as `1. Dezember 2026 um 00:00 Uhr`.

    `at` must be aware. An unknown time zone falls back to UTC: no refusal may fail over its text.
    """
    local = at.astimezone(_zone(time_zone))
    locale = LOCALES[language]
    date = format_date(local.date(), format="long", locale=locale)
    if language == "fr" and local.day == 1:
        date = date.replace("1 ", "1er ", 1)  # CLDR leaves French ordinals to the writer.
    time = format_clock_time(local, format="short", tzinfo=local.tzinfo, locale=locale)
    return CATALOGUES[language]["at"].format(date=date, time=time)


@lru_cache(maxsize=512)
def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return UTC


# --- sentences -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CapText:
    """The limit that was reached. `amount_nanos` and `left_nanos` are `None` for a reader who may not see them."""

    scope: LimitScope
    scope_id: str
    period: Period
    resets_at: datetime | None
    amount_nanos: int | None
    left_nanos: int | None


@dataclass(frozen=True, slots=True)
class TextFacts:
    """Everything that a refusal's text depends on; what its reader may not see is `None` already."""

    reason: Reason
    subject: Subject
    action: UserAction
    finance: FinanceNews
    mandate_name: str
    currency: str
    time_zone: str
    required_nanos: int
    available_nanos: int | None = None
    affordable_output_tokens: int | None = None
    notified_at: datetime | None = None
    cap: CapText | None = None


_WHAT: Final[Mapping[Reason, str]] = {
    Reason.BALANCE_EXHAUSTED: "exhausted.{subject}",
    Reason.REQUEST_TOO_LARGE: "too_large.{subject}",
    Reason.LIMIT_REACHED: "limit.{scope}",
    Reason.FUNDS_HELD: "held.{subject}",
}
_FIGURES: Final[Mapping[Reason, tuple[str, ...]]] = {
    Reason.BALANCE_EXHAUSTED: ("amounts",),
    Reason.REQUEST_TOO_LARGE: ("amounts", "affordable"),
    Reason.LIMIT_REACHED: ("resets", "limit_amounts"),
    Reason.FUNDS_HELD: (),
}
_DO: Final[Mapping[tuple[Reason, UserAction], tuple[str, ...]]] = {
    (Reason.BALANCE_EXHAUSTED, UserAction.TOP_UP_SELF): ("top_up.{subject}", "finance.{finance}"),
    (Reason.BALANCE_EXHAUSTED, UserAction.CONTACT_MANDATE_ADMIN): ("contact.{finance}",),
    (Reason.REQUEST_TOO_LARGE, UserAction.TOP_UP_SELF): ("top_up.{subject}", "shorten"),
    (Reason.REQUEST_TOO_LARGE, UserAction.CONTACT_MANDATE_ADMIN): ("contact.not_told", "shorten"),
    (Reason.LIMIT_REACHED, UserAction.TOP_UP_SELF): ("raise_limit",),
    (Reason.LIMIT_REACHED, UserAction.CONTACT_MANDATE_ADMIN): ("ask_for_limit",),
    (Reason.FUNDS_HELD, UserAction.RETRY_LATER): ("retry",),
}


def refusal_text(facts: TextFacts, language: Language) -> str:
    """The text of one refusal in one language: two to four short sentences.

    Raises `KeyError` for a reason that is no shortage, or an action that cannot follow from the reason.
    """
    catalogue = CATALOGUES[language]
    values = _values(facts, language)
    patterns = (_WHAT[facts.reason], *_FIGURES[facts.reason], *_DO[facts.reason, facts.action])
    choice = {
        "subject": facts.subject,
        "finance": facts.finance.value,
        "scope": facts.cap.scope if facts.cap else "mandate",
    }
    sentences: list[str] = []
    for pattern in patterns:
        key = pattern.format_map(choice)
        if all(name in values for name in _NEEDS.get(pattern, ())) and key in catalogue:
            sentences.append(catalogue[key].format_map(values))
    return " ".join(sentences)


def refusal_texts(facts: TextFacts) -> dict[str, str]:
    """The text in every language."""
    return dict(_remembered_texts(facts))


def told_texts(messages: Mapping[str, str], told_at: datetime, time_zone: str) -> dict[str, str]:
    """Texts of a refusal that said finance was being told, now that they were; by language."""
    told = dict(messages)
    for language, catalogue in CATALOGUES.items():
        at = format_time(told_at, time_zone, language)
        for speaking_of in ("finance", "contact"):
            sentence = catalogue[f"{speaking_of}.told"].format(at=at)
            told[language] = told.get(language, "").replace(catalogue[f"{speaking_of}.being_told"], sentence)
    return {language: text for language, text in told.items() if text}


@lru_cache(maxsize=256)
def _remembered_texts(facts: TextFacts) -> tuple[tuple[Language, str], ...]:
    """A storm of equal refusals is worded once."""
    return tuple((language, refusal_text(facts, language)) for language in LANGUAGES)


_NEEDS: Final[Mapping[str, tuple[str, ...]]] = {
    "amounts": ("available",),
    "affordable": ("tokens",),
    "limit_amounts": ("left",),
    "resets": ("at",),
}
"""What must be known, and visible to the reader, for a sentence to be said at all."""


def _values(facts: TextFacts, language: Language) -> dict[str, str]:
    locale = LOCALES[language]
    values = {"mandate": quotable(facts.mandate_name)}
    if facts.available_nanos is not None:
        values["available"], values["required"] = format_compared(
            max(facts.available_nanos, 0), facts.required_nanos, facts.currency, locale
        )
    tokens = facts.affordable_output_tokens
    if tokens is not None and tokens > 1:  # One or none is no help, and would need a plural.
        figure = format_decimal(tokens, locale=Locale.parse(locale))
        values["tokens"] = figure.translate(_PLAIN_FIGURES)
    at = facts.notified_at if facts.reason is Reason.BALANCE_EXHAUSTED else None
    cap = facts.cap
    if cap is not None:
        at = cap.resets_at
        values["period"] = CATALOGUES[language][f"period.{cap.period}"]
        values["model"] = quotable(cap.scope_id)
        if cap.left_nanos is not None and cap.amount_nanos is not None:
            values["left"], values["required"] = format_compared(
                max(cap.left_nanos, 0), facts.required_nanos, facts.currency, locale
            )
            values["amount"] = format_money(cap.amount_nanos, facts.currency, locale)
    if at is not None:
        values["at"] = format_time(at, facts.time_zone, language)
    return values


_DIRECTIONS: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")


def quotable(name: str, longest: int = LONGEST_NAME) -> str:
    """A name as one run of visible text, cut if too long: no line breaks, no control or direction characters."""
    visible = "".join(
        " " if unicodedata.category(character) in {"Cc", "Cs"} or character in _DIRECTIONS else character
        for character in name
    )
    words = " ".join(visible.split())
    return words if len(words) <= longest else words[: longest - 1].rstrip() + "…"
