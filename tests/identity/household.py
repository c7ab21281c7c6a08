"""A mandate with people and keys, a clock that is held, and waiting, for the tests of who is calling."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from bursar.foundation.database import Database
from bursar.identity import key_store, mandates, users
from bursar.identity.authenticator import (
    Authenticator,
)


class HeldClock:
    """Time that goes only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic_seconds(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.moment += timedelta(seconds=seconds)


class CountingPool:
    """The ledger's pool, counting what it is asked."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.questions = 0

    async def fetch(self, *arguments: Any) -> Any:
        self.questions += 1
        return await self._pool.fetch(*arguments)


@dataclass
class House:
    """One mandate with an owner, and keys of each kind."""

    mandate_id: UUID
    user: users.User
    keys: dict[str, str]
    key_ids: dict[str, UUID]


async def make_house(database: Database, name: str = "Helvetia") -> House:
    mandate = await mandates.create_mandate(database, name=name)
    user = await users.add_user(database, mandate.mandate_id, email="anna@example.com", external_id="anna")
    keys: dict[str, str] = {}
    key_ids: dict[str, UUID] = {}
    for kind, user_id in (("user", user.user_id), ("service", None), ("admin", None)):
        key, keys[kind] = await key_store.create_key(
            database,
            mandate.mandate_id,
            kind=kind,  # type: ignore[arg-type]
            name=kind,
            created_by="test",
            user_id=user_id,
        )
        key_ids[kind] = key.key_id
    return House(mandate.mandate_id, user, keys, key_ids)


@asynccontextmanager
async def listening(database: Database, **options: Any) -> AsyncIterator[Authenticator]:
    authenticator = Authenticator(database, **options)
    await authenticator.start()
    try:
        async with asyncio.timeout(60):
            await authenticator.wait_until_listening()
        yield authenticator
    finally:
        await authenticator.stop()


async def allow_first_sight(database: Database, mandate_id: UUID) -> None:
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute("UPDATE billing_settings SET users_on_first_sight = true")


# --- waiting and looking ---------------------------------------------------------------------------------------------


async def until(is_true: Any) -> None:
    async with asyncio.timeout(60):
        while not await is_true():  # noqa: ASYNC110 -- what is waited for happens in another worker
            await asyncio.sleep(0.005)


async def is_nobody(authenticator: Authenticator, key: str) -> bool:
    return await authenticator.authenticate(key) is None


async def is_called(authenticator: Authenticator, key: str, name: str) -> bool:
    caller = await authenticator.authenticate(key)
    return caller is not None and caller.mandate is not None and caller.mandate.name == name


async def has_role(authenticator: Authenticator, key: str, role: str) -> bool:
    caller = await authenticator.authenticate(key)
    return caller is not None and caller.person is not None and caller.person.role == role
