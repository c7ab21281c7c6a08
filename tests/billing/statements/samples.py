"""Statements made up for the tests of the pure parts and of the forms."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from bursar.billing.statements.model import (
    DayAndModel,
    Header,
    KindTotal,
    ModelShare,
    Movement,
    Share,
    Statement,
    Usage,
    check,
    total_usage,
)
from bursar.billing.statements.months import ZoneChange, month_span, parse_month
from bursar.ledger.model import TransferKind

UNIT = 1_000_000_000
CENT = 10_000_000
MANDATE_ID = UUID("0b5e55ed-1234-4567-89ab-000000000001")
USERS = (UUID(int=0xA1), UUID(int=0xA2), UUID(int=0xA3))
KEYS = (UUID(int=0xB1), None)
ZONE = [ZoneChange(datetime(2020, 1, 1, tzinfo=UTC), "Europe/Zurich")]


def entry(amount_nanos: int, kind: TransferKind = TransferKind.TOP_UP, **more: Any) -> Movement:
    values: dict[str, Any] = dict.fromkeys(Movement.__slots__)
    values |= {
        "version": 1,
        "transfer_id": UUID(int=7),
        "at": datetime(2026, 11, 2, 9, tzinfo=UTC),
        "kind": kind,
        "amount_nanos": amount_nanos,
    }
    return Movement(**(values | more))


def usage(cost_nanos: int) -> Usage:
    return Usage(3, cost_nanos, 1_200, 200, 450)


def statement(
    costs: Sequence[tuple[int, str | None, int]],
    *,
    opening_nanos: int = 0,
    entries: Sequence[Movement] = (),
    header: dict[str, Any] | None = None,
    amount_due_nanos: int | None = None,
) -> Statement:
    """`costs` is day of November 2026, model, nanos; users and keys take turns."""
    span = month_span(parse_month("2026-11"), ZONE)
    values: dict[str, Any] = {
        "mandate_id": MANDATE_ID,
        "mandate_name": "Helvetia Treuhand AG",
        "currency": "CHF",
        "language": "de",
        "time_zone": "Europe/Zurich",
        "payer": "pool",
        "account_id": MANDATE_ID,
        "user_id": None,
        "user_name": None,
        "own_part": False,
        "month": span.month,
        "starts_at": span.start,
        "ends_at": span.end,
        "closed": True,
        "as_of": span.end,
    } | (header or {})
    rows = [
        DayAndModel(date(2026, 11, 1) + timedelta(days=day - 1), model, usage(nanos)) for day, model, nanos in costs
    ]
    spent = sum(nanos for _, _, nanos in costs)
    change = sum(each.amount_nanos for each in entries) - spent
    kinds = {each.kind for each in entries}
    totals = [
        KindTotal(
            kind,
            sum(each.kind is kind for each in entries),
            sum(each.amount_nanos for each in entries if each.kind is kind),
        )
        for kind in sorted(kinds)
    ]
    own = values["own_part"]
    made = Statement(
        header=Header(**values),
        opening_nanos=None if own else opening_nanos,
        closing_nanos=None if own else opening_nanos + change,
        amount_due_nanos=amount_due_nanos,
        movement_count=len(entries) + len(costs),
        change_nanos=change,
        first_version=1,
        last_version=99,
        totals=(KindTotal(TransferKind.CHARGE, len(costs), -spent), *totals),
        usage=total_usage(row.usage for row in rows),
        by_day_and_model=tuple(rows),
        by_user=tuple(_in_turn(rows, USERS, ("Anna Meier", "Ömer Yılmaz", None))),
        by_model=tuple(
            ModelShare(model, total_usage(row.usage for row in rows if row.model == model))
            for model in dict.fromkeys(row.model for row in rows)
        ),
        by_key=tuple(_in_turn(rows, KEYS, ("Back end", None))),
        entries=tuple(entries),
    )
    check(made)
    return made


def _in_turn(rows: Sequence[DayAndModel], ids: Sequence[UUID | None], names: Sequence[str | None]) -> list[Share]:
    shares = []
    for index, (id_, name) in enumerate(zip(ids, names, strict=True)):
        part = rows[index :: len(ids)]
        if part:
            shares.append(Share(id_, name, total_usage(row.usage for row in part)))
    return shares
