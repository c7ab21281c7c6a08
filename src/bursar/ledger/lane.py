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
from uuid import UUID

import asyncpg
import structlog

from bursar.ledger.books import InMandate
from bursar.ledger.decide import decide
from bursar.ledger.entry import CommandQuarantined, Entry, rank
from bursar.ledger.events import HoldResolved, Transferred
from bursar.ledger.model import (
    SHORTAGES,
    Accepted,
    Command,
    Expire,
    Extend,
    Funding,
    Outcome,
    Reason,
    Refusal,
    Rejected,
    Reserve,
    TransferKind,
)
from bursar.ledger.reading import Connection, read_books
from bursar.ledger.writing import Writes, write

log = structlog.get_logger(__name__)

STATEMENT_TIMEOUT_SECONDS: Final = 10.0
MAX_ATTEMPTS: Final = 20
RIDER_TIMEOUT_SECONDS: Final = 2.0
"""Less than anybody waits for an answer: a rider that hangs costs its notice, not the batch."""
FUNDING_KINDS: Final = frozenset({TransferKind.TOP_UP, TransferKind.CORRECTION, TransferKind.WALLET_TRANSFER})

WORTH_ANOTHER_TRY: Final = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
)
CONNECTION_LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)


class Rider(Protocol):
    """Whoever keeps a mandate's alerts: rides in the transaction of the denial or the top-up, after the money."""

    wants: frozenset[Reason]

    async def ride(
        self, connection: Any, refusals: Sequence[Refusal], fundings: Sequence[Funding], at: datetime
    ) -> None: ...


@dataclass(slots=True)
class Result:
    """What became of each entry of a batch."""

    answered: list[tuple[Entry, Outcome]] = field(default_factory=list)
    waiting: list[Entry] = field(default_factory=list)
    locked_elsewhere: list[Entry] = field(default_factory=list)
    again: list[Entry] = field(default_factory=list)
    broken: list[tuple[Entry, Exception]] = field(default_factory=list)
    changed: set[InMandate] = field(default_factory=set)
    freed: set[InMandate] = field(default_factory=set)
    """Accounts on which money became free."""
    database_lost: bool = False
    commit_seconds: float = 0.0

    def add(self, other: Result) -> None:
        self.answered += other.answered
        self.waiting += other.waiting
        self.locked_elsewhere += other.locked_elsewhere
        self.again += other.again
        self.broken += other.broken
        self.changed |= other.changed
        self.freed |= other.freed
        self.database_lost = self.database_lost or other.database_lost


@dataclass(slots=True)
class _Decided:
    result: Result = field(default_factory=Result)
    refusals: list[Refusal] = field(default_factory=list)
    fundings: dict[InMandate, Funding] = field(default_factory=dict)


class Lane:
    def __init__(self, pool: asyncpg.Pool, rider: Rider | None, known: set[InMandate], *, wait_for_locks: bool) -> None:
        self._pool = pool
        self._rider = rider
        self._known = known
        self._wait_for_locks = wait_for_locks
        self._connection: Connection | None = None

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await self._pool.release(connection)

    async def run(self, entries: list[Entry], refusals: Sequence[Refusal] = ()) -> Result:
        """Decide and commit `entries` (and count `refusals` that were answered from memory). Never raises."""
        entries.sort(key=rank)
        committing = False
        try:
            connection = await self._connected()
            await connection.execute("BEGIN")
            decided, writes = await self._decide(connection, entries, refusals)
            if writes.anything() or decided.refusals:
                await write(connection, writes)
                await self._ride(connection, decided, writes.at)
                began, committing = time.perf_counter(), True
                status = await connection.execute("COMMIT", timeout=STATEMENT_TIMEOUT_SECONDS)
                if status != "COMMIT":
                    raise asyncpg.InternalServerError(f"COMMIT answered {status}")
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
            self._connection = await self._pool.acquire(timeout=STATEMENT_TIMEOUT_SECONDS)
        return self._connection

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                connection.terminate()
                await self._pool.release(connection)
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
    ) -> tuple[_Decided, Writes]:
        reading = await read_books(
            connection,
            [entry.command for entry in entries],
            wait=self._wait_for_locks,
            unsure=any(entry.unsure for entry in entries),
            known=self._known,
        )
        writes = Writes(reading.books, reading.at)
        decided = decide_batch(entries, writes, reading.locked_elsewhere, time.monotonic())
        wanted = self._rider.wants if self._rider is not None else frozenset()
        counted = [*decided.refusals, *refusals]
        decided.refusals = [refusal for refusal in counted if refusal.reason in wanted]
        return decided, writes

    async def _ride(self, connection: Connection, decided: _Decided, at: datetime) -> None:
        """Let the rider do its part in a savepoint: nothing of it can fail the money."""
        if self._rider is None or not (decided.refusals or decided.fundings):
            return
        await connection.execute("SAVEPOINT rider")
        try:
            async with asyncio.timeout(RIDER_TIMEOUT_SECONDS):
                await self._rider.ride(connection, decided.refusals, list(decided.fundings.values()), at)
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
        result = Result()
        for entry in entries:
            entry.attempts += 1
            if entry.attempts >= MAX_ATTEMPTS and entry.takes:
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


def decide_batch(entries: Sequence[Entry], writes: Writes, locked_elsewhere: set[UUID], now: float) -> _Decided:
    """Decide one command after the other, each on the books as the ones before have left them."""
    decided = _Decided()
    result = decided.result
    queued: set[InMandate] = set()
    for entry in entries:
        command = entry.command
        if command.mandate_id in locked_elsewhere:
            result.locked_elsewhere.append(entry)
            continue
        may_wait = entry.takes and (entry.wait_until is None or now < entry.wait_until)
        if may_wait and entry.account in queued:
            result.waiting.append(entry)
            continue
        events, outcome = decide(writes.books, command, writes.at)
        if type(outcome) is Rejected:
            if outcome.reason is Reason.FUNDS_HELD and may_wait:
                queued.add(entry.account)
                result.waiting.append(entry)
                continue
            if entry.takes and outcome.reason in SHORTAGES:
                decided.refusals.append(refusal_of(command, outcome))  # type: ignore[arg-type]
        else:
            _remember(writes, command, outcome)  # type: ignore[arg-type]
        for event in events:
            writes.note(event)
            if type(event) is HoldResolved:
                result.freed.add(entry.account)
            elif type(event) is Transferred and event.kind in FUNDING_KINDS:
                _note_funding(decided, writes, event)
        if events:
            result.changed.add(entry.account)
        result.answered.append((entry, outcome))
    return decided


def _remember(writes: Writes, command: Command, outcome: Accepted) -> None:
    key = None if type(command) is Expire else command.idempotency  # type: ignore[union-attr]
    if key is not None and (command.mandate_id, key.caller, key.route, key.key) not in writes.books.remembered:
        writes.remember(command.mandate_id, key, outcome)


def _note_funding(decided: _Decided, writes: Writes, event: Transferred) -> None:
    key = (event.mandate_id, event.credit_account_id)
    account = writes.books.accounts[key]
    if account.kind in ("pool", "wallet"):
        decided.fundings[key] = Funding(account.mandate_id, account.account_id, account.balance)
        decided.result.freed.add(key)
        decided.result.changed.add(key)
    decided.result.changed.add((event.mandate_id, event.debit_account_id))


def refusal_of(command: Reserve | Extend, rejected: Rejected, calls: int = 1) -> Refusal:
    who = command if isinstance(command, Reserve) else None
    return Refusal(
        command.mandate_id,
        command.account_id,
        "pool" if command.account_id == command.mandate_id else "wallet",
        rejected.reason,
        rejected.required_nanos,
        rejected.available_nanos,
        who.user_id if who is not None else None,
        who.key_id if who is not None else None,
        calls,
    )
