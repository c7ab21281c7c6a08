"""Largest remainders: printed rows add up, and no row is further from the truth than it must be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.billing.statements.printed import printed
from bursar.billing.statements.rounding import apportion, round_to_step
from bursar.ledger.model import TransferKind
from tests.billing.statements.samples import CENT, entry, statement

amounts = st.integers(-(10**15), 10**15)
small_amounts = st.one_of(amounts, st.integers(-3 * CENT, 3 * CENT), st.integers(-50, 50).map(lambda n: n * CENT // 2))


@pytest.mark.parametrize(
    ("rows", "total", "expected"),
    [
        ([3_340_000, 3_330_000, 3_330_000], 10_000_000, [CENT, 0, 0]),
        ([4_000_000, 6_000_000], CENT, [0, CENT]),
        ([5_000_000, 5_000_000], CENT, [CENT, 0]),
        ([12 * CENT, 6_000_000], 13 * CENT, [12 * CENT, CENT]),
        ([-4_000_000, 0], 0, [0, 0]),
        ([-4_000_000, -6_000_000], -CENT, [0, -CENT]),
        ([], 0, []),
    ],
)
def test_who_loses_most_is_rounded_up(rows: list[int], total: int, expected: list[int]) -> None:
    assert apportion(rows, total, CENT) == expected


@pytest.mark.parametrize("total", [3 * CENT, -CENT, CENT + 1])
def test_a_total_that_is_not_the_sum_is_refused(total: int) -> None:
    with pytest.raises(ValueError, match="rounded"):
        apportion([4_000_000, 5_000_000], total, CENT)


@given(amounts, st.lists(small_amounts, max_size=40))
def test_rows_between_two_rounded_balances_always_add_up(opening: int, rows: list[int]) -> None:
    closing = opening + sum(rows)
    total = round_to_step(closing, CENT) - round_to_step(opening, CENT)
    rounded = apportion(rows, total, CENT)
    assert sum(rounded) == total
    for exact, shown in zip(rows, rounded, strict=True):
        assert shown % CENT == 0
        assert abs(shown - exact) < CENT
        assert shown == exact or exact % CENT


@given(st.lists(small_amounts, min_size=1, max_size=20))
def test_no_row_is_rounded_up_before_one_that_lost_more(rows: list[int]) -> None:
    rounded = apportion(rows, round_to_step(sum(rows), CENT), CENT)
    up = [exact % CENT for exact, shown in zip(rows, rounded, strict=True) if shown > exact]
    down = [exact % CENT for exact, shown in zip(rows, rounded, strict=True) if shown < exact]
    assert not up or not down or min(up) >= max(down)


costs = st.lists(
    st.tuples(st.integers(1, 30), st.sampled_from(["model-a", "model-b", None]), small_amounts),
    max_size=25,
    unique_by=lambda row: row[:2],
)
kinds = st.sampled_from([TransferKind.TOP_UP, TransferKind.CORRECTION, TransferKind.WALLET_TRANSFER])


@given(amounts, st.lists(st.tuples(small_amounts, kinds), max_size=5), costs, st.sampled_from([CENT, 1_000_000, 10**9]))
def test_what_is_printed_adds_up_every_way(
    opening: int, money: list[tuple[int, TransferKind]], usage: list[tuple[int, str | None, int]], step: int
) -> None:
    exact = statement(usage, opening_nanos=opening, entries=[entry(amount, kind) for amount, kind in money])
    sheet = printed(exact, step)
    assert sheet.opening_nanos is not None
    assert sheet.opening_nanos + sheet.entries_nanos - sheet.usage_nanos == sheet.closing_nanos
    assert sum(amount for _, amount in sheet.entries) == sheet.entries_nanos
    for rows in (sheet.by_day_and_model, sheet.by_model, sheet.by_user, sheet.by_key):
        assert sum(amount for _, amount in rows) == sheet.usage_nanos
    for share, amount in sheet.by_model:
        of_model = [shown for row, shown in sheet.by_day_and_model if row.model == share.model]
        assert sum(of_model) == amount
    shown_and_exact = [(amount, row.usage.cost_nanos) for row, amount in sheet.by_day_and_model]
    shown_and_exact += [(amount, row.amount_nanos) for row, amount in sheet.entries]
    assert all(abs(shown - true) < step and shown % step == 0 for shown, true in shown_and_exact)


@given(costs)
def test_a_part_without_balances_adds_up_too(usage: list[tuple[int, str | None, int]]) -> None:
    sheet = printed(statement(usage, header={"own_part": True}), CENT)
    assert (sheet.opening_nanos, sheet.closing_nanos) == (None, None)
    assert sheet.usage_nanos == round_to_step(sum(nanos for _, _, nanos in usage), CENT)
    assert sum(amount for _, amount in sheet.by_day_and_model) == sheet.usage_nanos
