"""The figures of a statement as they are printed: few decimals, and rows that add up to the totals beside them. Pure.

Opening and closing balance are rounded to the nearest step. Everything between them is rounded down or up, by largest
remainders, from the top: money in and out and usage make the difference of the printed balances; each entry makes up
money in and out; models, users and keys each make up the usage; and the days of a model make up that model. So every
printed figure is less than one step away from the exact one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from bursar.billing.statements.model import DayAndModel, ModelShare, Movement, Share, Statement
from bursar.billing.statements.rounding import apportion, round_to_step

_Row = TypeVar("_Row", DayAndModel, ModelShare, Share)


@dataclass(frozen=True, slots=True)
class Printed:
    """Amounts in nanos, all of them multiples of the step. Usage is what it cost: positive."""

    opening_nanos: int | None
    entries_nanos: int
    usage_nanos: int
    closing_nanos: int | None
    due_nanos: int | None
    entries: tuple[tuple[Movement, int], ...]
    by_day_and_model: tuple[tuple[DayAndModel, int], ...]
    by_model: tuple[tuple[ModelShare, int], ...]
    by_user: tuple[tuple[Share, int], ...]
    by_key: tuple[tuple[Share, int], ...]


def printed(statement: Statement, step_nanos: int) -> Printed:
    """The statement's figures in steps, such as 10,000,000 nanos for two decimals."""
    exact_entries = [entry.amount_nanos for entry in statement.entries]
    opening = closing = None
    entries_total, usage_total = 0, round_to_step(statement.usage.cost_nanos, step_nanos)
    if statement.opening_nanos is not None and statement.closing_nanos is not None:
        opening = round_to_step(statement.opening_nanos, step_nanos)
        closing = round_to_step(statement.closing_nanos, step_nanos)
        parts = [sum(exact_entries), -statement.usage.cost_nanos]
        entries_total, usage_change = apportion(parts, closing - opening, step_nanos)
        usage_total = -usage_change
    by_model = _shared(statement.by_model, usage_total, step_nanos)
    due = statement.amount_due_nanos
    return Printed(
        opening_nanos=opening,
        entries_nanos=entries_total,
        usage_nanos=usage_total,
        closing_nanos=closing,
        # The exact debt could be rounded up where the balance is rounded up, too: the printed balance is what counts.
        due_nanos=None if due is None else max(0, -(closing or 0)),
        entries=tuple(zip(statement.entries, apportion(exact_entries, entries_total, step_nanos), strict=True)),
        by_day_and_model=_days(statement.by_day_and_model, by_model, step_nanos),
        by_model=by_model,
        by_user=_shared(statement.by_user, usage_total, step_nanos),
        by_key=_shared(statement.by_key, usage_total, step_nanos),
    )


def _shared(rows: Sequence[_Row], total_nanos: int, step_nanos: int) -> tuple[tuple[_Row, int], ...]:
    amounts = apportion([row.usage.cost_nanos for row in rows], total_nanos, step_nanos)
    return tuple(zip(rows, amounts, strict=True))


def _days(
    rows: Sequence[DayAndModel], by_model: Sequence[tuple[ModelShare, int]], step_nanos: int
) -> tuple[tuple[DayAndModel, int], ...]:
    amounts: dict[DayAndModel, int] = {}
    for share, total in by_model:
        of_model = [row for row in rows if row.model == share.model]
        amounts.update(_shared(of_model, total, step_nanos))
    return tuple((row, amounts[row]) for row in rows)
