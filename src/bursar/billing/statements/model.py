"""A statement: one account (or somebody's part of the pool) in one month, and the proof that it adds up. Pure.

All amounts are nanos. A movement's amount has the sign that the account sees: money in is positive. Usage is stated as
what it cost, so a charge of 2.00 is a movement of -2.00 and usage of 2.00.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from bursar.billing.models import Language
from bursar.billing.statements.months import Month
from bursar.ledger.model import BillingModelName, Payer, TransferKind

USAGE_KINDS: Final = frozenset({TransferKind.CHARGE, TransferKind.LATE_ADJUSTMENT})
"""What calls cost. A late adjustment corrects a charge, and may give money back."""


class StatementDoesNotAddUp(RuntimeError):
    """The figures contradict each other: a fault in the journal or in this code, never something to print."""


@dataclass(frozen=True, slots=True)
class Movement:
    """A transfer as the account sees it."""

    version: int
    """The account's, which orders its movements without gaps of meaning: later is higher."""
    transfer_id: UUID
    at: datetime
    kind: TransferKind
    amount_nanos: int
    balance_nanos: int | None
    """The account's after this movement; `None` for whoever may not see it."""
    user_id: UUID | None
    user_name: str | None
    key_id: UUID | None
    key_name: str | None
    request_id: UUID | None
    model: str | None
    upstream: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    cost_source: str | None
    price_id: UUID | None
    tags: Mapping[str, str] | None
    reference: str | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a group of calls used. `calls` counts charges; an adjustment is not another call."""

    calls: int = 0
    cost_nanos: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


@dataclass(frozen=True, slots=True)
class DayAndModel:
    day: date
    model: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class Share:
    """The usage of one user or key. `None`: calls that name none. The name is today's, `None` once it was erased."""

    id: UUID | None
    name: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class ModelShare:
    model: str | None
    usage: Usage


@dataclass(frozen=True, slots=True)
class KindTotal:
    kind: TransferKind
    count: int
    amount_nanos: int


@dataclass(frozen=True, slots=True)
class Header:
    """Whose statement this is, and of when."""

    mandate_id: UUID
    mandate_name: str
    currency: str
    language: Language
    time_zone: str
    """In which the month's days are counted."""
    payer: Payer
    account_id: UUID
    user_id: UUID | None
    """Whose wallet, or whose part of the pool."""
    user_name: str | None
    own_part: bool
    """Whether this is somebody's part of the pool: usage alone, no balances."""
    month: Month
    starts_at: datetime
    ends_at: datetime
    closed: bool
    as_of: datetime
    """The month's end; or, while it is open, the moment of asking, when calls that end just then may be missing."""


@dataclass(frozen=True, slots=True)
class Statement:
    header: Header
    opening_nanos: int | None
    closing_nanos: int | None
    amount_due_nanos: int | None
    """What the mandate owes at the month's end (see `amount_due`); `None` where nothing is paid afterwards."""
    movement_count: int
    change_nanos: int
    """The sum of all movements."""
    first_version: int
    last_version: int
    """The account's versions between which the month's movements lie, both included; 0 and -1 where there are none."""
    totals: tuple[KindTotal, ...]
    usage: Usage
    by_day_and_model: tuple[DayAndModel, ...]
    by_user: tuple[Share, ...]
    by_model: tuple[ModelShare, ...]
    by_key: tuple[Share, ...]
    entries: tuple[Movement, ...]
    """The movements that are no usage: money in and out."""
    movements: tuple[Movement, ...] | None = None
    """All of them, where they were asked for."""


def amount_due(last_model: BillingModelName | None, closing_nanos: int) -> int | None:
    """What is owed at the end of a month: the closing debt, that is a closing balance below zero without its sign.

    So it is what was charged this month, less what was paid in it, plus what was owed before. `last_model` is the
    billing model of the account's latest charge up to the end of the month, which no later change of the model can
    alter. A debt that is left from `POSTPAY` stays due whatever came after; under `UNLIMITED`, where usage is only
    metered, nothing is due. `None`: there is nothing to say.
    """
    if last_model == "UNLIMITED" or (last_model != "POSTPAY" and closing_nanos >= 0):
        return None
    return max(0, -closing_nanos)


def total_usage(parts: Iterable[Usage]) -> Usage:
    calls = cost = fresh = cached = output = 0
    for part in parts:
        calls += part.calls
        cost += part.cost_nanos
        fresh += part.input_tokens
        cached += part.cached_input_tokens
        output += part.output_tokens
    return Usage(calls, cost, fresh, cached, output)


def check(statement: Statement) -> None:
    """Raises `StatementDoesNotAddUp`, naming the two figures that should be one."""
    s = statement
    pairs: dict[str, tuple[object, object]] = {
        "totals by kind": (sum(total.amount_nanos for total in s.totals), s.change_nanos),
        "count by kind": (sum(total.count for total in s.totals), s.movement_count),
        "entries and usage": (sum(entry.amount_nanos for entry in s.entries) - s.usage.cost_nanos, s.change_nanos),
        "usage by day and model": (total_usage(row.usage for row in s.by_day_and_model), s.usage),
        "usage by user": (total_usage(row.usage for row in s.by_user), s.usage),
        "usage by model": (total_usage(row.usage for row in s.by_model), s.usage),
        "usage by key": (total_usage(row.usage for row in s.by_key), s.usage),
    }
    if s.header.own_part:
        pairs["balances of somebody's part"] = ((s.opening_nanos, s.closing_nanos), (None, None))
    else:
        pairs["opening balance and movements"] = ((s.opening_nanos or 0) + s.change_nanos, s.closing_nanos)
    if s.movements is not None:
        pairs["movements"] = (sum(movement.amount_nanos for movement in s.movements), s.change_nanos)
        pairs["number of movements"] = (len(s.movements), s.movement_count)
    for what, (found, expected) in pairs.items():
        if found != expected:
            raise StatementDoesNotAddUp(f"{what}: {found} is not {expected} ({s.header.account_id}, {s.header.month})")
