"""`verify` finds what is wrong: every invariant is broken by hand, one after the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger import verify as verify_module
from bursar.ledger.engine import Ledger
from bursar.ledger.invariants import INVARIANTS, THOROUGH, WARNINGS
from bursar.ledger.model import Expire, Granted, IdempotencyKey, LimitSet, TransferKind
from bursar.ledger.verify import Violation, verify
from tests.ledger.books_support import Mandate, change_terms, create_mandate
from tests.ledger.machine import zone_where_it_is_noon

# ruff: noqa: E501 -- a table has its rows whole

# invariant it breaks | what is done to a mandate's books (as the owner, whom nothing stops)
TAMPERING = """
debits_equal_credits | UPDATE account SET credits_posted = credits_posted + 1 WHERE kind = 'pool'
debits_equal_credits | UPDATE account SET debits_posted = debits_posted - 1 WHERE kind = 'funding'
account_is_the_fold_of_its_entries | UPDATE account SET debits_posted = debits_posted + 1 WHERE kind IN ('pool', 'revenue')
account_is_the_fold_of_its_entries | UPDATE account SET debits_pending = debits_pending + 1 WHERE kind = 'pool'
account_is_the_fold_of_its_entries | UPDATE hold SET amount_nanos = amount_nanos + 1 WHERE state = 'PENDING'
account_is_the_fold_of_its_entries | UPDATE transfer SET amount_nanos = amount_nanos + 1 WHERE kind = 'TOP_UP'
account_is_the_fold_of_its_entries | DELETE FROM transfer WHERE kind = 'REFUND'
account_is_the_fold_of_its_entries | DELETE FROM account WHERE kind = 'overrun_loss'
last_top_up | UPDATE account SET last_top_up_nanos = 1 WHERE kind = 'pool'
versions_unique | UPDATE hold SET resolved_version = created_version WHERE state = 'SETTLED'
versions_unique | UPDATE transfer SET debit_version = 1 WHERE kind = 'CHARGE' AND amount_nanos = 7
versions_complete | UPDATE account SET version = version + 1 WHERE kind = 'pool'
versions_complete | UPDATE hold SET growths = growths + 1 WHERE state = 'PENDING'
versions_complete | UPDATE transfer SET credit_version = credit_version + 1000 WHERE kind = 'TOP_UP'
hold_state | UPDATE hold SET charged_nanos = 0 WHERE state = 'PENDING'
hold_state | UPDATE hold SET state = 'PENDING' WHERE state = 'RELEASED'
hold_state | UPDATE hold SET resolved_at = NULL WHERE state = 'SETTLED'
hold_state | UPDATE hold SET adjusted = true WHERE state = 'SETTLED'
hold_state | UPDATE hold SET overrun_nanos = NULL WHERE state = 'RELEASED'
hold_state | UPDATE hold SET charged_nanos = amount_nanos + 1 WHERE state = 'EXPIRED' AND NOT adjusted
hold_resolved_once | UPDATE hold SET charged_nanos = charged_nanos + 1 WHERE state = 'SETTLED'
hold_resolved_once | UPDATE hold SET overrun_nanos = overrun_nanos + 1 WHERE state = 'SETTLED'
hold_resolved_once | UPDATE hold SET adjusted = false WHERE state = 'EXPIRED'
hold_resolved_once | DELETE FROM transfer WHERE kind = 'CHARGE'
hold_resolved_once | DROP INDEX transfer_hold; UPDATE transfer SET kind = 'CHARGE' WHERE kind = 'LATE_ADJUSTMENT'
transfer_accounts | UPDATE transfer SET kind = 'REFUND' WHERE kind = 'TOP_UP'
transfer_accounts | UPDATE transfer SET hold_id = NULL WHERE kind = 'CHARGE'
transfer_accounts | UPDATE transfer SET hold_id = gen_random_uuid() WHERE kind = 'TOP_UP'
transfer_accounts | UPDATE transfer SET hold_id = gen_random_uuid() WHERE kind = 'CHARGE'
transfer_accounts | UPDATE transfer SET debit_account_id = gen_random_uuid() WHERE kind = 'CHARGE'
no_orphans | UPDATE hold SET account_id = gen_random_uuid() WHERE state = 'RELEASED'
no_orphans | UPDATE hold SET payer = 'wallet'
no_orphans | UPDATE hold SET price_id = gen_random_uuid() WHERE state = 'SETTLED'
no_orphans | UPDATE account SET kind = 'wallet' WHERE kind = 'pool'
limit_is_the_fold_of_its_legs | UPDATE limit_counter SET spent_nanos = spent_nanos + 1
limit_is_the_fold_of_its_legs | UPDATE limit_counter SET held_nanos = held_nanos - 1
limit_is_the_fold_of_its_legs | DELETE FROM limit_counter
limit_is_the_fold_of_its_legs | UPDATE hold SET limit_ids = '{}', limit_periods = '{}' WHERE state = 'PENDING'
limit_is_the_fold_of_its_legs | UPDATE transfer SET limit_ids = '{}', limit_periods = '{}'
limit_counts_every_call | UPDATE limit_counter SET opening_nanos = opening_nanos + 1
limit_counts_every_call | UPDATE hold SET user_id = NULL WHERE state = 'SETTLED'
prepaid_balance_never_negative | UPDATE transfer SET credit_version = credit_version + 100 WHERE kind = 'TOP_UP'
never_more_held_than_available | UPDATE hold SET created_version = 0
remembered_answers_exist | UPDATE idempotency SET result = jsonb_set(result, '{hold_id}', to_jsonb(gen_random_uuid())) WHERE key = 'r'
remembered_answers_exist | UPDATE idempotency SET result = jsonb_set(result, '{transfer_id}', to_jsonb(gen_random_uuid())) WHERE key = 't'
amounts_in_range | UPDATE transfer SET amount_nanos = 4000000000000000001 WHERE kind = 'TOP_UP'
amounts_in_range | UPDATE hold SET input_bound_nanos = 4000000000000000001 WHERE state = 'SETTLED'
hold_overdue | UPDATE hold SET expires_at = now() - interval '31 seconds' WHERE state = 'PENDING'
"""
ROWS = [tuple(cell.strip() for cell in row.split(" | ", 1)) for row in TAMPERING.strip().splitlines()]


@pytest.fixture
async def mandate(database: Database) -> AsyncIterator[Mandate]:
    """Something of everything, and nothing wrong with it."""
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    mandate = Mandate(ledger, await create_mandate(database, time_zone=zone_where_it_is_noon()))
    user = new_id()
    limit = await ledger.create_limit(
        mandate.mandate_id, scope="user", scope_id=str(user), period="month", amount_nanos=1000
    )
    assert isinstance(limit, LimitSet)
    await mandate.post(100, idempotency=IdempotencyKey("tests", "r", "t", b"body"))
    await mandate.post(2, kind=TransferKind.REFUND)
    settled = await reserve(mandate, user, idempotency=IdempotencyKey("tests", "r", "r", b"body"))
    await mandate.settle(settled, 7)
    await mandate.release(await reserve(mandate, user))
    for late in (None, 3):
        expired = await reserve(mandate, user, input_bound_nanos=5)
        await database.ledger_pool.execute("UPDATE hold SET expires_at = now() WHERE hold_id = $1", expired)
        await ledger.submit(
            Expire(
                mandate_id=mandate.mandate_id,
                hold_id=expired,
                account_id=mandate.mandate_id,
                transfer_id=new_id(),
            )
        )
        if late is not None:
            await mandate.settle(expired, late)
    await mandate.settle(await reserve(mandate, user), 1000)
    await mandate.post(50)
    await reserve(mandate, user)
    yield mandate
    await ledger.stop()


async def reserve(mandate: Mandate, user: UUID, **more: Any) -> UUID:
    granted = await mandate.reserve(10, user_id=user, **more)
    assert isinstance(granted, Granted)
    return granted.hold_id


async def tamper(database: Database, statements: str) -> None:
    owner = await asyncpg.connect(database.addresses.owner.dsn)
    try:
        for statement in statements.split(";"):
            await owner.execute(statement)
    finally:
        await owner.close()


async def test_nothing_is_wrong_with_sound_books(database: Database, mandate: Mandate) -> None:
    assert await verify(database.ledger_pool, thorough=True) == []
    assert await verify(database.ledger_pool, mandate.mandate_id, thorough=True) == []


async def test_what_is_wrong_is_found(database: Database, mandate: Mandate) -> None:
    """Each row in a transaction that is undone, so that one database serves all."""
    owner = await asyncpg.connect(database.addresses.owner.dsn)
    unseen: list[tuple[str, str, list[Violation]]] = []
    for invariant, statements in ROWS:
        undone = owner.transaction()
        await undone.start()
        for statement in statements.split(";"):
            assert await owner.execute(statement) not in ("UPDATE 0", "DELETE 0")
        found = await verify(owner, thorough=True)
        await undone.rollback()
        if invariant not in {violation.invariant for violation in found}:
            unseen.append((invariant, statements, found))
        assert {violation.mandate_id for violation in found} <= {mandate.mandate_id}
        assert all(violation.detail and violation.subject for violation in found)
        assert all(violation.is_warning == (violation.invariant in WARNINGS) for violation in found)
    assert unseen == []
    assert await verify(owner, thorough=True) == []
    await owner.close()


def test_every_invariant_has_been_broken() -> None:
    broken = {row[0] for row in ROWS}
    assert broken | ELSEWHERE == set(INVARIANTS) | set(THOROUGH)


ELSEWHERE = {"checkpoint_is_the_fold_of_what_was_pruned"}
"""Broken in the tests of pruning."""


async def test_one_mandates_trouble_is_not_another_ones(database: Database, mandate: Mandate) -> None:
    other = await create_mandate(database)
    await Mandate(mandate.ledger, other).post(5)
    await tamper(database, f"UPDATE account SET version = 99 WHERE mandate_id = '{mandate.mandate_id}'")  # noqa: S608
    assert await verify(database.ledger_pool, other) == []
    assert await verify(database.ledger_pool, mandate.mandate_id) != []


async def test_a_list_has_an_end(database: Database, mandate: Mandate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_module, "MOST_OF_ONE_KIND", 2)
    await tamper(database, "UPDATE account SET version = 99")
    found = await verify(database.ledger_pool)
    assert len([violation for violation in found if violation.invariant == "versions_complete"]) == 2


async def test_a_hold_is_only_overdue_after_a_while(database: Database, mandate: Mandate) -> None:
    await tamper(database, "UPDATE hold SET expires_at = now() - interval '20 seconds' WHERE state = 'PENDING'")
    assert await verify(database.ledger_pool) == []
    (found,) = await verify(database.ledger_pool, overdue_seconds=10)
    assert found.is_warning
    assert isinstance(found, Violation)


async def test_it_runs_while_calls_go_on(database: Database, mandate: Mandate) -> None:
    """All of its statements see one moment."""
    ending = asyncio.Event()

    async def caller() -> None:
        while not ending.is_set():
            granted = await mandate.reserve(1)
            if isinstance(granted, Granted):
                await mandate.release(granted.hold_id)

    callers = [asyncio.create_task(caller()) for _ in range(10)]
    for _ in range(5):
        assert await verify(database.ledger_pool, thorough=True) == []
    ending.set()
    await asyncio.gather(*callers)


async def test_a_mandate_that_changed_its_terms_in_mid_call_is_no_false_alarm(
    database: Database, mandate: Mandate
) -> None:
    """A prepaid call that is extended on credit, or overrun on credit, may end below zero."""
    ledger = mandate.ledger
    for how in ("extended", "overrun", "corrected"):
        other = Mandate(ledger, await create_mandate(database))
        await other.post(10)
        granted = await other.reserve(10)
        assert isinstance(granted, Granted)
        await change_terms(database, other.mandate_id, credit_limit_nanos=50, billing_model="POSTPAY")
        if how == "extended":
            assert isinstance(await other.extend(granted.hold_id, 20), Granted)
        if how == "corrected":
            await other.post(-20, kind=TransferKind.CORRECTION)
        if how != "overrun":
            await change_terms(database, other.mandate_id, billing_model="PREPAY_MANDATE")
        await other.settle(granted.hold_id, 20)
        balance = "SELECT credits_posted - debits_posted FROM account WHERE account_id = $1"
        assert await database.ledger_pool.fetchval(balance, other.mandate_id) < 0
        assert await verify(database.ledger_pool, other.mandate_id) == []
