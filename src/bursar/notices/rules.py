"""When is somebody told? Shortages, slots, cooldowns, given-back slots (MONEY.md, "Notices"). Pure.

A *shortage* begins with a refusal and ends with money. A *slot* is the right to tell the recipients once; it is claimed
in the transaction of the refusal and opens again after the cooldown. Each function takes the alert as it was and says
what it becomes, who is queued for a mail, and whether undelivered mails are withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

LONGEST_BACKOFF: Final = timedelta(minutes=60)


class Verdict(StrEnum):
    CLAIMED = "CLAIMED"
    """The slot is ours: a row per recipient."""
    SILENT = "SILENT"
    """The cooldown holds, or the slot was given back and is not open again yet."""
    NOBODY = "NOBODY"
    """There is nobody who could be told; the slot stays free."""
    RESOLVED = "RESOLVED"
    """The shortage is over: undelivered rows are withdrawn."""
    NOTHING = "NOTHING"


@dataclass(frozen=True, slots=True)
class Alert:
    """What is known about the shortage of one account, and about the slot for telling it."""

    mandate_id: UUID
    kind: str
    account_id: UUID
    shortage_id: UUID | None = None
    since: datetime | None = None
    resolved_at: datetime | None = None
    refused_calls: int = 0
    last_user_id: UUID | None = None
    last_key_id: UUID | None = None
    required_nanos: int = 0
    available_nanos: int = 0
    slot_id: UUID | None = None
    slot_shortage_id: UUID | None = None
    """The shortage that the slot was last claimed for."""
    slot_claimed_at: datetime | None = None
    sent_at: datetime | None = None
    """The last delivery to anybody: the cooldown counts deliveries, not only claims."""
    given_back_count: int = 0
    """How often in a row a slot was given back because every recipient failed."""
    reopens_at: datetime | None = None
    """Set while the slot is given back."""
    notified_at: datetime | None = None
    """When a recipient's server first accepted a mail about this shortage."""
    warned_at: datetime | None = None
    due_at: datetime | None = None
    """When the worker has to look again, because a shortage is untold."""

    @property
    def is_open(self) -> bool:
        return self.shortage_id is not None and self.resolved_at is None


@dataclass(frozen=True, slots=True)
class Policy:
    """The mandate's settings, as far as they matter here. `recipients` are those that can be reached."""

    cooldown: timedelta
    recipients: tuple[str, ...]
    silent_until: datetime | None = None
    """The mandate wants to hear nothing of this kind before."""
    user_id: UUID | None = None
    """The one person whom it is about; `None` where the mandate's owners and finance people hear of it."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The refusals of one batch for one account, summed up; the rest is of the last one."""

    calls: int
    required_nanos: int
    available_nanos: int
    user_id: UUID | None
    key_id: UUID | None


@dataclass(frozen=True, slots=True)
class Step:
    alert: Alert
    verdict: Verdict
    recipients: tuple[str, ...] = ()
    """Who gets a row, or an update of the row that is still undelivered."""
    warn: bool = False
    """Whether the log has to say that nobody can be told: once per cooldown."""
    user_id: UUID | None = None
    """As in the policy."""


@dataclass(frozen=True, slots=True)
class Funds:
    """What an account has, held or not, and the line below zero that its mandate has in force."""

    balance_nanos: int
    credit_limit_nanos: int
    refuses: bool
    """Whether calls on this account can be refused for money at all: the mandate is active and not `UNLIMITED`."""


def still_short(funds: Funds | None, required_nanos: int) -> bool:
    """Whether what was refused would be refused again for the same reason. Unknown funds count as short.

    A shortage ends with money coming in; but a credit line that was raised, or a mandate that became `UNLIMITED`, ends
    it as well, and nobody posts a transfer for that.
    """
    if funds is None:
        return True
    return funds.refuses and funds.balance_nanos + funds.credit_limit_nanos < max(required_nanos, 1)


def opens_at(alert: Alert, cooldown: timedelta) -> datetime | None:
    """When the slot may be claimed again; `None` if it never was."""
    if alert.slot_claimed_at is None:
        return None
    moments = [alert.slot_claimed_at + cooldown if alert.reopens_at is None else alert.reopens_at]
    if alert.sent_at is not None:
        moments.append(alert.sent_at + cooldown)
    return max(moments)


def backoff(given_back_count: int) -> timedelta:
    """1, 2, 4 … 60 minutes."""
    return min(timedelta(minutes=2 ** min(given_back_count - 1, 10)), LONGEST_BACKOFF)


def refused(alert: Alert, refusal: Refused, policy: Policy, at: datetime, *, shortage_id: UUID, slot_id: UUID) -> Step:
    """Calls were refused. `shortage_id` and `slot_id` are new ids, taken if a shortage begins or a slot is claimed."""
    if not alert.is_open:
        alert = replace(
            alert, shortage_id=shortage_id, since=at, resolved_at=None, refused_calls=0, notified_at=None, due_at=None,
            last_user_id=None, last_key_id=None,
        )  # fmt: skip
    known = refusal.user_id is not None or refusal.key_id is not None
    alert = replace(
        alert,
        refused_calls=alert.refused_calls + refusal.calls,
        required_nanos=refusal.required_nanos,
        available_nanos=refusal.available_nanos,
        last_user_id=refusal.user_id if known else alert.last_user_id,
        last_key_id=refusal.key_id if known else alert.last_key_id,
    )
    return _tell(alert, policy, at, slot_id)


def funded(alert: Alert, at: datetime) -> Step:
    """Money came in, whatever the amount: the shortage is over, and what is undelivered is withdrawn.

    The slot stays as it is: the cooldown holds whatever happens in between.
    """
    if not alert.is_open:
        return Step(alert, Verdict.NOTHING)
    return Step(replace(alert, resolved_at=at, due_at=None), Verdict.RESOLVED)


def due(alert: Alert, policy: Policy, at: datetime, *, lasts: bool, slot_id: UUID) -> Step:
    """The worker looks again at a shortage that is untold. `lasts` is what `still_short` says."""
    if alert.due_at is None or alert.due_at > at:
        return Step(alert, Verdict.NOTHING)
    if not alert.is_open:
        return Step(replace(alert, due_at=None), Verdict.NOTHING)
    if not lasts:
        return funded(alert, at)
    return _tell(alert, policy, at, slot_id)


def accepted(alert: Alert, shortage_id: UUID, at: datetime, *, by_mail: bool = True) -> Alert:
    """A recipient's server has accepted a mail about the shortage `shortage_id`; or a program has (not `by_mail`)."""
    alert = replace(
        alert, given_back_count=0, reopens_at=None, sent_at=at if alert.sent_at is None else max(alert.sent_at, at)
    )
    if alert.shortage_id != shortage_id or not by_mail:
        return alert
    return replace(alert, due_at=None, notified_at=alert.notified_at or at)


def told_nobody(alert: Alert, slot_id: UUID, at: datetime, *, all_failed: bool) -> Alert:
    """Every row of the slot `slot_id` has ended and none was delivered: the slot is given back.

    Where every recipient failed it opens after a while that doubles from time to time; where addresses were taken out
    of the settings (`all_failed` is false), at once.
    """
    if alert.slot_id != slot_id or alert.reopens_at is not None:
        return alert
    count = alert.given_back_count + 1 if all_failed else alert.given_back_count
    reopens_at = at + backoff(count) if all_failed else at
    return replace(
        alert,
        given_back_count=count,
        reopens_at=reopens_at,
        due_at=reopens_at if alert.is_open else None,
    )


def _tell(alert: Alert, policy: Policy, at: datetime, slot_id: UUID) -> Step:
    opens = opens_at(alert, policy.cooldown)
    if policy.silent_until is not None and (opens is None or opens < policy.silent_until):
        opens = policy.silent_until
    if opens is not None and at < opens:
        untold = alert.slot_shortage_id != alert.shortage_id or alert.reopens_at is not None
        return Step(replace(alert, due_at=opens if untold else None), Verdict.SILENT)
    if not policy.recipients:
        warn = alert.warned_at is None or at >= alert.warned_at + policy.cooldown
        alert = replace(alert, due_at=None, warned_at=at if warn else alert.warned_at)
        return Step(alert, Verdict.NOBODY, warn=warn, user_id=policy.user_id)
    alert = replace(
        alert, slot_id=slot_id, slot_shortage_id=alert.shortage_id, slot_claimed_at=at, reopens_at=None, due_at=None
    )
    return Step(alert, Verdict.CLAIMED, recipients=policy.recipients, user_id=policy.user_id)
