"""The journal of a run: nothing is shown that is not stored, nothing is lost while the database is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID

import pytest

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.identity import mandates, users
from bursar.workspace import events, run_store, threads
from bursar.workspace.journal import Journal
from bursar.workspace.messages import Conversation
from bursar.workspace.run_store import LeaseLost, RunKey
from bursar.workspace.states import RunEnd


class Unreliable:
    """A database that is away for its next `refusals` transactions."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.refusals = 0

    @asynccontextmanager
    async def as_mandate(self, mandate_id: UUID) -> AsyncIterator[Connection]:
        if self.refusals:
            self.refusals -= 1
            raise OSError("away")
        async with self._database.as_mandate(mandate_id) as connection:
            yield connection


@pytest.fixture
def unreliable(database: Database) -> Unreliable:
    return Unreliable(database)


@pytest.fixture
async def journal(database: Database, unreliable: Unreliable) -> Journal:
    mandate_id = (await mandates.create_mandate(database, name="Werkstatt")).mandate_id
    user = await users.add_user(database, mandate_id, email="anna@example.com")
    thread = await threads.add_thread(database, mandate_id, user.user_id, title="", kind="chat", model="demo-1")
    key, lease = RunKey(mandate_id, thread.thread_id, "run-1"), new_id()
    async with database.as_mandate(mandate_id) as connection:
        await run_store.begin(connection, key, user.user_id, "en", lease, "Title")
    lost = asyncio.Event()
    journal = Journal(
        cast(Any, unreliable),
        key,
        lease,
        Conversation([]),
        last_event_id=0,
        step_count=0,
        on_stop=lambda: None,
        on_lost=lost.set,
    )
    journal.lost = lost  # type: ignore[attr-defined]
    return journal


async def stored(database: Database, key: RunKey) -> list[tuple[int, str]]:
    async with database.as_mandate(key.mandate_id) as connection:
        return await run_store.read_events(connection, key, 0)


async def test_what_could_not_be_stored_is_stored_later_in_order(
    journal: Journal, unreliable: Unreliable, database: Database
) -> None:
    seen: list[int] = []

    async def follow() -> None:
        async for each in journal.follow(0, 60):
            assert each is not None
            seen.append(each[0])

    following = asyncio.create_task(follow())
    unreliable.refusals = 2
    journal.start()
    journal.emit(events.text_start("m"))
    for word in ("One ", "two ", "three"):
        journal.emit(events.text_content("m", word))
        await asyncio.sleep(0)
    journal.emit(events.text_end("m"), events.run_finished(str(journal.key.thread_id), "run-1"))
    await journal.close(RunEnd("FINISHED"))
    await asyncio.wait_for(following, 30)
    found = await stored(database, journal.key)
    assert found == journal.stored
    assert [number for number, _ in found] == seen == list(range(1, len(found) + 1))
    async with database.as_mandate(journal.key.mandate_id) as connection:
        (message,) = await threads.read_messages(connection, journal.key.mandate_id, journal.key.thread_id)
        state = await run_store.state(connection, journal.key)
    assert message.content == "One two three"
    assert state == ("FINISHED", len(found))


async def test_who_has_lost_the_lease_writes_nothing_more(journal: Journal, database: Database) -> None:
    async with database.as_mandate(journal.key.mandate_id) as connection:
        await connection.execute("UPDATE workspace_run SET lease = $1", new_id())
    journal.start()
    journal.emit(events.text_start("m"))
    await asyncio.wait_for(journal.lost.wait(), 30)  # type: ignore[attr-defined]
    with pytest.raises(LeaseLost):
        await journal.close(RunEnd("FINISHED"))
    assert await stored(database, journal.key) == []
    assert journal.stored == []
