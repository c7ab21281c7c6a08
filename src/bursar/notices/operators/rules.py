"""What operators hear of, as a table, and when again. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

COOLDOWN: Final = timedelta(hours=1)
LONGEST_SUBJECT: Final = 200


class OperatorKind(StrEnum):
    """As stored; never changes. The texts are under the same name in `texts`."""

    UPSTREAM_ACCOUNT = "UPSTREAM_ACCOUNT"
    """An upstream complains about our account with it. Its subject is the upstream."""
    HOLD_ANOMALY = "HOLD_ANOMALY"
    """A hold was not settled as it should. Its subject is what went wrong."""
    VERIFICATION_FAILED = "VERIFICATION_FAILED"
    """`verify` has found an invariant broken. Its subject is the invariant."""


OF_EVENTS: Final[Mapping[str, OperatorKind]] = {
    "upstream_rejects_our_account": OperatorKind.UPSTREAM_ACCOUNT,
    "overrun": OperatorKind.HOLD_ANOMALY,
    "usage_not_believed": OperatorKind.HOLD_ANOMALY,
    "usage_understated": OperatorKind.HOLD_ANOMALY,
    "settlement_failed": OperatorKind.HOLD_ANOMALY,
    "settlement_quarantined": OperatorKind.HOLD_ANOMALY,
    "settlement_rejected": OperatorKind.HOLD_ANOMALY,
    "command_quarantined": OperatorKind.HOLD_ANOMALY,
}
"""By the events of the gateway's and the ledger's alerts; the others stay in the log and in the metrics."""
HOLD_OVERDUE: Final = "hold_overdue"
"""The subject of holds that nobody has resolved after their expiry: is a worker running?"""


@dataclass(frozen=True, slots=True)
class Happened:
    """`count` times, the last time with these facts."""

    kind: OperatorKind
    subject: str
    count: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OperatorAlert:
    """`count` since `since`, of which `told_count` had happened when it was told last."""

    kind: OperatorKind
    subject: str
    since: datetime
    last_at: datetime
    count: int
    facts: Mapping[str, Any]
    told_at: datetime | None
    told_count: int

    @property
    def new_count(self) -> int:
        return self.count - self.told_count


def happened(event: str, facts: Mapping[str, Any]) -> Happened | None:
    """What an alert of a worker means for operators; `None` for what is only logged."""
    kind = OF_EVENTS.get(event)
    if kind is None:
        return None
    subject = str(facts.get("upstream") or event) if kind is OperatorKind.UPSTREAM_ACCOUNT else event
    return Happened(kind, subject[:LONGEST_SUBJECT], 1, dict(facts))


def may_be_told(alert: OperatorAlert, at: datetime) -> bool:
    """Something new has happened, and the last mail about it is a cooldown old."""
    return alert.new_count > 0 and (alert.told_at is None or at >= alert.told_at + COOLDOWN)
