"""A lane: one connection on which batches are decided and committed, one after the other.

A batch is one transaction: lock the accounts, read, decide in memory, write, commit. What can go wrong is sorted here:
locked elsewhere, worth another try, connection lost (before or during the commit), or one command that breaks the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import asyncpg
import structlog

from bursar.ledger.batch import Decided, Result, decide_batch
from bursar.ledger.books import InMandate
from bursar.ledger.entry import CommandQuarantined, Entry, rank
from bursar.ledger.model import Funding, Reason, Refusal
from bursar.ledger.reading import Connection, read_books
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
    _connection: Connection | None = field(default=None, init=False)
    _begun: bool = field(default=False, init=False)
    """Whether the connection is in a transaction that nothing was done in yet."""

    async def close(self) -> None:
        await self.rest()
        connection, self._connection = self._connection, None
        if connection is not None:
            await self.pool.release(connection)

    async def begin(self) -> bool:
        """Begin the transaction of a batch that is about to come: a round trip less for it. False if that failed."""
        try:
            if not self._begun:
                await (await self._connected()).execute("BEGIN", timeout=STATEMENT_TIMEOUT_SECONDS)
                self._begun = True
        except Exception as error:
            log.warning("ledger_connection_lost", error=repr(error), commands=0, committing=False)
            await self._drop_connection()
        return self._begun

    async def rest(self) -> None:
        """There is no batch to come: stay in no transaction."""
        if self._begun:
            await self._roll_back()

    async def run(
        self, entries: list[Entry], refusals: Sequence[Refusal] = (), more: Callable[[], bool] = lambda: False
    ) -> Result:
        """Decide and commit `entries` (and count `refusals` that were answered from memory). Never raises.

        `more` says whether another batch follows at once: its transaction is begun by this one's commit.
        """
        entries.sort(key=rank)
        committing = False
        try:
            connection = await self._connected()
            if not self._begun:
                await connection.execute("BEGIN")
            self._begun = False
            decided, writes, opened = await self._decide(connection, entries, refusals)
            if writes.anything() or decided.refusals or opened:
                await write(connection, writes)
                await self._ride(connection, decided, writes.at)
                began, committing, chained = time.perf_counter(), True, more()
                sql = "COMMIT AND CHAIN" if chained else "COMMIT"
                status = await connection.execute(sql, timeout=STATEMENT_TIMEOUT_SECONDS)
                if status != "COMMIT":
                    raise asyncpg.InternalServerError(f"COMMIT answered {status}")
                self._begun = chained
                decided.result.commit_seconds = time.perf_counter() - began
            else:
                await connection.execute("ROLLBACK")
            return decided.result
        except WORTH_ANOTHER_TRY as error:
            await self._roll_back()
            return self._again(entries, error)
        except CONNECTION_LOST as error:
            await self._drop_connection()
            log.warning("ledger_connection_lost", error=repr(error), commands=len(entries), committing=committing)
            for entry in entries:
                entry.unsure = entry.unsure or committing
            return Result(again=entries, database_lost=True)
        except Exception as error:
            await self._roll_back()
            return await self._halve(entries, refusals, error)

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
        self._begun = False
        if connection is not None:
            try:
                connection.terminate()
                await self.pool.release(connection)
            except Exception as error:
                log.debug("dropped_connection_release", error=repr(error))

    async def _roll_back(self) -> None:
        self._begun = False
        try:
            if self._connection is not None:
                await self._connection.execute("ROLLBACK", timeout=STATEMENT_TIMEOUT_SECONDS)
        except Exception:
            await self._drop_connection()

    async def _decide(
        self, connection: Connection, entries: list[Entry], refusals: Sequence[Refusal]
    ) -> tuple[Decided, Writes, bool]:
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
        return decided, writes, reading.opened

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
