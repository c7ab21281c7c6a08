"""One mail with everything that operators have to look at. Pure, but for its templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from bursar.billing.models import Language
from bursar.billing.texts import choose_language, format_time, quotable
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.mail import PRODUCT, Mail, cooldown, template
from bursar.notices.operators.rules import COOLDOWN, OperatorAlert
from bursar.notices.wording import number, plural

MOST_SHOWN: Final = 20
_SHOWN_FACTS: Final = ("status", "code", "model", "mandate_id", "why", "error", "detail")


def render_alerts(alerts: Sequence[OperatorAlert], language: str, *, url: str, time_zone: str = "UTC") -> Mail:
    """`url` is where operators look. Times are in `time_zone`."""
    chosen = choose_language(None, language)
    texts = CATALOGUES[chosen]
    count = len(alerts)
    event = plural(chosen, "operator.event", count).format(count=number(count, chosen))
    rows = [_row(alert, chosen, time_zone) for alert in alerts[:MOST_SHOWN]]
    content = {
        "language": chosen,
        "product": PRODUCT,
        "greeting": texts["greeting"],
        "event": event,
        "lead": texts["operator.lead"],
        "refused": "",
        "action": texts["operator.action"],
        "button": texts["operator.button"],
        "url": url,
        "again": texts["operator.again"].format(in_cooldown=cooldown(int(COOLDOWN.total_seconds()), chosen)[0]),
        "footer": texts["operator.footer"],
        "unsubscribe": "",
        "unsubscribe_url": "",
        "colon": texts["colon"],
        "rows": rows,
    }
    first = rows[0][0]
    return Mail(
        language=chosen,
        subject=f"{PRODUCT}: {first}" if count == 1 else f"{PRODUCT}: {event}",
        text=template("notice.txt.jinja").render(content),
        html=template("notice.html.jinja").render(content),
    )


def title_of(alert: OperatorAlert, language: Language) -> str:
    """What it is about, in one sentence."""
    return CATALOGUES[language][f"operator.{alert.kind}"].format(subject=quotable(alert.subject))


def _row(alert: OperatorAlert, language: Language, time_zone: str) -> tuple[str, str]:
    label = title_of(alert, language)
    said = plural(language, "operator.times", alert.new_count).format(
        count=number(alert.new_count, language),
        since=_time((alert.told_at if alert.told_count else None) or alert.since, time_zone, language),
        last=_time(alert.last_at, time_zone, language),
    )
    facts = ", ".join(f"{name} {alert.facts[name]}" for name in _SHOWN_FACTS if alert.facts.get(name) is not None)
    return label, f"{said} ({quotable(facts, 300)})" if facts else said


def _time(at: datetime, time_zone: str, language: Language) -> str:
    return format_time(at, time_zone, language)
