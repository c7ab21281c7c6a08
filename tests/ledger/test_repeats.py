"""Idempotency, on the real engine: across batches, workers and accounts, and while a first try is still under way."""

from __future__ import annotations

import asyncio
import hashlib
from uuid import UUID

import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Granted, IdempotencyKey, Posted, Reason, Rejected, Settled
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import NewLedger, patient


def key(name: str, body: str = "body", **more: bool) -> IdempotencyKey:
    return IdempotencyKey("tests", "route", name, hashlib.sha256(body.encode()).digest(), **more)


@pytest.fixture
async def mandate(database: Database, ledger: Ledger) -> Mandate:
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(1000)
    return mandate


async def count(database: Database, table: str, mandate_id: UUID) -> int:
    sql = f"SELECT count(*) FROM {table} WHERE mandate_id = $1"  # noqa: S608
    return int(await database.ledger_pool.fetchval(sql, mandate_id))


async def test_the_same_again_changes_nothing_and_answers_the_same(database: Database, mandate: Mandate) -> None:
    granted = await mandate.reserve(5, idempotency=key("r"))
    assert isinstance(granted, Granted)
    settled = await mandate.settle(granted.hold_id, 3, idempotency=key("s"))
    posted = await mandate.post(10, idempotency=key("p", keep_for_ever=True))
    assert isinstance(settled, Settled)
    assert isinstance(posted, Posted)
    assert await mandate.reserve(5, idempotency=key("r")) == granted
    assert await mandate.settle(new_id(), 3, idempotency=key("s")) == settled
    assert await mandate.post(10, idempotency=key("p", keep_for_ever=True)) == posted
    assert await count(database, "transfer", mandate.mandate_id) == 3
    assert await count(database, "hold", mandate.mandate_id) == 1


async def test_other_content_is_a_conflict(mandate: Mandate) -> None:
    await mandate.post(10, idempotency=key("p", "ten"))
    outcome = await mandate.post(11, idempotency=key("p", "eleven"))
    assert isinstance(outcome, Rejected)
    assert outcome.reason is Reason.IDEMPOTENCY_CONFLICT


async def test_many_at_once_over_two_workers_do_it_once(
    database: Database, new_ledger: NewLedger, mandate: Mandate
) -> None:
    other = Mandate(await new_ledger(), mandate.mandate_id)
    outcomes = await asyncio.gather(
        *(each.post(10, idempotency=key("p")) for each in [mandate, other] for _ in range(20))
    )
    assert len(set(outcomes)) == 1
    assert await count(database, "transfer", mandate.mandate_id) == 2


async def test_one_key_for_two_wallets_at_once_conflicts_and_breaks_no_batch(
    database: Database, new_ledger: NewLedger, mandate: Mandate
) -> None:
    """Nothing but the key itself holds these two apart: their accounts are not the same."""
    other = Mandate(await new_ledger(), mandate.mandate_id)
    for number in range(10):
        outcomes = await asyncio.gather(
            mandate.post(1, wallet=new_id(), idempotency=key(f"p{number}", "first")),
            other.post(1, wallet=new_id(), idempotency=key(f"p{number}", "second")),
            return_exceptions=True,
        )
        answers = sorted(str(o.reason) if isinstance(o, Rejected) else type(o).__name__ for o in outcomes)
        assert answers == ["IDEMPOTENCY_CONFLICT", "Posted"]
    assert await count(database, "transfer", mandate.mandate_id) == 11
    assert mandate.ledger.statistics.quarantined == other.ledger.statistics.quarantined == 0


async def test_an_answer_that_has_expired_is_forgotten(database: Database, mandate: Mandate) -> None:
    await mandate.post(10, idempotency=key("short"))
    await mandate.post(10, idempotency=key("long", keep_for_ever=True))
    await database.ledger_pool.execute("UPDATE idempotency SET expires_at = now() - interval '1 second'")
    await database.ledger_pool.execute("UPDATE idempotency SET expires_at = NULL WHERE key = 'long'")
    again = await mandate.post(20, idempotency=key("short", "another body"))
    assert isinstance(again, Posted)
    assert again.balance_nanos == 1040
    assert isinstance(await mandate.post(20, idempotency=key("long", "another body")), Rejected)


async def test_answers_are_kept_for_a_day_and_money_in_for_ever(database: Database, mandate: Mandate) -> None:
    await mandate.post(10, idempotency=key("money", keep_for_ever=True))
    await mandate.reserve(1, idempotency=key("hold"))
    rows = await database.ledger_pool.fetch("SELECT key, expires_at - created_at FROM idempotency ORDER BY key")
    assert [(row[0], row[1] and row[1].total_seconds()) for row in rows] == [("hold", 86_400), ("money", None)]


async def test_a_refusal_from_memory_does_not_hide_a_remembered_answer(
    database: Database, new_ledger: NewLedger
) -> None:
    ledger = await new_ledger(patient(remember_refusals_seconds=600))
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(10)
    granted = await mandate.reserve(10, idempotency=key("r"))
    assert isinstance(granted, Granted)
    await mandate.settle(granted.hold_id, 10)
    assert isinstance(await mandate.reserve(5), Rejected)
    assert await mandate.reserve(10, idempotency=key("r")) == granted
