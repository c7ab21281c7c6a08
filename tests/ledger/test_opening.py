"""Accounts come into being with the first command that needs them, whatever that is and whatever comes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id, new_mandate_id, operator_account_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Granted, MoveToWallet, Post, Posted, Reason, Rejected, Settle, TransferKind
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import NewLedger


@pytest.fixture
async def mandate(database: Database, ledger: Ledger) -> Mandate:
    return Mandate(ledger, await create_mandate(database))


async def kinds(database: Database, mandate: Mandate) -> set[str]:
    sql = "SELECT kind FROM account WHERE mandate_id = $1"
    return {row[0] for row in await database.ledger_pool.fetch(sql, mandate.mandate_id)}


async def test_a_mandate_that_was_refused_first_can_be_funded(mandate: Mandate) -> None:
    refused = await mandate.reserve(5)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.BALANCE_EXHAUSTED
    assert isinstance(await mandate.post(5), Posted)
    assert isinstance(await mandate.reserve(5), Granted)


async def test_two_engines_open_the_same_accounts_at_once(database: Database, new_ledger: NewLedger) -> None:
    engines = [await new_ledger() for _ in range(3)]
    mandate_id = await create_mandate(database)
    wallets = [new_id() for _ in range(5)]
    posted = await asyncio.gather(
        *(Mandate(engine, mandate_id).post(7, wallet=wallet) for engine in engines for wallet in [None, *wallets])
    )
    assert all(isinstance(outcome, Posted) for outcome in posted)
    sql = "SELECT account_id, credits_posted FROM account WHERE mandate_id = $1 AND kind IN ('pool', 'wallet')"
    rows = await database.ledger_pool.fetch(sql, mandate_id)
    assert {row[0]: row[1] for row in rows} == dict.fromkeys([mandate_id, *wallets], 21)


async def test_a_mandate_that_does_not_exist(ledger: Ledger) -> None:
    nobody = Mandate(ledger, new_mandate_id())
    outcomes = [
        await nobody.reserve(1),
        await nobody.post(1),
        await nobody.settle(new_id(), 1),
        await ledger.submit(
            MoveToWallet(
                mandate_id=nobody.mandate_id,
                transfer_id=new_id(),
                account_id=nobody.mandate_id,
                wallet_id=new_id(),
                amount_nanos=1,
            )
        ),
    ]
    reasons = [outcome.reason for outcome in outcomes if isinstance(outcome, Rejected)]
    inactive = Reason.MANDATE_NOT_ACTIVE
    assert reasons == [inactive, inactive, Reason.HOLD_NOT_FOUND, inactive]
    assert ledger.statistics.quarantined == 0


@pytest.mark.parametrize("kind", ["funding", "revenue", "overrun_loss"])
async def test_the_operators_accounts_are_nobodys_wallet(database: Database, mandate: Mandate, kind: str) -> None:
    operators = operator_account_id(mandate.mandate_id, kind)  # type: ignore[arg-type]
    for outcome in (
        await mandate.reserve(1, wallet=operators, billing_model="PREPAY_USER"),
        await mandate.post(1, wallet=operators),
        await mandate.settle(new_id(), 1, wallet=operators),
    ):
        assert isinstance(outcome, Rejected)
    assert "wallet" not in await kinds(database, mandate)


async def test_a_pool_does_not_become_a_wallet(database: Database, mandate: Mandate) -> None:
    command = MoveToWallet(
        mandate_id=mandate.mandate_id,
        transfer_id=new_id(),
        account_id=mandate.mandate_id,
        wallet_id=mandate.mandate_id,
        amount_nanos=1,
    )
    assert isinstance(await mandate.ledger.submit(command), Rejected)
    assert "wallet" not in await kinds(database, mandate)


UNFIT = "\ud800"


@pytest.mark.parametrize("text", [UNFIT, "a\0b", "x" * 2000])
async def test_texts_that_cannot_be_stored_never_reach_a_batch(mandate: Mandate, text: str) -> None:
    await mandate.post(100)
    for outcome in (
        await mandate.reserve(1, model=text),
        await mandate.reserve(1, upstream=text),
        await mandate.reserve(1, tags={"a": text}),
        await mandate.reserve(1, tags={text: "a"}),
        await mandate.settle(new_id(), 1, model=text),
        await mandate.post(1, reference=text),
        await mandate.post(1, reason=text, kind=TransferKind.CORRECTION),
        await mandate.post(1, actor=text),
    ):
        assert isinstance(outcome, Rejected)
        assert outcome.reason is Reason.OUT_OF_RANGE
    assert mandate.ledger.statistics.quarantined == 0


async def test_counts_that_cannot_be_stored_never_reach_a_batch(mandate: Mandate) -> None:
    await mandate.post(100)
    granted = await mandate.reserve(1)
    assert isinstance(granted, Granted)
    for tokens in (-1, 2**63):
        for name in ("input_tokens", "cached_input_tokens", "output_tokens"):
            counts: dict[str, Any] = {name: tokens}
            outcome = await mandate.settle(granted.hold_id, 1, **counts)
            assert isinstance(outcome, Rejected)
    assert mandate.ledger.statistics.quarantined == 0


def test_commands_can_be_told_apart_by_their_type() -> None:
    """The engine asks `type(command) is ...`."""
    for command in (Post, Settle, MoveToWallet):
        assert issubclass(command, msgspec.Struct)
        assert command.__subclasses__() == []
