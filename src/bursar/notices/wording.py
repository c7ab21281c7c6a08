"""What all notices are written from: the facts, and how figures and people are put into words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from babel import Locale
from babel.numbers import format_decimal

from bursar.billing.models import MODEL_RULES, BillingModel, Language, Subject
from bursar.billing.texts import LOCALES, quotable
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.figures import Figures

_NARROW_SPACES: Final = str.maketrans({"\u202f": "\u00a0", "\u2019": "'"})


@dataclass(frozen=True, slots=True)
class MailFacts:
    """Everything that a mail says. `language` is a tag that may be unknown; amounts and times are in `figures`."""

    kind: str
    language: str
    mandate_id: UUID
    mandate_name: str
    currency: str
    time_zone: str
    billing_model: str
    account_id: UUID
    figures: Figures
    user_name: str | None
    """Of `figures.user_id`; `None` if that person is gone."""
    key_name: str | None
    cooldown_seconds: int
    top_up_url: str
    requests: tuple[tuple[str, str], ...] = ()
    """Name and reason of everybody who asks for a top-up."""
    unsubscribe_url: str | None = None


def subject_of(facts: MailFacts) -> Subject:
    if facts.account_id != facts.mandate_id:
        return "wallet"
    rules = MODEL_RULES[BillingModel(facts.billing_model)]
    return "pool" if rules.subject == "wallet" else rules.subject


def refused(facts: MailFacts, language: Language, prefix: str, since: str) -> str:
    """How many calls of how many people. Calls of a service key that named nobody have no people."""
    figures = facts.figures
    users = ""
    if figures.users:
        users = plural(language, f"{prefix}.users", figures.users).format(users=number(figures.users, language))
    pattern = plural(language, f"{prefix}.refused", figures.calls)
    return pattern.format(since=since, calls=number(figures.calls, language), users=users)


def plural(language: Language, key: str, count: int) -> str:
    texts = CATALOGUES[language]
    category = Locale.parse(LOCALES[language]).plural_form(count)
    return texts.get(f"{key}.{category}", texts[f"{key}.other"])


def number(count: int, language: Language) -> str:
    return format_decimal(count, locale=LOCALES[language]).translate(_NARROW_SPACES)


def owner(facts: MailFacts, texts: Mapping[str, str]) -> str:
    """Whose wallet it is: a wallet's account has its user's id."""
    if facts.user_name and facts.figures.user_id == facts.account_id:
        return quotable(facts.user_name)
    return texts["owner.unknown"]
