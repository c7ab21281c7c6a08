"""Building a statement: which account and month, what the journal says about them, and whether it adds up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal, cast
from uuid import UUID

import asyncpg

from bursar.billing.models import Language
from bursar.billing.statements import reading
from bursar.billing.statements.closing import wait_until_closed
from bursar.billing.statements.model import (
    DayAndModel,
    Header,
    KindTotal,
    ModelShare,
    Movement,
    Share,
    Statement,
    Usage,
    amount_due,
    check,
)
from bursar.billing.statements.months import Month, MonthError, Span, ZoneChange, month_span, parse_month
from bursar.foundation.database import Connection, Database
from bursar.foundation.problems import invalid_field
from bursar.identity.access import not_found
from bursar.ledger.model import TransferKind

_ACCOUNT: Final = "account"

_DAY_AND_MODEL: Final = 0b0110
_USER: Final = 0b1011
_KEY: Final = 0b1101
_MODEL: Final = 0b1110
_ALL: Final = 0b1111
"""What SQL's `grouping` answers for each of the groupings: a bit for each of day, user, key, model that is left out."""


@dataclass(frozen=True, slots=True)
class _Who:
    """Which rows: an account, and perhaps one user's part of it."""

    mandate_id: UUID
    account_id: UUID
    user_id: UUID | None
    own_part: bool

    @property
    def account(self) -> tuple[UUID, UUID]:
        return self.mandate_id, self.account_id

    @property
    def only_user(self) -> UUID | None:
        return self.user_id if self.own_part else None


@dataclass(frozen=True, slots=True)
class _When:
    span: Span
    now: datetime

    @property
    def closed(self) -> bool:
        return self.span.end <= self.now


async def build_statement(
    database: Database,
    mandate_id: UUID,
    *,
    account: Literal["pool"] | UUID,
    month: str,
    viewer_user_id: UUID | None = None,
    with_movements: bool = False,
    now: datetime | None = None,
) -> Statement:
    """The statement of the pool, or of the wallet of the user whose id `account` is, in a month such as `"2026-11"`.

    With `viewer_user_id` it is for somebody who may only see what is their own: of the pool their part of the usage,
    without balances; of the wallets theirs alone. `with_movements` keeps every movement in memory; the streaming forms
    do without. `now` stands in for the database's time, for tests.

    Raises a `Problem`: 404 for an unknown mandate or user or somebody else's wallet, 422 (`month`) for what is no
    month or has not begun, 503 for a month that ended a moment ago and whose last transfers are still being written.
    """
    wanted = _parsed(month)
    who = _who(mandate_id, account, viewer_user_id)
    when = await _when(database, mandate_id, wanted, now)
    if when.closed:
        await wait_until_closed(database, when.span.end, when.now)
    async with reading.snapshot_of(database, mandate_id) as connection:
        statement = await _read(connection, who, when)
    check(statement)
    if with_movements:
        movements = [each async for page in reading.pages(database, statement) for each in page]
        statement = replace(statement, movements=tuple(movements))
        check(statement)
    return statement


def _parsed(month: str) -> Month:
    try:
        return parse_month(month)
    except MonthError as error:
        raise invalid_field("month", str(error)) from None


def _who(mandate_id: UUID, account: Literal["pool"] | UUID, viewer_user_id: UUID | None) -> _Who:
    if account == "pool":
        return _Who(mandate_id, mandate_id, viewer_user_id, viewer_user_id is not None)
    if viewer_user_id not in (None, account) or account == mandate_id:
        raise not_found(_ACCOUNT)
    return _Who(mandate_id, account, account, False)


async def _when(database: Database, mandate_id: UUID, month: Month, now: datetime | None) -> _When:
    async with reading.snapshot_of(database, mandate_id) as connection:
        mandate = await connection.fetchrow(reading.MANDATE, mandate_id)
        if mandate is None:
            raise not_found(_ACCOUNT)
        zones = await zones_of(connection, mandate_id, mandate)
    now = now or mandate["now"]
    span = month_span(month, zones)
    if span.start > now:
        raise invalid_field("month", "has not begun yet")
    return _When(span, now)


async def zones_of(connection: Connection, mandate_id: UUID, mandate: asyncpg.Record) -> list[ZoneChange]:
    """Every zone that the mandate has had, oldest first."""
    rows = await connection.fetch(reading.ZONES, mandate_id)
    zones = [ZoneChange(row["changed_at"], row["time_zone"]) for row in rows]
    return zones or [ZoneChange(mandate["created_at"], mandate["time_zone"])]


async def _read(connection: Connection, who: _Who, when: _When) -> Statement:
    span = when.span
    header = await _header(connection, who, when)
    opening, closing = await _balances(connection, who, span)
    totals = await connection.fetch(reading.TOTALS, *who.account, span.start, span.end, who.only_user)
    first = min((row["first_version"] for row in totals), default=0)
    last = max((row["last_version"] for row in totals), default=-1)
    groups = await reading.read_usage(connection, who.account, span, who.only_user)
    entries: tuple[Movement, ...] = ()
    due = None
    if not who.own_part:
        entries = await reading.read_entries(connection, who.account, span, first, last)
        due = amount_due(await connection.fetchval(reading.LAST_MODEL, *who.account, span.end), closing)
    return Statement(
        header=header,
        opening_nanos=None if who.own_part else opening,
        closing_nanos=None if who.own_part else closing,
        amount_due_nanos=due,
        movement_count=sum(row["count"] for row in totals),
        change_nanos=sum(row["amount"] for row in totals),
        first_version=first,
        last_version=last,
        totals=tuple(KindTotal(TransferKind(row["kind"]), row["count"], row["amount"]) for row in totals),
        usage=next((_usage(row) for row in _grouped(groups, _ALL)), Usage()),
        by_day_and_model=tuple(
            DayAndModel(span.day(row["day"]), row["model"], _usage(row)) for row in _grouped(groups, _DAY_AND_MODEL)
        ),
        by_user=tuple(Share(row["user_id"], row["user_name"], _usage(row)) for row in _grouped(groups, _USER)),
        by_model=tuple(ModelShare(row["model"], _usage(row)) for row in _grouped(groups, _MODEL)),
        by_key=tuple(Share(row["key_id"], row["key_name"], _usage(row)) for row in _grouped(groups, _KEY)),
        entries=entries,
    )


async def _header(connection: Connection, who: _Who, when: _When) -> Header:
    mandate = await connection.fetchrow(reading.MANDATE, who.mandate_id)
    user = None if who.user_id is None else await connection.fetchrow(reading.USER, who.mandate_id, who.user_id)
    if mandate is None or (who.user_id is not None and user is None):
        raise not_found(_ACCOUNT)
    span = when.span
    return Header(
        mandate_id=who.mandate_id,
        mandate_name=mandate["name"],
        currency=mandate["currency"],
        language=cast(Language, mandate["language"]),
        time_zone=span.time_zone,
        payer="pool" if who.account_id == who.mandate_id else "wallet",
        account_id=who.account_id,
        user_id=who.user_id,
        user_name=None if user is None else user[0],
        own_part=who.own_part,
        month=span.month,
        starts_at=span.start,
        ends_at=span.end,
        closed=when.closed,
        as_of=span.end if when.closed else when.now,
    )


async def _balances(connection: Connection, who: _Who, span: Span) -> tuple[int, int]:
    """Before and after the month; an account that no money has ever touched has no row."""
    if who.own_part:
        return 0, 0
    row = await connection.fetchrow(reading.BALANCES, *who.account, span.start, span.end)
    return (0, 0) if row is None else (row["opening"], row["closing"])


def _grouped(groups: Sequence[asyncpg.Record], mask: int) -> Iterable[asyncpg.Record]:
    return (row for row in groups if row["grouped"] == mask and row["cost"] is not None)


def _usage(row: Any) -> Usage:
    return Usage(row["calls"], row["cost"], row["input_tokens"], row["cached_input_tokens"], row["output_tokens"])
