"""What of the notices goes by age, and what stays however old it is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bursar.foundation.database import Database
from bursar.ledger.pruning import Pruning, PruningPace
from bursar.notices.pruning import notice_chores
from tests.notices.money_side import MoneySide
from tests.support.aging import age, id_of

NOTHING = {"notices": 0, "alerts": 0, "inboxes": 0, "refusals": 0}


async def prune(database: Database, days: int = 90) -> Mapping[str, int]:
    pace = PruningPace(batch_rows=3, pause_seconds=0)
    return await Pruning(database.ledger_pool, notice_chores(days), pace=pace).round()


async def owner(database: Database, statement: str, *values: Any) -> None:
    connection = await asyncpg.connect(database.addresses.owner.dsn)
    try:
        await connection.execute(statement, *values)
    finally:
        await connection.close()


async def make_old(side: MoneySide, mandate_id: UUID, states: Mapping[str, str] | None = None) -> None:
    """Everything a hundred days ago, and the rows of these recipients ended so."""
    for row in await side.notices(mandate_id):
        await owner(
            side.database,
            "UPDATE notice SET notice_id = $2, state = $3, sent_at = CASE $3 WHEN 'SENT' THEN updated_at END"
            " WHERE notice_id = $1",
            row["notice_id"],
            id_of(100),
            (states or {}).get(row["recipient"], row["state"]),
        )
    await age(side.database, 100)


@pytest.fixture
def side(database: Database) -> MoneySide:
    side = MoneySide(database)
    side.clock.at = datetime.now(UTC) - timedelta(minutes=5)
    return side


async def test_what_was_told_and_is_over_goes(side: MoneySide) -> None:
    mandate_id = await side.mandate("a@example.org", "b@example.org")
    user_id = await side.person(mandate_id, "Anna")
    await side.refuse(mandate_id, user_id=user_id)
    side.clock.pass_by(minutes=1)
    await side.fund(mandate_id)
    await make_old(side, mandate_id, {"a@example.org": "SENT", "b@example.org": "FAILED"})
    assert await prune(side.database, 200) == NOTHING
    assert await prune(side.database) == {"notices": 2, "alerts": 2, "inboxes": 0, "refusals": 0}
    assert await side.notices(mandate_id) == []
    assert await side.alert(mandate_id) == {}
    side.clock.pass_by(minutes=1)
    await side.spend_all(mandate_id)
    await side.refuse(mandate_id)
    assert await side.states(mandate_id) == ["a@example.org QUEUED", "b@example.org QUEUED"]


async def test_what_is_undelivered_or_young_stays(side: MoneySide) -> None:
    old, young = await side.mandate("a@example.org", "b@example.org"), await side.mandate("c@example.org")
    await side.refuse(old)
    await make_old(side, old, {"a@example.org": "SENT"})
    await side.refuse(young)
    await side.fund(young)
    assert await prune(side.database) == NOTHING
    assert len(await side.notices(old)) == 2
    assert await side.states(young) == ["c@example.org CANCELLED"]
    await owner(side.database, "UPDATE notice SET state = 'REFUSED' WHERE mandate_id = $1 AND state = 'QUEUED'", old)
    assert await prune(side.database) == {"notices": 2, "alerts": 0, "inboxes": 0, "refusals": 0}


async def test_a_shortage_that_lasts_keeps_its_alert_and_its_users(side: MoneySide) -> None:
    mandate_id = await side.mandate("a@example.org")
    user_id = await side.person(mandate_id, "Anna")
    await side.refuse(mandate_id, user_id=user_id)
    await make_old(side, mandate_id, {"a@example.org": "SENT"})
    assert await prune(side.database) == {"notices": 1, "alerts": 0, "inboxes": 0, "refusals": 0}
    assert (await side.alert(mandate_id))["refused_users"] == 1
    assert await side.database.ledger_pool.fetchval("SELECT count(*) FROM refused_user") == 1


async def test_users_of_an_earlier_shortage_go_before_the_alert(side: MoneySide) -> None:
    mandate_id = await side.mandate("a@example.org")
    users = [await side.person(mandate_id, name) for name in ("Anna", "Beat", "Carla", "Dario")]
    for user_id in users:
        await side.refuse(mandate_id, user_id=user_id)
    await side.fund(mandate_id)
    await make_old(side, mandate_id)
    await side.spend_all(mandate_id)
    await side.refuse(mandate_id, user_id=users[0])
    assert (await prune(side.database))["alerts"] == 3
    assert await side.database.ledger_pool.fetchval("SELECT user_id FROM refused_user") == users[0]
    assert (await side.alert(mandate_id))["refused_users"] == 1


async def test_inboxes_go_by_age(side: MoneySide) -> None:
    mandate_id = await side.mandate("a@example.org")
    anna = await side.person(mandate_id, "Anna")
    for days in (*range(100, 105), 1):
        at = side.clock.at - timedelta(days=days)
        await side.database.ledger_pool.execute(
            "INSERT INTO inbox_item (mandate_id, user_id, kind, account_id, payload, created_at)"
            " VALUES ($1, $2, 'EXHAUSTED', $1, '{}', $3)", mandate_id, anna, at,
        )  # fmt: skip
    assert await prune(side.database, 200) == NOTHING
    assert await prune(side.database) == {**NOTHING, "inboxes": 5}
    assert len(await side.inbox(mandate_id)) == 1


async def test_refusals_by_the_hour_go_by_age(side: MoneySide) -> None:
    mandate_id = await side.mandate("a@example.org")
    await side.refuse(mandate_id)
    hours = "SELECT count(*) FROM refusal_hour WHERE mandate_id = $1"
    await owner(
        side.database,
        "INSERT INTO refusal_hour SELECT mandate_id, account_id, hour - interval '1 day' * days, calls"
        " FROM refusal_hour, generate_series(100, 104) AS days WHERE mandate_id = $1",
        mandate_id,
    )
    assert await side.database.ledger_pool.fetchval(hours, mandate_id) == 6
    assert await prune(side.database) == {**NOTHING, "refusals": 5}
    assert await side.database.ledger_pool.fetchval(hours, mandate_id) == 1


async def test_no_running_role_may_delete_a_notice(database: Database) -> None:
    for table in ("notice", "alert", "refused_user", "inbox_item", "refusal_hour"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.ledger_pool.execute(f"DELETE FROM {table}")  # noqa: S608


def test_thirty_five_days_are_the_least() -> None:
    with pytest.raises(ValueError, match="35 days"):
        notice_chores(34)
