"""A connection of its own that hears of changes at once, and comes back by itself when it is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final

import asyncpg
import structlog

from bursar.foundation.database import Database

_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0

_log = structlog.get_logger(__name__)


class Listener:
    """Calls a channel's function with the payload of every notification, and `gap()` whenever some may have been
    missed. `name` is the connection's, for whoever looks at the database's activity."""

    def __init__(
        self,
        database: Database,
        channels: Mapping[str, Callable[[str], None]],
        gap: Callable[[], None],
        *,
        name: str,
    ) -> None:
        self._database = database
        self._channels = channels
        self._gap = gap
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"{self._name}-listener")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        pause_seconds = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._listen()
                pause_seconds = _FIRST_PAUSE_SECONDS
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
                _log.warning("listener_lost", listener=self._name, error=" ".join(str(error).split()))
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)

    async def _listen(self) -> None:
        """Until the connection ends."""
        connection = await self._database.connect(name=self._name)
        ended = asyncio.Event()
        try:
            connection.add_termination_listener(lambda _: ended.set())
            for channel in self._channels:
                await connection.add_listener(channel, self._on_notification)
            self._gap()
            self.listening.set()
            await ended.wait()
        finally:
            self.listening.clear()
            self._gap()
            if not connection.is_closed():
                connection.terminate()

    def _on_notification(self, _connection: Any, _process_id: int, channel: str, payload: object) -> None:
        self._channels[channel](str(payload))
