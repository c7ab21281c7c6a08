"""The engine beside the oracle, on random but repeatable courses of events."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from bursar.foundation.addresses import DatabaseAddresses
from tests.ledger.machine import LedgerMachine
from tests.ledger.world import world_of

SEED = int(os.environ.get("BURSAR_TEST_SEED", "20261123"))


def run(addresses: DatabaseAddresses, examples: int, steps: int, seed_value: int) -> None:
    print(f"BURSAR_TEST_SEED={seed_value}")
    with world_of(addresses) as world:
        machine = type("Machine", (LedgerMachine,), {"world": world})
        run_state_machine_as_test(
            seed(seed_value)(machine),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_the_engine_answers_as_the_oracle(database_addresses: DatabaseAddresses) -> None:
    run(database_addresses, 25, 30, SEED)


@pytest.mark.simulate
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("number", range(8))
def test_the_engine_answers_as_the_oracle_for_long(database_addresses: DatabaseAddresses, number: int) -> None:
    run(database_addresses, 150, 60, SEED + number)
