"""The rider on real PostgreSQL: alerts, slots and outbox rows, in the transaction of the denial."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import asyncpg
import pytest
from structlog.testing import capture_logs

from bursar.foundation.ids import new_id
from bursar.ledger.model import Funding, Reason
from bursar.notices.rider import MANY
from tests.notices.money_side import CENT, MoneySide, refusal

A, B = "a@example.org", "b@example.org"


async def test_a_refusal_queues_one_row_per_recipient(money: MoneySide) -> None:
    mandate_id = await money.mandate(A, B)
    user_id, key_id = new_id(), new_id()
    await money.refuse(mandate_id, user_id=user_id, key_id=key_id, required_nanos=CENT, available_nanos=7)
    first, second = await money.notices(mandate_id)
    assert [first["recipient"], second["recipient"]] == [A, B]
    assert first["state"] == second["state"] == "QUEUED"
    assert first["channel"] == "email"
    assert first["next_attempt_at"] == money.clock.at
    assert first["payload"] == {
        "since": money.clock.at.isoformat(),
        "calls": 1,
        "users": 1,
        "requiredNanos": CENT,
        "availableNanos": 7,
        "userId": str(user_id),
        "keyId": str(key_id),
    }


async def test_a_batch_is_counted_once_and_people_are_counted_once(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    anna, ben, carla = new_id(), new_id(), new_id()
    await money.ride(
        [
            refusal(mandate_id, user_id=anna, calls=3),
            refusal(mandate_id, user_id=ben),
            refusal(mandate_id, user_id=anna),
            refusal(mandate_id),
        ]
    )
    await money.ride([refusal(mandate_id, user_id=ben, calls=10), refusal(mandate_id, user_id=carla)])
    alert = await money.alert(mandate_id)
    assert (alert["refused_calls"], alert["refused_users"], alert["last_user_id"]) == (17, 3, carla)
    assert len(await money.notices(mandate_id)) == 1


async def test_a_new_shortage_counts_people_anew(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    anna, ben = new_id(), new_id()
    await money.ride([refusal(mandate_id, user_id=anna), refusal(mandate_id, user_id=ben)])
    first = await money.alert(mandate_id)
    await money.fund(mandate_id)
    await money.spend_all(mandate_id)
    await money.refuse(mandate_id, user_id=anna)
    second = await money.alert(mandate_id)
    assert (first["refused_users"], second["refused_users"], second["refused_calls"]) == (2, 1, 1)
    assert first["shortage_id"] != second["shortage_id"]


@pytest.mark.parametrize("reason", [Reason.REQUEST_TOO_LARGE, Reason.FUNDS_HELD, Reason.LIMIT_REACHED])
async def test_only_an_exhausted_balance_is_an_alarm(money: MoneySide, reason: Reason) -> None:
    mandate_id = await money.mandate(A)
    assert reason not in money.rider.wants
    await money.ride([refusal(mandate_id, reason=reason)])
    assert not await money.alert(mandate_id)
    assert not await money.notices(mandate_id)


async def test_funding_withdraws_what_is_undelivered(money: MoneySide) -> None:
    mandate_id = await money.mandate(A, B)
    await money.refuse(mandate_id)
    await money.fund(mandate_id)
    assert await money.states(mandate_id) == [f"{A} CANCELLED", f"{B} CANCELLED"]
    assert (await money.alert(mandate_id))["resolved_at"] == money.clock.at


async def test_money_and_a_refusal_in_one_batch_are_taken_in_the_ledgers_order(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    before = await money.alert(mandate_id)
    money.clock.pass_by(hours=2)
    await money.ride([refusal(mandate_id)], [Funding(mandate_id, mandate_id, 1)])
    after = await money.alert(mandate_id)
    assert after["resolved_at"] is None
    assert after["shortage_id"] != before["shortage_id"]
    assert await money.states(mandate_id) == [f"{A} CANCELLED", f"{A} QUEUED"]


async def test_a_repeat_updates_the_undelivered_row(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    (first,) = await money.notices(mandate_id)
    for _ in range(5):
        money.clock.pass_by(hours=1)
        await money.refuse(mandate_id, calls=2)
    (row,) = await money.notices(mandate_id)
    assert row["notice_id"] == first["notice_id"]
    assert row["slot_id"] != first["slot_id"]
    assert row["payload"]["calls"] == 11
    assert row["payload"]["since"] == first["payload"]["since"]
    assert row["updated_at"] == money.clock.at


async def test_an_undelivered_row_is_unique_in_the_database_itself(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    with pytest.raises(asyncpg.UniqueViolationError, match="notice_undelivered"):
        await money.database.ledger_pool.execute(
            "INSERT INTO notice (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, channel, recipient,"
            " payload, next_attempt_at, created_at, updated_at) SELECT mandate_id, $2, kind, account_id, shortage_id,"
            " slot_id, channel, recipient, payload, now(), now(), now() FROM notice WHERE mandate_id = $1",
            mandate_id,
            uuid4(),
        )


async def test_one_wallet_silences_no_other_and_no_pool(money: MoneySide) -> None:
    mandate_id = await money.mandate(A, model="PREPAY_USER", wallets=True)
    anna, ben = new_id(), new_id()
    for wallet in (anna, ben):
        await money.account(mandate_id, wallet)
        await money.ride([refusal(mandate_id, account_id=wallet, user_id=wallet)])
    rows = await money.notices(mandate_id)
    assert {row["account_id"] for row in rows} == {anna, ben}


async def test_wallets_are_told_only_where_a_setting_says_so(money: MoneySide) -> None:
    mandate_id = await money.mandate(A, model="PREPAY_USER", wallets=False)
    anna = new_id()
    await money.account(mandate_id, anna)
    await money.ride([refusal(mandate_id, account_id=anna, user_id=anna)])
    assert not await money.alert(mandate_id, anna)
    await money.settings(mandate_id, notify_wallet_exhausted=True)
    await money.ride([refusal(mandate_id, account_id=anna, user_id=anna)])
    assert await money.states(mandate_id) == [f"{A} QUEUED"]


async def test_without_recipients_the_log_names_the_setting_once_per_cooldown(money: MoneySide) -> None:
    mandate_id = await money.mandate()
    with capture_logs() as logs:
        for minutes in (0, 1, 59, 0.5):
            money.clock.pass_by(minutes=minutes)
            await money.refuse(mandate_id)
    warnings = [entry for entry in logs if entry["event"] == "nobody_to_notify"]
    assert [(entry["log_level"], entry["setting"], entry["mandate_id"]) for entry in warnings] == [
        ("warning", "notifyEmails", str(mandate_id))
    ] * 2
    await money.settings(mandate_id, notify_emails=[A])
    await money.refuse(mandate_id)
    assert await money.states(mandate_id) == [f"{A} QUEUED"]


async def test_refusals_that_are_counted_late_begin_no_shortage_after_a_top_up(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    await money.refuse(mandate_id)
    await money.fund(mandate_id)
    money.clock.pass_by(hours=2)
    await money.refuse(mandate_id, calls=40)
    alert = await money.alert(mandate_id)
    assert alert["resolved_at"] is not None
    assert await money.states(mandate_id) == [f"{A} CANCELLED"]


async def test_what_the_rider_does_is_undone_with_its_savepoint(money: MoneySide) -> None:
    mandate_id = await money.mandate(A)
    async with money.database.ledger_pool.acquire() as connection, connection.transaction():
        savepoint = connection.transaction()
        await savepoint.start()
        await money.rider.ride(connection, [refusal(mandate_id)], [], money.clock.at)
        await savepoint.rollback()
    assert not await money.alert(mandate_id)
    await money.refuse(mandate_id)
    assert await money.states(mandate_id) == [f"{A} QUEUED"]


async def test_two_hundred_denials_over_two_connections_claim_one_slot(money: MoneySide) -> None:
    mandate_id = await money.mandate(A, B)
    people = [new_id() for _ in range(20)]

    async def deny(number: int) -> None:
        await money.ride([refusal(mandate_id, user_id=people[number % 20])])

    # Two lanes, as two workers have; each denial is a transaction of its own.
    async def lane(numbers: range) -> None:
        for number in numbers:
            await deny(number)

    await asyncio.gather(lane(range(0, 200, 2)), lane(range(1, 200, 2)))
    alert = await money.alert(mandate_id)
    assert (alert["refused_calls"], alert["refused_users"]) == (200, 20)
    assert await money.states(mandate_id) == [f"{A} QUEUED", f"{B} QUEUED"]


async def test_first_refusals_cost_two_statements_however_many_there_are(money: MoneySide) -> None:
    another, *mandate_ids = [await money.mandate(A, B, name=f"Mandate {number}") for number in range(6)]
    asked: list[str] = []
    async with money.database.ledger_pool.acquire() as connection, connection.transaction():
        # A connection asks once for the types that it meets.
        await money.rider.ride(connection, [refusal(another)], [], money.clock.at)
        with connection.query_logger(lambda query: asked.append(query.query)):
            refusals = [refusal(each, user_id=new_id()) for each in mandate_ids]
            await money.rider.ride(connection, refusals, [], money.clock.at)
    assert len(asked) == 2
    for mandate_id in mandate_ids:
        assert [row["payload"]["users"] for row in await money.notices(mandate_id)] == [1, 1]


@pytest.mark.parametrize("count", [20, MANY + 1])
async def test_many_mandates_in_one_batch(money: MoneySide, count: int) -> None:
    mandate_ids = [await money.mandate(A, name=f"Mandate {number}") for number in range(count)]
    await money.refuse(*mandate_ids)
    await money.refuse(*reversed(mandate_ids))
    for mandate_id in mandate_ids:
        assert (await money.alert(mandate_id))["refused_calls"] == 2
        assert await money.states(mandate_id) == [f"{A} QUEUED"]


class CountingConnection:
    """Counts statements."""

    def __init__(self, connection: object) -> None:
        self._connection = connection
        self.statements = 0

    def __getattr__(self, name: str) -> object:
        if name in {"fetch", "fetchrow", "fetchval", "execute", "executemany"}:
            self.statements += 1
        return getattr(self._connection, name)


async def test_a_storm_on_known_shortages_costs_two_statements_a_batch(money: MoneySide) -> None:
    mandate_ids = [await money.mandate(A, name=f"Mandate {number}") for number in range(5)]
    await money.refuse(*mandate_ids)
    storm = [refusal(mandate_ids[number % 5], user_id=new_id()) for number in range(500)]
    async with money.database.ledger_pool.acquire() as connection, connection.transaction():
        counting = CountingConnection(connection)
        await money.rider.ride(counting, storm, [], money.clock.at)  # type: ignore[arg-type]
    assert counting.statements == 2
    assert (await money.alert(mandate_ids[0]))["refused_users"] == 100


async def test_editing_the_addresses_frees_them_and_looks_again(money: MoneySide) -> None:
    mandate_id = await money.mandate(A, B)
    await money.database.ledger_pool.execute(
        "INSERT INTO recipient_state (mandate_id, channel, address, reason, refused_at)"
        " SELECT $1, 'email', unnest($2::text[]), '550', now()",
        mandate_id,
        [A, B],
    )
    with capture_logs():
        await money.refuse(mandate_id)
    assert await money.states(mandate_id) == []
    assert (await money.alert(mandate_id))["due_at"] is None
    await money.settings(mandate_id, notify_emails=["new@example.org", A])
    dead = await money.database.ledger_pool.fetch(
        "SELECT address FROM recipient_state WHERE mandate_id = $1", mandate_id
    )
    assert [row["address"] for row in dead] == [A], "what was not edited stays as it is"
    assert (await money.alert(mandate_id))["due_at"] is not None
    await money.refuse(mandate_id)
    assert await money.states(mandate_id) == ["new@example.org QUEUED"]
