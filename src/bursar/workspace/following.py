"""Following a run's events, from any number on, on any worker: from the journal where the run is running here, else
from the database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final, TypeAlias

from bursar.foundation.database import Database
from bursar.identity.access import not_found
from bursar.workspace import run_store
from bursar.workspace.journal import Journal
from bursar.workspace.run_store import RunKey

KEEP_ALIVE_SECONDS: Final = 15.0
_LOOK_SECONDS: Final = 0.15
"""How often the database is asked about a run of another worker."""

Numbered: TypeAlias = tuple[int, str]


async def follow(
    database: Database, running: Mapping[RunKey, Journal], key: RunKey, after: int
) -> AsyncIterator[Numbered | None]:
    """Events after a number, until the run stands still; `None` whenever nothing came for a while.

    Raises a 404 `Problem` if the run goes away with its thread.
    """
    silent_seconds = 0.0
    while True:
        journal = running.get(key)
        if journal is not None and after >= journal.first_event_id - 1:
            async for each in journal.follow(after, KEEP_ALIVE_SECONDS):
                after = after if each is None else each[0]
                yield each
            return
        async with database.as_mandate(key.mandate_id) as connection:
            # The state first: events that it counts are there.
            state = await run_store.state(connection, key)
            if state is None:
                raise not_found("run")
            found = await run_store.read_events(connection, key, after)
        for each in found:
            after = each[0]
            yield each
        if found:
            silent_seconds = 0.0
            continue
        if after >= state.last_event_id and state.status != "RUNNING":
            return
        await asyncio.sleep(_LOOK_SECONDS)
        silent_seconds += _LOOK_SECONDS
        if silent_seconds >= KEEP_ALIVE_SECONDS:
            silent_seconds = 0.0
            yield None


def sse(each: Numbered | None) -> bytes:
    """An event as it goes over the wire; for silence, a comment."""
    return b": keep-alive\n\n" if each is None else f"id: {each[0]}\ndata: {each[1]}\n\n".encode()
