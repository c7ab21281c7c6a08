"""The proof that the checks check: engines that are broken on purpose, and what must notice each of them.

The checks are the suite's own: the tables of the rules, a fixed course of events with `verify` at its end, the oracle
beside the engine, and two engines that race for one pool. A mutant that its check does not notice fails the test here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from bursar.foundation.database import Database
from bursar.ledger import books, decide, lane, reading, resolve, writing
from bursar.ledger.decision import Decision
from bursar.ledger.engine import Ledger
from bursar.ledger.entry import CommandQuarantined
from bursar.ledger.model import Granted, Hold, Settle
from bursar.ledger.verify import Violation, verify
from tests.ledger import mutants
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import patient
from tests.ledger.course import course
from tests.ledger.machine import LedgerMachine
from tests.ledger.scenario import play, scenarios
from tests.ledger.test_holding import RULES as HOLDING
from tests.ledger.test_settling import RULES as SETTLING
from tests.ledger.world import world_of

SEED = 20261123
Break = Callable[[pytest.MonkeyPatch], None]
Check = Callable[[pytest.FixtureRequest], None]


# --- mutants and what notices them -----------------------------------------------------------------------------------


def the_tables(request: pytest.FixtureRequest) -> None:
    for _, table in scenarios(HOLDING) + scenarios(SETTLING):
        play(table)


def a_course(request: pytest.FixtureRequest) -> None:
    with world_of(request.getfixturevalue("database_addresses")) as world:
        world.run(course(world.database, world.ledger))


def the_oracle(request: pytest.FixtureRequest) -> None:
    with world_of(request.getfixturevalue("database_addresses")) as world:
        machine = type("Machine", (LedgerMachine,), {"world": world})
        run_state_machine_as_test(
            seed(SEED)(machine),
            settings=settings(
                max_examples=100,
                stateful_step_count=25,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                report_multiple_bugs=False,
            ),
        )


NOTICED: list[tuple[Break, Check]] = [
    (mutants.no_available_check, the_tables),
    (mutants.no_funds_check, the_oracle),
    (mutants.no_funds_check, the_tables),
    (mutants.no_limit_check, the_tables),
    (mutants.deleted_limits_refuse, the_tables),
    (mutants.forgotten_leg, the_tables),
    (mutants.forgotten_leg, a_course),
    (mutants.double_settle, the_tables),
    (mutants.unlimited_spare, the_tables),
    (mutants.unlimited_spare, a_course),
    (mutants.others_hold_touched, the_tables),
    (mutants.wallet_on_credit, the_tables),
    (mutants.lost_debit, the_tables),
    (mutants.lost_debit, a_course),
    (mutants.same_version, a_course),
    (mutants.adjusted_twice, the_tables),
    (mutants.usage_forgotten, the_tables),
    (mutants.early_expiry, the_tables),
    (mutants.no_memory, a_course),
    (mutants.stale_terms, a_course),
    (mutants.settles_last, a_course),
    (mutants.cap_counts_from_now, a_course),
    (mutants.caller_gone_keeps_hold, a_course),
]


@pytest.mark.parametrize(("mutant", "check"), NOTICED, ids=lambda part: part.__name__)
def test_it_is_noticed(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, mutant: Break, check: Check
) -> None:
    mutant(monkeypatch)
    with pytest.raises((AssertionError, CommandQuarantined)):
        check(request)


@pytest.mark.parametrize("check", [the_tables, a_course])
def test_a_sound_engine_passes(request: pytest.FixtureRequest, check: Check) -> None:
    check(request)


# --- two engines race ------------------------------------------------------------------------------------------------


async def race(database: Database, patch: pytest.MonkeyPatch) -> tuple[int, list[Violation]]:
    """Two engines, 200 calls each, on money for 100: how many were granted, and what is wrong afterwards.

    Each batch pauses between reading and writing, which is time enough for the other engine to read the same.
    """
    original: Any = vars(lane)["write"]

    async def write_slowly(connection: Any, writes: Any) -> None:
        await asyncio.sleep(0.05)
        await original(connection, writes)

    mandate_id = await create_mandate(database)
    limits = patient(wait_for_held_seconds=0, settle_delay_seconds=0, batch_commands=60)
    engines = [Ledger(database.engine_pool, limits=limits) for _ in range(2)]
    for engine in engines:
        await engine.start()
        await Mandate(engine, mandate_id).post(50)
    patch.setattr("bursar.ledger.lane.write", write_slowly)
    outcomes = await asyncio.gather(
        *(Mandate(engines[number % 2], mandate_id).reserve(1) for number in range(400)), return_exceptions=True
    )
    for engine in engines:
        await engine.stop()
    return sum(isinstance(outcome, Granted) for outcome in outcomes), await verify(database.ledger_pool)


async def test_the_race_is_right_with_a_sound_engine(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await race(database, monkeypatch) == (100, [])


async def test_without_the_row_lock_the_race_goes_red(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    unlocked = reading.LOCK_ACCOUNTS.replace("FOR UPDATE OF a", "--")
    assert unlocked != reading.LOCK_ACCOUNTS
    monkeypatch.setattr(reading, "LOCK_ACCOUNTS", unlocked)
    granted, wrong = await race(database, monkeypatch)
    assert granted > 100
    assert {"account_is_the_fold_of_its_entries", "versions_unique"} <= {violation.invariant for violation in wrong}


async def test_without_the_available_check_the_race_goes_red(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutants.no_funds_check(monkeypatch)
    granted, wrong = await race(database, monkeypatch)
    assert granted == 400
    assert "never_more_held_than_available" in {violation.invariant for violation in wrong}


async def test_without_its_guards_a_hold_is_charged_twice_and_verify_sees_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three things stand in the way: the rule, the statement's condition, and the journal's unique index."""
    engine = Ledger(database.engine_pool)
    await engine.start()
    mandate = Mandate(engine, await create_mandate(database))
    await mandate.post(100)
    granted = await mandate.reserve(10)
    assert isinstance(granted, Granted)
    await mandate.settle(granted.hold_id, 10)

    original = resolve.settle

    def settle(into: books.Books, command: Settle, at: Any) -> Decision:
        key = (command.mandate_id, command.hold_id)
        hold = into.holds[key]
        into.holds[key] = Hold(
            hold.mandate_id, hold.hold_id, hold.account_id, "PENDING", 0, 0, None, (), hold.expires_at, 60, 1
        )
        return original(into, command, at)

    monkeypatch.setitem(decide._RULES, Settle, settle)
    with pytest.raises(Exception, match=r"NotWritten|transfer_hold"):
        await mandate.settle(granted.hold_id, 10)
    assert await verify(database.ledger_pool) == []

    monkeypatch.setattr(writing, "RESOLVE_HOLDS", writing.RESOLVE_HOLDS.partition("       AND (h.state")[0])
    with pytest.raises(Exception, match="transfer_hold"):
        await mandate.settle(granted.hold_id, 10)
    assert await verify(database.ledger_pool) == []

    owner = await asyncpg.connect(database.addresses.owner.dsn)
    await owner.execute("DROP INDEX transfer_hold")
    await owner.close()
    await mandate.settle(granted.hold_id, 10)
    assert "hold_resolved_once" in {violation.invariant for violation in await verify(database.ledger_pool)}
    await engine.stop()
