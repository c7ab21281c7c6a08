"""From a notice's figures to subject, plain text and HTML in the mandate's language. Pure, but for its templates.

Amounts and times are written by `billing.texts`, as in the refusals; every value is escaped in HTML and flattened to
one line of visible text everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal

from babel.dates import format_timedelta
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from bursar.billing.models import Language
from bursar.billing.texts import LOCALES, choose_language, format_compared, format_time, quotable
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.kinds import EXHAUSTED, KINDS
from bursar.notices.sheets import Sheet, other_sheet
from bursar.notices.wording import MailFacts, number, owner, plural, refused, subject_of

PRODUCT: Final = "Bursar"
LONGEST_BODY_NAME: Final = 300
TEMPLATES: Final = Path(__file__).parent / "templates"
_UNITS: Final[tuple[tuple[Literal["day", "hour", "minute", "second"], int], ...]] = (
    ("day", 86_400),
    ("hour", 3_600),
    ("minute", 60),
    ("second", 1),
)


@dataclass(frozen=True, slots=True)
class Mail:
    language: Language
    subject: str
    text: str
    html: str
    brief: str = ""
    """A few sentences and the link, for a chat or a short message."""


def render(facts: MailFacts) -> Mail:
    """The mail in the mandate's language; English where that is unknown. Raises `KeyError` for an unknown kind."""
    language = choose_language(None, facts.language)
    texts = CATALOGUES[language]
    sheet = sheet_of(facts, language)
    mandate = quotable(facts.mandate_name)
    whose = f"{quotable(facts.mandate_name, LONGEST_BODY_NAME)} ({facts.mandate_id})"
    content = {
        "language": language,
        "product": PRODUCT,
        "greeting": texts["greeting"],
        "event": sheet.event,
        "lead": sheet.lead,
        "refused": sheet.detail,
        "action": sheet.action,
        "button": sheet.button,
        "url": facts.top_up_url,
        "again": sheet.again,
        "footer": texts[sheet.footer].format(mandate=mandate),
        "unsubscribe": texts["unsubscribe"] if facts.unsubscribe_url else "",
        "unsubscribe_url": facts.unsubscribe_url or "",
        "colon": texts["colon"],
        "rows": (*sheet.rows, (texts["label.mandate"], whose)),
    }
    return Mail(
        language=language,
        subject=texts["subject"].format(
            product=PRODUCT, event=sheet.event, mandate=mandate, short_id=str(facts.mandate_id)[:8]
        ),
        text=template("notice.txt.jinja").render(content),
        html=template("notice.html.jinja").render(content),
        brief=" ".join(part for part in (sheet.lead, sheet.detail, sheet.action, facts.top_up_url) if part),
    )


def sheet_of(facts: MailFacts, language: Language) -> Sheet:
    """The sentences and figures of one notice. Raises `KeyError` for an unknown kind."""
    return _exhausted(facts, language) if facts.kind == EXHAUSTED.name else other_sheet(facts, language)


def _exhausted(facts: MailFacts, language: Language) -> Sheet:
    texts = CATALOGUES[language]
    prefix = KINDS[facts.kind].texts
    subject = subject_of(facts)
    available, required = format_compared(
        max(facts.figures.available_nanos, 0), facts.figures.required_nanos, facts.currency, LOCALES[language]
    )
    span = cooldown(facts.cooldown_seconds, language)
    since = format_time(facts.figures.since, facts.time_zone, language)
    values = {
        "mandate": quotable(facts.mandate_name),
        "owner": owner(facts, texts),
        "in_cooldown": span[0],
        "cooldown": span[1],
    }

    def say(key: str) -> str:
        return texts[key].format_map(values)

    return Sheet(
        event=say(f"{prefix}.event.{subject}"),
        lead=say(f"{prefix}.lead.{subject}"),
        detail=refused(facts, language, prefix, since) + _since_last(facts, language),
        action=say(f"{prefix}.action.{subject}"),
        button=say(f"{prefix}.button.{subject}"),
        again=say(f"{prefix}.again"),
        rows=(
            (texts[f"{prefix}.available.{subject}"], available),
            (texts["label.required"], required),
            (texts["label.who"], _who(facts, texts)),
        ),
    )


def _since_last(facts: MailFacts, language: Language) -> str:
    """A repeat says what happened since the one before."""
    told_at = facts.figures.more.get("toldAt")
    if not isinstance(told_at, str):
        return ""
    calls = max(facts.figures.calls - int(facts.figures.more["toldCalls"]), 0)
    last = format_time(datetime.fromisoformat(told_at), facts.time_zone, language)
    return " " + plural(language, "exhausted.repeat", calls).format(calls=number(calls, language), last=last)


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


def cooldown(seconds: int, language: Language) -> tuple[str, str]:
    """The cooldown as "in 1 hour" and as "1 hour": in the largest unit that says it exactly."""
    unit = next(name for name, length in _UNITS if seconds % length == 0)
    span = timedelta(seconds=seconds)
    locale = LOCALES[language]
    plain = format_timedelta(span, granularity=unit, threshold=1e9, locale=locale)
    directed = format_timedelta(span, granularity=unit, threshold=1e9, add_direction=True, locale=locale)
    return directed, plain


@lru_cache
def template(name: str) -> Template:
    """One of the templates of mails; HTML escapes everything."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=lambda template: template is None or ".html" in template,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template(name)
