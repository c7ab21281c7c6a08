"""A lane: one connection on which batches are decided and committed, one after the other.

A batch is one transaction: lock the accounts, read, decide in memory, write, commit. What can go wrong is sorted here:
locked elsewhere, worth another try, connection lost (before or during the commit), or one command that breaks the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg
import structlog

from bursar.ledger.batch import Decided, Result, decide_batch
from bursar.ledger.books import InMandate
from bursar.ledger.confirming import confirm, fits, looked_at
from bursar.ledger.entry import CommandQuarantined, Entry, rank
from bursar.ledger.memory import Memory
from bursar.ledger.model import Funding, Reason, Refusal
from bursar.ledger.reading import Connection, Reading, read_books
from bursar.ledger.writing import AnswerRaced, Writes, write

log = structlog.get_logger(__name__)

STATEMENT_TIMEOUT_SECONDS: Final = 10.0
MAX_ATTEMPTS: Final = 20
RIDER_TIMEOUT_SECONDS: Final = 2.0
"""Less than anybody waits for an answer: a rider that hangs costs its notice, not the batch."""

WORTH_ANOTHER_TRY: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    AnswerRaced,
)
CONNECTION_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
    # A server that has no room left, is read-only after a fail-over, or whose rights or schema are not ours (yet): no
    # command's fault. A new connection may reach a better one.
    asyncpg.InsufficientResourcesError,
    asyncpg.InvalidTransactionStateError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.SyntaxOrAccessError,
    asyncpg.PostgresSystemError,
)


class Rider(Protocol):
    """Whoever keeps a mandate's alerts: rides in the transaction of the denial or the top-up, after the money.

    It may use statements and savepoints, but not `connection.transaction()`: the transaction is the engine's.
    """

    wants: frozenset[Reason]

    async def ride(
        self, connection: Any, refusals: Sequence[Refusal], fundings: Sequence[Funding], at: datetime
    ) -> None: ...


@dataclass(slots=True)
class Lane:
    pool: asyncpg.Pool
    rider: Rider | None
    known: set[InMandate]
    """Accounts that are known to exist."""
    waits: bool
    """Whether it waits for locks, or leaves out the mandates that are locked elsewhere."""
    memory: Memory | None = None
    """What it knows of the books after its own commits."""
    _connection: Connection | None = field(default=None, init=False)

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self.pool.release(connection)

    async def run(self, entries: list[Entry], refusals: Sequence[Refusal] = ()) -> Result:
        """Decide and commit `entries` (and count `refusals` that were answered from memory). Never raises."""
        entries.sort(key=rank)
        result = None if refusals else await self._run_from_memory(entries)
        return result if result is not None else await self._run_from_books(entries, refusals)

    async def _run_from_memory(self, entries: list[Entry]) -> Result | None:
        """Decide on what is remembered, and let one statement confirm and write it. `None`: read the books instead."""
        memory = self.memory
        if memory is None or any(entry.unsure for entry in entries):
            return None
        commands = [entry.command for entry in entries]
        books, at = memory.recall(commands), memory.now()
        if books is None or at is None:
            return None
        looked, mandates = looked_at(books), list(books.terms)
        writes = Writes(books, at)
        decided = decide_batch(entries, writes, set(), time.monotonic())
        if not fits(writes) or self._is_heard(decided):
            return None
        began = time.perf_counter()
        try:
            confirmed_at = await confirm(await self._connected(), writes, looked, memory.marks(mandates))
        except asyncpg.PostgresError as error:
            if isinstance(error, CONNECTION_LOST):
                return await self._lost(entries, error, committing=True)
            # Nothing was written. Whatever it was comes to light when the books are read.
            log.info("batch_not_confirmed", error=repr(error), commands=len(entries))
            memory.forget(mandates, distrust=True)
            return None
        except CONNECTION_LOST as error:
            return await self._lost(entries, error, committing=True)
        if confirmed_at is None:
            memory.forget(mandates, distrust=True)
            return None
        memory.confirmed(books, confirmed_at)
        decided.result.commit_seconds = time.perf_counter() - began
        decided.result.from_memory = True
        return decided.result

    def _is_heard(self, decided: Decided) -> bool:
        """Whether the rider must hear of it, in the batch's own transaction."""
        wanted = self.rider.wants if self.rider is not None else frozenset()
        return bool(decided.fundings) or any(refusal.reason in wanted for refusal in decided.refusals)

    async def _run_from_books(self, entries: list[Entry], refusals: Sequence[Refusal]) -> Result:
        """Lock, read, decide, write, commit."""
        committing = False
        try:
            connection = await self._connected()
            await connection.execute("BEGIN")
            decided, writes, reading = await self._decide(connection, entries, refusals)
            if writes.anything() or decided.refusals or reading.opened:
                await write(connection, writes)
                await self._ride(connection, decided, writes.at)
                began, committing = time.perf_counter(), True
                status = await connection.execute("COMMIT", timeout=STATEMENT_TIMEOUT_SECONDS)
                if status != "COMMIT":
                    raise asyncpg.InternalServerError(f"COMMIT answered {status}")
                decided.result.commit_seconds = time.perf_counter() - began
            else:
                await connection.execute("ROLLBACK")
            if self.memory is not None:
                self.memory.learn(reading, [entry.command for entry in entries])
            return decided.result
        except WORTH_ANOTHER_TRY as error:
            await self._roll_back()
            return self._again(entries, error)
        except CONNECTION_LOST as error:
            return await self._lost(entries, error, committing=committing)
        except Exception as error:
            await self._roll_back()
            return await self._halve(entries, refusals, error)

    async def _lost(self, entries: list[Entry], error: BaseException, *, committing: bool) -> Result:
        await self._drop_connection()
        log.warning("ledger_connection_lost", error=repr(error), commands=len(entries), committing=committing)
        if self.memory is not None:
            self.memory.forget({entry.command.mandate_id for entry in entries})
        for entry in entries:
            entry.unsure = entry.unsure or committing
        return Result(again=entries, database_lost=True)

    async def _connected(self) -> Connection:
        if self._connection is not None and self._connection.is_closed():
            await self._drop_connection()
        if self._connection is None:
            try:
                self._connection = await self.pool.acquire(timeout=STATEMENT_TIMEOUT_SECONDS)
            except (asyncpg.PostgresError, ValueError) as error:
                # Whatever a server says at the door (no such database, wrong password) is not about the commands.
                raise ConnectionError(f"no connection: {error!r}") from error
        return self._connection

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.terminate()
                await self.pool.release(connection)
            except Exception as error:
                log.debug("dropped_connection_release", error=repr(error))

    async def _roll_back(self) -> None:
        try:
            if self._connection is not None:
                await self._connection.execute("ROLLBACK", timeout=STATEMENT_TIMEOUT_SECONDS)
        except Exception:
            await self._drop_connection()

    async def _decide(
        self, connection: Connection, entries: list[Entry], refusals: Sequence[Refusal]
    ) -> tuple[Decided, Writes, Reading]:
        reading = await read_books(
            connection,
            [entry.command for entry in entries],
            wait=self.waits,
            unsure=any(entry.unsure for entry in entries),
            known=self.known,
        )
        writes = Writes(reading.books, reading.at)
        decided = decide_batch(entries, writes, reading.left_out, time.monotonic())
        wanted = self.rider.wants if self.rider is not None else frozenset()
        counted = [*decided.refusals, *refusals]
        decided.refusals = [refusal for refusal in counted if refusal.reason in wanted]
        return decided, writes, reading

    async def _ride(self, connection: Connection, decided: Decided, at: datetime) -> None:
        """Let the rider do its part in a savepoint: nothing of it can fail the money."""
        if self.rider is None or not (decided.refusals or decided.fundings):
            return
        await connection.execute("SAVEPOINT rider")
        try:
            async with asyncio.timeout(RIDER_TIMEOUT_SECONDS):
                await self.rider.ride(connection, decided.refusals, list(decided.fundings.values()), at)
        except Exception as error:
            if connection.is_closed():
                raise
            log.error(
                "notice_not_recorded",
                error=repr(error),
                refusals=len(decided.refusals),
                fundings=len(decided.fundings),
                alert="operator",
            )
            await connection.execute("ROLLBACK TO SAVEPOINT rider")

    def _again(self, entries: list[Entry], error: Exception) -> Result:
        result = Result(lock_refused=isinstance(error, asyncpg.LockNotAvailableError))
        for entry in entries:
            entry.attempts += 1
            if entry.attempts >= MAX_ATTEMPTS and not entry.ends:
                result.broken.append((entry, CommandQuarantined(f"given up after {entry.attempts} tries: {error!r}")))
            else:
                result.again.append(entry)
        return result

    async def _halve(self, entries: list[Entry], refusals: Sequence[Refusal], error: Exception) -> Result:
        """Find the one command that breaks the batch, so that it hurts nobody else."""
        if len(entries) <= 1:
            for entry in entries:
                log.error("command_quarantined", command=repr(entry.command), error=repr(error), alert="operator")
            return Result(
                broken=[(entry, CommandQuarantined(f"the command was refused: {error!r}")) for entry in entries]
            )
        middle = len(entries) // 2
        result = await self.run(entries[:middle], refusals)
        result.add(await self.run(entries[middle:]))
        return result
