"""A pool whose connections break at chosen statements: before they are sent, or after, when the answer is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import asyncpg

When = Literal["before", "after"]


class FaultyPool:
    """Stands in for asyncpg's. `plan(statement)` says whether a connection breaks at it, and when."""

    def __init__(self, pool: asyncpg.Pool, plan: Callable[[str], When | None]) -> None:
        self._pool = pool
        self.plan = plan

    async def acquire(self, *, timeout: float | None = None) -> FaultyConnection:
        return FaultyConnection(await self._pool.acquire(timeout=timeout), self)

    async def release(self, connection: FaultyConnection) -> None:
        await self._pool.release(connection.real)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)


class FaultyConnection:
    def __init__(self, real: Any, pool: FaultyPool) -> None:
        self.real = real
        self._pool = pool

    async def execute(self, sql: str, *arguments: Any, **more: Any) -> Any:
        return await self._run(self.real.execute, sql, arguments, more)

    async def fetch(self, sql: str, *arguments: Any, **more: Any) -> Any:
        return await self._run(self.real.fetch, sql, arguments, more)

    async def _run(self, method: Any, sql: str, arguments: tuple[Any, ...], more: dict[str, Any]) -> Any:
        when = self._pool.plan(sql)
        if when == "before":
            self._break()
        answer = await method(sql, *arguments, **more)
        if when == "after":
            self._break()
        return answer

    def _break(self) -> None:
        self.real.terminate()
        raise ConnectionResetError("the line went dead")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class Once:
    """Break once, at the n-th statement that contains `text`."""

    def __init__(self, text: str, when: When, nth: int = 1) -> None:
        self.text = text
        self.when = when
        self.left = nth

    def __call__(self, sql: str) -> When | None:
        if self.text not in sql or self.left <= 0:
            return None
        self.left -= 1
        return self.when if self.left == 0 else None


def never(sql: str) -> When | None:
    return None
