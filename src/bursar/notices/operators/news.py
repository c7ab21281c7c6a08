"""The ear of a worker: alerts for operators are counted in memory, and written down once a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog

from bursar.notices.operators import store
from bursar.notices.operators.rules import Happened, happened

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

FLUSH_SECONDS: Final = 1.0
_MOST_KINDS: Final = 1_000


class OperatorNews:
    """`start`, then `stop`. `heard` passes every alert on, and remembers those that operators are told of."""

    def __init__(self, pool: Pool, *, quarantined: Callable[[], int] = lambda: 0) -> None:
        """`pool` is `bursar_ledger`'s; `quarantined` counts the ledger's commands that were put aside."""
        self._pool = pool
        self._quarantined = quarantined
        self._known_quarantined = 0
        self._waiting: dict[tuple[str, str], Happened] = {}
        self._task: asyncio.Task[None] | None = None

    def hearing(self, alert: Callable[[str, Mapping[str, Any]], None]) -> Callable[[str, Mapping[str, Any]], None]:
        """`alert`, listened to."""

        def heard(event: str, facts: Mapping[str, Any]) -> None:
            self._remember(event, facts)
            alert(event, facts)

        return heard

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="operator-news")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self.flush()

    async def flush(self) -> None:
        """Write down what was heard; what cannot be written is kept."""
        for _ in range(self._quarantined() - self._known_quarantined):
            self._remember("command_quarantined", {})
        self._known_quarantined = self._quarantined()
        waiting, self._waiting = self._waiting, {}
        try:
            await store.note(self._pool, list(waiting.values()), datetime.now(UTC))
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.warning("operator_news_not_written", error=repr(error))
            for key, each in waiting.items():
                self._add(key, each)

    def _remember(self, event: str, facts: Mapping[str, Any]) -> None:
        found = happened(event, facts)
        if found is not None:
            self._add((found.kind, found.subject), found)

    def _add(self, key: tuple[str, str], found: Happened) -> None:
        before = self._waiting.get(key)
        if before is not None:
            self._waiting[key] = replace(found, count=found.count + before.count)
        elif len(self._waiting) < _MOST_KINDS:
            self._waiting[key] = found

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush()
