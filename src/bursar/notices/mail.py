"""From a notice's figures to subject, plain text and HTML in the mandate's language. Pure, but for its templates.

Amounts and times are written by `billing.texts`, as in the refusals; every value is escaped in HTML and flattened to
one line of visible text everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal
from uuid import UUID

from babel import Locale
from babel.dates import format_timedelta
from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from bursar.billing.models import MODEL_RULES, BillingModel, Language, Subject
from bursar.billing.texts import LOCALES, choose_language, format_compared, format_time, quotable
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.figures import Figures
from bursar.notices.kinds import KINDS

PRODUCT: Final = "Bursar"
LONGEST_BODY_NAME: Final = 300
TEMPLATES: Final = Path(__file__).parent / "templates"
_UNITS: Final[tuple[tuple[Literal["day", "hour", "minute", "second"], int], ...]] = (
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)
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


@dataclass(frozen=True, slots=True)
class Mail:
    language: Language
    subject: str
    text: str
    html: str


def render(facts: MailFacts) -> Mail:
    """The mail in the mandate's language; English where that is unknown. Raises `KeyError` for an unknown kind."""
    language = choose_language(None, facts.language)
    texts = CATALOGUES[language]
    prefix = KINDS[facts.kind].texts
    subject = _subject_of(facts)
    mandate = quotable(facts.mandate_name)
    available, required = format_compared(
        max(facts.figures.available_nanos, 0), facts.figures.required_nanos, facts.currency, LOCALES[language]
    )
    cooldown = _cooldown(facts.cooldown_seconds, language)
    values = {
        "mandate": mandate,
        "owner": _owner(facts, texts),
        "since": format_time(facts.figures.since, facts.time_zone, language),
        "in_cooldown": cooldown[0],
        "cooldown": cooldown[1],
    }

    def say(key: str) -> str:
        return texts[key].format_map(values)

    event = say(f"{prefix}.event.{subject}")
    content = {
        "language": language,
        "product": PRODUCT,
        "event": event,
        "greeting": texts["greeting"],
        "lead": say(f"{prefix}.lead.{subject}"),
        "refused": _refused(facts, language, prefix, values["since"]),
        "action": say(f"{prefix}.action.{subject}"),
        "button": say(f"{prefix}.button.{subject}"),
        "url": facts.top_up_url,
        "again": say(f"{prefix}.again"),
        "footer": say("footer"),
        "colon": texts["colon"],
        "rows": (
            (texts[f"{prefix}.available.{subject}"], available),
            (texts["label.required"], required),
            (texts["label.who"], _who(facts, texts)),
            (texts["label.mandate"], f"{quotable(facts.mandate_name, LONGEST_BODY_NAME)} ({facts.mandate_id})"),
        ),
    }
    return Mail(
        language=language,
        subject=texts["subject"].format(
            product=PRODUCT, event=event, mandate=mandate, short_id=str(facts.mandate_id)[:8]
        ),
        text=_template("notice.txt.jinja").render(content),
        html=_template("notice.html.jinja").render(content),
    )


def _subject_of(facts: MailFacts) -> Subject:
    if facts.account_id != facts.mandate_id:
        return "wallet"
    rules = MODEL_RULES[BillingModel(facts.billing_model)]
    return "pool" if rules.subject == "wallet" else rules.subject


def _refused(facts: MailFacts, language: Language, prefix: str, since: str) -> str:
    """How many calls of how many people. Calls of a service key that named nobody have no people."""
    figures = facts.figures
    users = ""
    if figures.users:
        users = _plural(language, f"{prefix}.users", figures.users).format(users=_number(figures.users, language))
    pattern = _plural(language, f"{prefix}.refused", figures.calls)
    return pattern.format(since=since, calls=_number(figures.calls, language), users=users)


def _plural(language: Language, key: str, count: int) -> str:
    texts = CATALOGUES[language]
    category = Locale.parse(LOCALES[language]).plural_form(count)
    return texts.get(f"{key}.{category}", texts[f"{key}.other"])


def _number(count: int, language: Language) -> str:
    return format_decimal(count, locale=LOCALES[language]).translate(_NARROW_SPACES)


def _who(facts: MailFacts, texts: Mapping[str, str]) -> str:
    """Label and id of whoever was refused last: a person, or the service key where it named nobody."""
    figures = facts.figures
    if figures.user_id is not None:
        key = "who.person" if facts.user_name else "who.gone"
        return texts[key].format(name=quotable(facts.user_name or ""), id=figures.user_id)
    if figures.key_id is not None:
        key = "who.key" if facts.key_name else "who.key_gone"
        return texts[key].format(name=quotable(facts.key_name or ""), id=figures.key_id)
    return texts["who.unknown"]


def _owner(facts: MailFacts, texts: Mapping[str, str]) -> str:
    """Whose wallet it is: a wallet's account has its user's id."""
    if facts.user_name and facts.figures.user_id == facts.account_id:
        return quotable(facts.user_name)
    return texts["owner.unknown"]


def _cooldown(seconds: int, language: Language) -> tuple[str, str]:
    """The cooldown as "in 1 hour" and as "1 hour": in the largest unit that says it exactly."""
    unit = next(name for name, length in _UNITS if seconds % length == 0)
    span = timedelta(seconds=seconds)
    locale = LOCALES[language]
    plain = format_timedelta(span, granularity=unit, threshold=1e9, locale=locale)
    directed = format_timedelta(span, granularity=unit, threshold=1e9, add_direction=True, locale=locale)
    return directed, plain


@lru_cache
def _template(name: str) -> Template:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda template: template is None or ".html" in template,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
