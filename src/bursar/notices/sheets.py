"""What the notices beside "exhausted" say: one sheet of sentences and figures for each kind, as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bursar.billing.models import Language
from bursar.billing.texts import LOCALES, format_compared, format_money, format_time, quotable
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.kinds import FUNDED_AGAIN, KINDS
from bursar.notices.wording import MailFacts, number, plural, refused, subject_of

LONGEST_REASON: Final = 300
Rows = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Sheet:
    """One notice in words. `rows` are label and value; `footer` is a key of the catalogue."""

    event: str
    lead: str
    action: str
    button: str
    detail: str = ""
    again: str = ""
    rows: Rows = ()
    footer: str = "footer"


def other_sheet(facts: MailFacts, language: Language) -> Sheet:
    """Raises `KeyError` for an unknown kind."""
    texts = CATALOGUES[language]
    prefix = KINDS[facts.kind].texts
    # These speak of the mandate, whoever pays.
    subject = "pool" if facts.kind in _OF_THE_MANDATE else subject_of(facts)
    values, rows = _FIGURES[facts.kind](facts, language)
    values["mandate"] = quotable(facts.mandate_name)

    def say(key: str) -> str:
        return texts[key].format_map(values)

    detail = ""
    if facts.kind == FUNDED_AGAIN.name and facts.figures.calls:
        since = format_time(facts.figures.since, facts.time_zone, language)
        detail = refused(facts, language, prefix, since)
    return Sheet(
        event=say(f"{prefix}.event"),
        lead=say(f"{prefix}.lead.{subject}"),
        detail=detail,
        action=say(f"{prefix}.action"),
        button=say(f"{prefix}.button"),
        rows=rows,
        footer="footer.own" if subject == "wallet" or facts.figures.more.get("own") else "footer",
    )


Said = tuple[dict[str, str], Rows]


def _money(facts: MailFacts, nanos: int, language: Language) -> str:
    return format_money(max(nanos, 0), facts.currency, LOCALES[language])


def _low(facts: MailFacts, language: Language) -> Said:
    texts = CATALOGUES[language]
    available, line = format_compared(
        max(facts.figures.available_nanos, 0), facts.figures.required_nanos, facts.currency, LOCALES[language]
    )
    return {"line": line}, ((texts["label.available"], available), (texts["label.line"], line))


def _ending(facts: MailFacts, language: Language) -> Said:
    texts = CATALOGUES[language]
    more = facts.figures.more
    ends = format_time(datetime.fromisoformat(more["endsAt"]), facts.time_zone, language)
    return {"ends": ends}, (
        (texts["label.available"], _money(facts, facts.figures.available_nanos, language)),
        (texts["label.per_day"], _money(facts, int(more["perDayNanos"]), language)),
        (texts["label.ends"], ends),
    )


def _again(facts: MailFacts, language: Language) -> Said:
    available = _money(facts, facts.figures.available_nanos, language)
    return {}, ((CATALOGUES[language]["label.available"], available),)


def _cap(facts: MailFacts, language: Language) -> Said:
    texts = CATALOGUES[language]
    more = facts.figures.more
    amount = facts.figures.required_nanos
    period = f"period.{more['period']}"
    used = amount - facts.figures.available_nanos
    rows = [
        (texts["label.cap"], f"{_money(facts, amount, language)} {texts[period]}"),
        (texts["label.cap_on"], _scope(more, texts)),
        (texts["label.used"], f"{_money(facts, used, language)} ({number(int(more['percent']), language)} %)"),
    ]
    if more.get("resetsAt"):
        resets = format_time(datetime.fromisoformat(more["resetsAt"]), facts.time_zone, language)
        rows.append((texts["label.resets"], resets))
    return {"percent": number(int(more["percent"]), language)}, tuple(rows)


def _expiring(facts: MailFacts, language: Language) -> Said:
    texts = CATALOGUES[language]
    more = facts.figures.more
    expires = format_time(datetime.fromisoformat(more["expiresAt"]), facts.time_zone, language)
    count = int(more["count"])
    vouchers = plural(language, "expiring.vouchers", count).format(count=number(count, language))
    amount = _money(facts, facts.figures.available_nanos, language)
    return {"vouchers": vouchers, "amount": amount, "expires": expires}, (
        (texts["label.vouchers"], amount),
        (texts["label.expires"], expires),
    )


def _asked(facts: MailFacts, language: Language) -> Said:
    """Everybody who asks, with their reason."""
    rows = tuple((quotable(name), quotable(reason, LONGEST_REASON)) for name, reason in facts.requests)
    count = len(rows) or facts.figures.calls
    return {"people": plural(language, "asked.people", count).format(count=number(count, language))}, rows


def _decided(facts: MailFacts, language: Language) -> Said:
    asked = format_time(facts.figures.since, facts.time_zone, language)
    return {}, ((CATALOGUES[language]["label.asked"], asked),)


def _test(facts: MailFacts, language: Language) -> Said:
    return {}, ()


def _scope(more: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    return texts[f"scope.{more['scope']}"].format(name=quotable(str(more.get("name") or more["scopeId"])))


_FIGURES: Final[Mapping[str, Callable[[MailFacts, Language], Said]]] = {
    "BALANCE_LOW": _low,
    "RUNNING_OUT": _ending,
    "FUNDED_AGAIN": _again,
    "LIMIT_NEAR": _cap,
    "LIMIT_REACHED": _cap,
    "CREDIT_EXPIRING": _expiring,
    "TOP_UP_REQUESTED": _asked,
    "TOP_UP_APPROVED": _decided,
    "TOP_UP_DECLINED": _decided,
    "TEST": _test,
}
_OF_THE_MANDATE: Final = frozenset(
    {
        "LIMIT_NEAR",
        "LIMIT_REACHED",
        "CREDIT_EXPIRING",
        "TOP_UP_REQUESTED",
        "TOP_UP_APPROVED",
        "TOP_UP_DECLINED",
        "TEST",
    }
)
