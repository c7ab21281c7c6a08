"""Statements of real money: made through the engine, read with the rights of the management role."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import pytest

from bursar.billing.statements import Statement, StatementDoesNotAddUp, build_statement
from bursar.billing.statements import reading as statement_reading
from bursar.billing.statements.model import amount_due
from bursar.foundation.database import Database
from bursar.foundation.problems import Problem
from bursar.ledger.model import CostSource, Expire, Granted, TransferKind
from tests.billing.statements.journal import Journal, open_journal, utc
from tests.billing.statements.samples import UNIT
from tests.ledger.books_support import change_terms


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[Journal]:
    async with open_journal(database) as journal:
        yield journal


async def test_a_month_goes_from_its_opening_to_its_closing_balance(journal: Journal, database: Database) -> None:
    anna, key = await journal.add_user("Anna"), await journal.add_key("Back end")
    await journal.top_up("2025-10-20T10:00", 100 * UNIT)
    await journal.call("2025-10-21T10:00", 10 * UNIT)
    await journal.call("2025-11-03T10:00", 3 * UNIT, user_id=anna, key_id=key, tags={"project": "alpha"})
    await journal.call("2025-11-03T11:00", 2 * UNIT + 7, user_id=anna)
    await journal.call("2025-11-04T10:00", 1 * UNIT, model="model-b")
    await journal.top_up("2025-11-05T10:00", 50 * UNIT, reference="invoice 7")
    await journal.correct("2025-11-06T10:00", -4 * UNIT, reason="counted twice")
    await journal.call("2025-12-01T10:00", 5 * UNIT)

    s = await build_statement(database, journal.mandate_id, account="pool", month="2025-11", with_movements=True)
    assert (s.opening_nanos, s.closing_nanos) == (90 * UNIT, 130 * UNIT - 7)
    assert s.movements is not None
    assert [m.amount_nanos for m in s.movements] == [
        -3 * UNIT, -2 * UNIT - 7, -1 * UNIT, 50 * UNIT, -4 * UNIT,
    ]  # fmt: skip
    assert [m.balance_nanos for m in s.movements][-1] == s.closing_nanos
    assert [m.version for m in s.movements] == sorted({m.version for m in s.movements})
    first = s.movements[0]
    assert (first.user_name, first.key_name, first.model, first.tags) == (
        "Anna",
        "Back end",
        "model-a",
        {"project": "alpha"},
    )
    assert (first.input_tokens, first.cached_input_tokens, first.output_tokens) == (100, 10, 20)
    assert {t.kind: (t.count, t.amount_nanos) for t in s.totals} == {
        TransferKind.CHARGE: (3, -6 * UNIT - 7),
        TransferKind.TOP_UP: (1, 50 * UNIT),
        TransferKind.CORRECTION: (1, -4 * UNIT),
    }
    assert [(e.kind, e.amount_nanos, e.reference, e.reason) for e in s.entries] == [
        (TransferKind.TOP_UP, 50 * UNIT, "invoice 7", None),
        (TransferKind.CORRECTION, -4 * UNIT, None, "counted twice"),
    ]
    assert [(row.day, row.model, row.usage.calls, row.usage.cost_nanos) for row in s.by_day_and_model] == [
        (date(2025, 11, 3), "model-a", 2, 5 * UNIT + 7),
        (date(2025, 11, 4), "model-b", 1, 1 * UNIT),
    ]
    assert [(row.id, row.name, row.usage.calls) for row in s.by_user] == [(anna, "Anna", 2), (None, None, 1)]
    assert [(row.id, row.name, row.usage.cost_nanos) for row in s.by_key] == [
        (None, None, 3 * UNIT + 7), (key, "Back end", 3 * UNIT),
    ]  # fmt: skip
    assert [(row.model, row.usage.output_tokens) for row in s.by_model] == [("model-a", 40), ("model-b", 20)]
    assert s.header.closed
    assert s.header.as_of == s.header.ends_at == utc("2025-11-30T23:00")


async def test_months_follow_on_each_other(journal: Journal, database: Database) -> None:
    await journal.top_up("2025-09-30T21:59", 100 * UNIT)
    await journal.call("2025-09-30T22:01", 1 * UNIT)
    await journal.call("2025-10-31T22:59:59.999999", 2 * UNIT)
    await journal.call("2025-10-31T23:00", 4 * UNIT)
    months = [await statement_of(database, journal, month) for month in ("2025-08", "2025-09", "2025-10", "2025-11")]
    assert [(s.opening_nanos, s.closing_nanos) for s in months] == [
        (0, 0), (0, 100 * UNIT), (100 * UNIT, 97 * UNIT), (97 * UNIT, 93 * UNIT),
    ]  # fmt: skip
    assert [row.day for row in months[2].by_day_and_model] == [date(2025, 10, 1), date(2025, 10, 31)]


async def test_a_wallet_has_a_statement_of_its_own(journal: Journal, database: Database) -> None:
    await change_terms(database, journal.mandate_id, billing_model="PREPAY_USER")
    anna = await journal.add_user("Anna")
    await journal.top_up("2025-11-01T10:00", 100 * UNIT)
    await journal.move("2025-11-02T10:00", anna, 30 * UNIT)
    await journal.call("2025-11-03T10:00", 4 * UNIT, wallet=anna, user_id=anna, billing_model="PREPAY_USER")
    await journal.move("2025-11-04T10:00", anna, -6 * UNIT)
    wallet = await build_statement(database, journal.mandate_id, account=anna, month="2025-11", with_movements=True)
    assert (wallet.header.payer, wallet.header.user_name) == ("wallet", "Anna")
    assert wallet.movements is not None
    assert [m.amount_nanos for m in wallet.movements] == [30 * UNIT, -4 * UNIT, -6 * UNIT]
    assert wallet.closing_nanos == 20 * UNIT
    pool = await statement_of(database, journal)
    assert [e.amount_nanos for e in pool.entries] == [100 * UNIT, -30 * UNIT, 6 * UNIT]
    assert pool.usage.calls == 0


async def test_somebodys_part_of_the_pool_shows_their_usage_and_nothing_else(
    journal: Journal, database: Database
) -> None:
    anna, ben = await journal.add_user("Anna"), await journal.add_user("Ben")
    await journal.top_up("2025-11-01T10:00", 1000 * UNIT, user_id=anna)
    await journal.call("2025-11-03T10:00", 3 * UNIT, user_id=anna)
    await journal.call("2025-11-03T10:00", 7 * UNIT, user_id=ben)
    await journal.call("2025-11-04T10:00", 5 * UNIT, user_id=anna)
    part = await build_statement(
        database, journal.mandate_id, account="pool", month="2025-11", viewer_user_id=anna, with_movements=True
    )
    assert part.header.own_part
    assert (part.opening_nanos, part.closing_nanos, part.amount_due_nanos) == (None, None, None)
    assert part.usage.cost_nanos == 8 * UNIT
    assert part.movements is not None
    assert [(m.amount_nanos, m.balance_nanos, m.user_id) for m in part.movements] == [
        (-3 * UNIT, None, anna), (-5 * UNIT, None, anna),
    ]  # fmt: skip
    assert [row.id for row in part.by_user] == [anna]
    assert part.entries == ()


async def test_what_is_anothers_is_not_found(journal: Journal, database: Database) -> None:
    anna, ben = await journal.add_user("Anna"), await journal.add_user("Ben")
    async with open_journal(database) as neighbour:
        theirs = await neighbour.add_user("Zoe")
        await neighbour.top_up("2025-11-01T10:00", UNIT, wallet=theirs)
    asked: list[tuple[UUID, UUID | None]] = [(ben, anna), (theirs, None), (uuid4(), None), (journal.mandate_id, None)]
    for account, viewer in asked:
        with pytest.raises(Problem) as raised:
            await build_statement(database, journal.mandate_id, account=account, month="2025-11", viewer_user_id=viewer)
        assert raised.value.status == 404
    with pytest.raises(Problem) as raised:
        await build_statement(database, uuid4(), account="pool", month="2025-11")
    assert raised.value.status == 404


async def test_what_is_no_month_yet_names_the_field(journal: Journal, database: Database) -> None:
    for month in ("2025-13", "11/2025", "2099-01"):
        with pytest.raises(Problem) as raised:
            await statement_of(database, journal, month)
        assert (raised.value.status, raised.value.field) == (422, "month")


async def test_an_open_month_is_provisional(journal: Journal, database: Database) -> None:
    await journal.mandate.post(9 * UNIT)
    now = await database.app_pool.fetchval("SELECT now()")
    s = await statement_of(database, journal, f"{now:%Y-%m}")
    assert not s.header.closed
    assert s.header.starts_at < s.header.as_of < s.header.ends_at
    assert s.closing_nanos == 9 * UNIT


async def test_what_happens_while_it_is_read_is_not_half_of_it(
    journal: Journal, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journal.mandate.post(9 * UNIT)
    read_usage = statement_reading.read_usage

    async def interrupted(*arguments: Any) -> Any:
        granted = await journal.mandate.reserve(UNIT)
        assert isinstance(granted, Granted)
        await journal.mandate.settle(granted.hold_id, UNIT)
        return await read_usage(*arguments)

    monkeypatch.setattr(statement_reading, "read_usage", interrupted)
    now = await database.app_pool.fetchval("SELECT now()")
    s = await statement_of(database, journal, f"{now:%Y-%m}")
    assert (s.closing_nanos, s.usage.calls) == (9 * UNIT, 0)


async def test_a_late_adjustment_that_gives_money_back_lowers_the_usage(journal: Journal, database: Database) -> None:
    await journal.top_up("2025-11-01T10:00", 100 * UNIT)
    granted = await journal.mandate.reserve(10 * UNIT, input_bound_nanos=8 * UNIT, model="model-a", ttl_seconds=1)
    assert isinstance(granted, Granted)
    await journal.as_owner("UPDATE hold SET expires_at = now() - interval '1 second'")
    await journal.mandate.ledger.submit(
        Expire(
            mandate_id=journal.mandate_id,
            hold_id=granted.hold_id,
            account_id=journal.mandate_id,
            transfer_id=uuid4(),
        )
    )
    await journal.date_back("2025-11-02T10:00")
    await journal.mandate.settle(granted.hold_id, 5 * UNIT, cost_source=CostSource.PROVIDER_USAGE)
    await journal.date_back("2025-11-02T10:05")
    s = await statement_of(database, journal)
    assert (s.usage.calls, s.usage.cost_nanos, s.closing_nanos) == (1, 5 * UNIT, 95 * UNIT)
    assert {t.kind: t.amount_nanos for t in s.totals}[TransferKind.LATE_ADJUSTMENT] == 3 * UNIT


async def test_pages_are_the_same_however_small_they_are(journal: Journal, database: Database) -> None:
    await journal.top_up("2025-11-01T10:00", 100 * UNIT)
    for day in range(2, 9):
        await journal.call(f"2025-11-0{day}T10:00", day * UNIT)
    s = await build_statement(database, journal.mandate_id, account="pool", month="2025-11", with_movements=True)
    for rows in (1, 3, 8):
        pages = [page async for page in statement_reading.pages(database, s, page_rows=rows)]
        assert max(len(page) for page in pages) <= rows
        assert tuple(m for page in pages for m in page) == s.movements


async def test_a_movement_that_got_lost_is_noticed(journal: Journal, database: Database) -> None:
    await journal.top_up("2025-11-01T10:00", 100 * UNIT)
    await journal.call("2025-11-02T10:00", 3 * UNIT)
    s = await statement_of(database, journal)
    await journal.as_owner("DELETE FROM transfer WHERE kind = 'CHARGE'")
    with pytest.raises(StatementDoesNotAddUp):
        _ = [page async for page in statement_reading.pages(database, s)]


async def statement_of(database: Database, journal: Journal, month: str = "2025-11") -> Statement:
    return await build_statement(database, journal.mandate_id, account="pool", month=month)


@pytest.mark.parametrize(
    ("last_model", "closing", "due"),
    [
        ("POSTPAY", -7, 7),
        ("POSTPAY", 0, 0),
        ("POSTPAY", 5, 0),
        ("PREPAY_MANDATE", -7, 7),
        ("PREPAY_MANDATE", 5, None),
        ("UNLIMITED", -7, None),
        (None, -7, 7),
        (None, 0, None),
    ],
)
def test_what_is_due_is_the_closing_debt(last_model: str | None, closing: int, due: int | None) -> None:
    assert amount_due(last_model, closing) == due  # type: ignore[arg-type]


async def test_a_postpay_month_states_what_is_due_and_a_payment_lowers_it(database: Database) -> None:
    async with open_journal(database, billing_model="POSTPAY", credit_limit_nanos=100 * UNIT) as journal:
        await journal.call("2025-10-05T10:00", 10 * UNIT)
        await journal.call("2025-11-05T10:00", 7 * UNIT)
        await journal.top_up("2025-11-20T10:00", 10 * UNIT)
        await journal.call("2025-12-05T10:00", 1 * UNIT)
        october, november = [await statement_of(database, journal, month) for month in ("2025-10", "2025-11")]
        assert (october.amount_due_nanos, november.amount_due_nanos) == (10 * UNIT, 7 * UNIT)
        assert november.usage.cost_nanos == 7 * UNIT
        await journal.as_owner("UPDATE billing_settings SET billing_model = 'UNLIMITED'")
        assert await statement_of(database, journal) == november
