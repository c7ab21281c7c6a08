"""A running run's events: numbered, written down in batches, and only then shown to whoever follows.

One writer per run. A batch is one transaction: its events, the messages that they change, and the run's lease. Text
that came in between two batches is one event.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Final
from uuid import UUID

import asyncpg
import orjson
import structlog

from bursar.foundation.database import Database
from bursar.workspace import run_store
from bursar.workspace.events import CONTENT, Event
from bursar.workspace.messages import Conversation
from bursar.workspace.run_store import LEASE_SECONDS, LeaseLost, RunKey
from bursar.workspace.states import RunEnd
from bursar.workspace.threads import store_messages

BATCH_SECONDS: Final = 0.04
"""Between two batches: what a reader does not notice, and few transactions a second whatever the model's speed."""
HEARTBEAT_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.5
_DATABASE_TROUBLE: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
_log = structlog.get_logger(__name__)


class Journal:
    """`emit` from the loop; `stored` and `wait` for followers; `close` writes the rest, and how the run ended."""

    def __init__(
        self,
        database: Database,
        key: RunKey,
        lease: UUID,
        conversation: Conversation,
        *,
        last_event_id: int,
        step_count: int,
        on_stop: Callable[[], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.key = key
        self.conversation = conversation
        self.first_event_id = last_event_id + 1
        self.stored: list[tuple[int, str]] = []
        self.step_count = step_count
        self.is_over = False
        self._database = database
        self._lease = lease
        self._pending: list[dict[str, object]] = []
        self._calls: list[tuple[UUID, int, str]] = []
        self._costs: list[tuple[UUID, int]] = []
        self._next_id = last_event_id + 1
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._on_stop, self._on_lost = on_stop, on_lost
        self._writer: asyncio.Task[None] | None = None
        self._closing = False

    def start(self) -> None:
        self._writer = asyncio.get_running_loop().create_task(self._write_on(), name="workspace-journal")

    def emit(self, *events: Event) -> None:
        """What happened, in this order."""
        for event in events:
            self.conversation.apply(event, self.key.run_id)
            last = self._pending[-1] if self._pending else None
            if (
                last is not None
                and event["type"] == CONTENT == last["type"]
                and event["messageId"] == last["messageId"]
            ):
                last["delta"] = f"{last['delta']}{event['delta']}"
            else:
                self._pending.append(dict(event))
        self._wake.set()

    def note_call(self, request_id: UUID, message_id: str) -> None:
        """A call of the present step was let in; what it writes is this message's."""
        self._calls.append((request_id, self.step_count, message_id))
        self._wake.set()

    def note_cost(self, request_id: UUID, cost_nanos: int) -> None:
        """A call has been settled."""
        self._costs.append((request_id, cost_nanos))
        self._wake.set()

    async def close(self, end: RunEnd) -> None:
        """The last batch; the run stands still from here on. Keeps trying while the database is away and the lease
        lasts; after that others say that the run was interrupted. Raises `LeaseLost`."""
        self._closing = True
        self._wake.set()
        if self._writer is not None:
            await asyncio.wait((self._writer,))
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                while True:
                    try:
                        await self._write(end)
                        return
                    except _DATABASE_TROUBLE as error:
                        _log.warning("workspace_run_not_closed", run_id=self.key.run_id, error=repr(error))
                        await asyncio.sleep(_RETRY_SECONDS)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Nothing more comes, at least not from here."""
        self._closing = True
        self._wake.set()
        if not self.is_over:
            self.is_over = True
            self._show()

    # --- following ---------------------------------------------------------------------------------------------------

    async def follow(self, after: int, keep_alive_seconds: float) -> AsyncIterator[tuple[int, str] | None]:
        """Stored events after a number, until the run stands still; `None` whenever nothing came for a while."""
        while True:
            changed = self._changed
            while after + 1 - self.first_event_id < len(self.stored):
                number, text = self.stored[max(0, after + 1 - self.first_event_id)]
                after = number
                yield number, text
            if self.is_over:
                return
            try:
                async with asyncio.timeout(keep_alive_seconds):
                    await changed.wait()
            except TimeoutError:
                yield None

    def _show(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    # --- writing -----------------------------------------------------------------------------------------------------

    async def _write_on(self) -> None:
        """Until the run is closed, or lost."""
        loop = asyncio.get_running_loop()
        lease_until = loop.time() + LEASE_SECONDS
        while not self._closing:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            try:
                began = loop.time()
                if await self._write(None):
                    self._on_stop()
                lease_until = began + LEASE_SECONDS
            except LeaseLost:
                self._on_lost()
                return
            except _DATABASE_TROUBLE as error:
                _log.warning("workspace_events_delayed", run_id=self.key.run_id, error=repr(error))
                if loop.time() > lease_until:
                    self._on_lost()
                    return
                self._wake.set()
                await asyncio.sleep(_RETRY_SECONDS)
            if not self._closing:
                await asyncio.sleep(BATCH_SECONDS)

    async def _write(self, end: RunEnd | None) -> bool:
        """One batch; whether the run was asked to stop. What could not be written stays. Raises `LeaseLost`."""
        # What is being written must not grow: from here on `emit` begins a new event.
        taken, self._pending = self._pending, []
        calls, self._calls = self._calls, []
        costs, self._costs = self._costs, []
        changed = self.conversation.take_changed()
        batch = [(self._next_id + place, _text(event)) for place, event in enumerate(taken)]
        try:
            async with self._database.as_mandate(self.key.mandate_id) as connection:
                last = self._next_id + len(batch) - 1
                asked = await run_store.keep(connection, self.key, self._lease, last, self.step_count)
                if batch:
                    await run_store.store_events(connection, self.key, batch)
                await store_messages(connection, self.key.mandate_id, self.key.thread_id, changed)
                for call in calls:
                    await run_store.note_call(connection, self.key, *call)
                for cost in costs:
                    await run_store.note_cost(connection, self.key, *cost)
                if end is not None:
                    await run_store.end(connection, self.key, self._lease, end)
        except BaseException:
            self._pending = taken + self._pending
            self._calls, self._costs = calls + self._calls, costs + self._costs
            self.conversation.note_changed(changed)
            raise
        self._next_id += len(batch)
        self.stored.extend(batch)
        if batch:
            self._show()
        return asked


def _text(event: Event) -> str:
    """PostgreSQL's text holds no zero character, and no message means one."""
    return orjson.dumps(event).decode().replace("\\u0000", "")
