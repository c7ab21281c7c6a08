"""Who is calling: from a presented key to a `Caller`, out of the worker's memory wherever that may be believed.

What is remembered of a mandate may be believed for one second after somebody asked for the mandate's revision and found
it unchanged. One question a second serves all mandates in use; it is asked ahead of time, so that calls rarely wait for
it, and never twice at once. Notifications only make changes arrive sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg
import structlog

from bursar.foundation.clock import Clock, SystemClock
from bursar.foundation.database import Connection, Database
from bursar.identity.keys import KEY_PREFIX, is_same_hash, key_hash, parse_key
from bursar.identity.listener import Listener
from bursar.identity.lookup import REVISIONS, Found, find_key, find_mandate, find_person, is_external_id
from bursar.identity.principal import Caller, MandateFacts, Person
from bursar.identity.revision import CHANNEL, ROOT, read_payload
from bursar.identity.shelf import NEVER, Bounded, KnownKey, KnownPerson, Shelf, Shelves
from bursar.identity.usage import KeyUsage

BELIEVED_SECONDS: Final = 1.0
ASKED_AHEAD_SECONDS: Final = 0.5
READ_AGAIN_SECONDS: Final = 60.0
"""Even what is unchanged by its revision is read again after this, in case somebody changed rows by hand."""
_MOST_MANDATES: Final = 10_000
_MOST_KEYS: Final = 20_000
_MOST_PEOPLE: Final = 20_000
_MOST_UNKNOWN: Final = 10_000
_LOOK_UPS_AT_ONCE: Final = 4
_LONGEST_QUESTION_SECONDS: Final = 2.0

_ROOT_HASH: Final = "SELECT root_key_hash FROM installation"

_T = TypeVar("_T")
_Found = TypeVar("_Found", bound=Found)
_log = structlog.get_logger(__name__)


class IdentityUnavailable(Exception):
    """The database does not say who is calling, and memory is too old to be believed: HTTP 503."""

    retry_after_seconds: Final = 1


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody of this name belongs to the mandate."""

    name: str


class Authenticator:
    """One per worker. `root_key` is BURSAR_ROOT_KEY: where it is set, no stored root key counts."""

    def __init__(
        self,
        database: Database,
        *,
        root_key: str | None = None,
        clock: Clock | None = None,
        most_keys: int = _MOST_KEYS,
    ) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._configured_root = key_hash(root_key) if root_key else None
        self._stored_root: tuple[bytes | None, float] | None = None
        self._shelves = Shelves(_MOST_MANDATES)
        self._keys: Bounded[bytes, KnownKey] = Bounded(most_keys)
        self._people: Bounded[tuple[UUID, str], KnownPerson] = Bounded(_MOST_PEOPLE)
        self._unknown: Bounded[Hashable, float] = Bounded(_MOST_UNKNOWN)
        """What was looked for in vain, and until when that may be believed."""
        self._in_question: dict[UUID, Shelf] = {}
        self._question: asyncio.Task[None] | None = None
        self._look_ups: dict[Hashable, asyncio.Task[Any]] = {}
        self._places = asyncio.Semaphore(_LOOK_UPS_AT_ONCE)
        self._usage = KeyUsage(database)
        self._listener = Listener(database, {CHANNEL: self._heard}, self._missed_some, name="identity")

    async def start(self) -> None:
        """Begin to listen. Works without it as well, at the pace of the question that is asked once a second."""
        self._listener.start()
        self._usage.start()

    async def stop(self) -> None:
        await self._listener.stop()
        await self._usage.stop()
        tasks = [*self._look_ups.values(), *([self._question] if self._question else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def wait_until_listening(self) -> None:
        await self._listener.listening.wait()

    def doubt(self, mandate_id: UUID) -> None:
        """This worker has just changed something of the mandate: its next caller sees it, notified or not."""
        shelf = self._shelves.get(mandate_id)
        if shelf is not None:
            shelf.verified_at = NEVER
        self._unknown.clear()

    # --- asking ------------------------------------------------------------------------------------------------------

    async def authenticate(self, presented_key: str) -> Caller | None:
        """The caller, or `None` for a key that is unknown, revoked or expired. Raises `IdentityUnavailable`."""
        digest = key_hash(presented_key)
        known = self._keys.get(digest)
        if known is None or not await self._may_believe(known.shelf, known.loaded_at):
            known = await self._look_up_key(presented_key, digest)
        if known is None:
            return await self._root(presented_key, digest)
        if known.expires_at is not None and known.expires_at <= self._clock.now():
            return None
        self._usage.note(digest, known.caller)
        return known.caller

    async def person_for(self, caller: Caller, x_bursar_user: str) -> Person | Unknown:
        """Whom a service names: by our user id or by its own id, which creates the user where the mandate allows it.

        Raises `IdentityUnavailable`, and `ValueError` for a caller without a mandate.
        """
        if caller.mandate is None:
            raise ValueError("a caller without a mandate speaks for nobody")
        return await self.find_person(caller.mandate.mandate_id, x_bursar_user, create=True)

    async def find_person(self, mandate_id: UUID, name: str, *, create: bool = False) -> Person | Unknown:
        """The user of our id or the application's id. Raises `IdentityUnavailable`."""
        if not is_external_id(name):
            return Unknown(name)
        place = (mandate_id, name)
        known = self._people.get(place)
        if known is not None and await self._may_believe(known.shelf, known.loaded_at):
            return known.person

        async def read() -> Person | None:
            found, shelf, asked_at = await self._read(
                mandate_id,
                lambda: self._inside(
                    mandate_id, lambda connection: find_person(connection, mandate_id, name, create=create)
                ),
            )
            if found is None or shelf is None or found.person is None:
                self._unknown.put((*place, create), asked_at + BELIEVED_SECONDS)
                return None
            self._people.put(place, KnownPerson(shelf, found.person, asked_at))
            return found.person

        return await self._once((*place, create), read) or Unknown(name)

    async def mandate(self, mandate_id: UUID) -> MandateFacts | None:
        """A mandate and its settings, as old as a caller's at most. Raises `IdentityUnavailable`."""
        shelf = self._shelves.get(mandate_id)
        if shelf is not None and shelf.facts is not None and await self._may_believe(shelf, None):
            return shelf.facts

        async def read() -> MandateFacts | None:
            found, _, asked_at = await self._read(
                mandate_id,
                lambda: self._inside(mandate_id, lambda connection: find_mandate(connection, mandate_id)),
            )
            if found is None:
                self._unknown.put(mandate_id, asked_at + BELIEVED_SECONDS)
                return None
            return found.facts

        return await self._once(mandate_id, read)

    # --- looking up --------------------------------------------------------------------------------------------------

    async def _look_up_key(self, presented_key: str, digest: bytes) -> KnownKey | None:
        parsed = parse_key(presented_key)
        if parsed is None:
            return None

        async def read() -> KnownKey | None:
            found, shelf, asked_at = await self._read(
                parsed.mandate_id, lambda: find_key(self._database, parsed.mandate_id, digest)
            )
            if found is None or shelf is None:
                self._unknown.put(digest, asked_at + BELIEVED_SECONDS)
                return None
            known = KnownKey(shelf, found.caller, found.expires_at, asked_at)
            self._keys.put(digest, known)
            return known

        return await self._once(digest, read)

    async def _once(self, place: Hashable, read: Callable[[], Awaitable[_T | None]]) -> _T | None:
        """`read`, shared by everybody who wants the same at the same time, and not at all for what is known to fail."""
        if self._unknown.get(place, 0.0) > self._clock.monotonic_seconds():
            return None
        task: asyncio.Task[_T | None] | None = self._look_ups.get(place)
        if task is None:

            async def run() -> _T | None:
                try:
                    return await read()
                finally:
                    del self._look_ups[place]

            task = self._look_ups[place] = asyncio.create_task(run())
            task.add_done_callback(_retrieve)
        return await asyncio.shield(task)

    async def _inside(self, mandate_id: UUID, read: Callable[[Connection], Awaitable[_Found | None]]) -> _Found | None:
        async with self._database.as_mandate(mandate_id) as connection:
            return await read(connection)

    async def _read(
        self, mandate_id: UUID, read: Callable[[], Awaitable[_Found | None]]
    ) -> tuple[_Found | None, Shelf | None, float]:
        """What `read` finds, the shelf to put it on, and when it was asked for."""
        while True:
            asked_at = self._clock.monotonic_seconds()
            async with self._places, _answered():
                found = await read()
            if found is None:
                return None, None, asked_at
            shelf = self._shelves.place(mandate_id, found.revision, asked_at, found.facts)
            if shelf is not None:
                return found, shelf, asked_at

    async def _root(self, presented_key: str, digest: bytes) -> Caller | None:
        if presented_key.startswith(KEY_PREFIX):
            return None
        expected = self._configured_root or await self._stored_root_hash()
        if expected is None or not is_same_hash(expected, digest):
            return None
        return Caller("root", None, None, None, None)

    async def _stored_root_hash(self) -> bytes | None:
        asked_at = self._clock.monotonic_seconds()
        if self._stored_root is None or asked_at - self._stored_root[1] >= BELIEVED_SECONDS:
            async with _answered():
                self._stored_root = await self._database.ledger_pool.fetchval(_ROOT_HASH), asked_at
        return self._stored_root[0]

    # --- believing ---------------------------------------------------------------------------------------------------

    async def _may_believe(self, shelf: Shelf, loaded_at: float | None) -> bool:
        now = self._clock.monotonic_seconds()
        if not shelf.is_valid or (loaded_at is not None and now - loaded_at >= READ_AGAIN_SECONDS):
            return False
        age_seconds = now - shelf.verified_at
        if age_seconds < ASKED_AHEAD_SECONDS:
            return True
        self._in_question[shelf.mandate_id] = shelf
        if age_seconds < BELIEVED_SECONDS:
            self._ask()
            return True
        while shelf.is_valid and shelf.verified_at < now:
            # A question that is under way already may have left without this mandate: then the next one takes it.
            self._in_question[shelf.mandate_id] = shelf
            await asyncio.shield(self._ask())
        return shelf.is_valid

    def _ask(self) -> asyncio.Task[None]:
        if self._question is None or self._question.done():
            self._question = asyncio.create_task(self._ask_for_revisions(), name="identity-revisions")
            self._question.add_done_callback(_look_at_error)
        return self._question

    async def _ask_for_revisions(self) -> None:
        asked, self._in_question = self._in_question, {}
        asked_at = self._clock.monotonic_seconds()
        async with _answered():
            rows = await self._database.ledger_pool.fetch(REVISIONS, list(asked))
        newest: dict[UUID, int] = {row[0]: row[1] for row in rows}
        for mandate_id, shelf in asked.items():
            if newest.get(mandate_id) == shelf.revision:
                shelf.verified_at = max(shelf.verified_at, asked_at)
            elif newest.get(mandate_id, 0) > shelf.revision:
                self._shelves.note(mandate_id, newest[mandate_id])
            else:
                self._shelves.drop(shelf)

    def _heard(self, payload: str) -> None:
        news = read_payload(payload)
        if news is not None:
            self._shelves.note(*news)
        elif payload == ROOT:
            self._stored_root = None

    def _missed_some(self) -> None:
        self._shelves.doubt_all()
        self._stored_root = None


def _look_at_error(task: asyncio.Task[None]) -> None:
    """A question that was asked ahead of time is awaited by nobody; who needs its answer asks again."""
    if not task.cancelled() and task.exception() is not None:
        _log.warning("identity_revisions_unknown", error=" ".join(str(task.exception()).split()))


def _retrieve(task: asyncio.Task[Any]) -> None:
    """A look-up's error belongs to those who wait for it; if they are all gone it is nobody's."""
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def _answered() -> AsyncIterator[None]:
    """The database answers soon, or it is a fault of ours."""
    try:
        async with asyncio.timeout(_LONGEST_QUESTION_SECONDS):
            yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise IdentityUnavailable(f"the database does not answer: {' '.join(str(error).split())}") from error
