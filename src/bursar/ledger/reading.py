"""Filling the books: what a batch may look at, read under the locks of its accounts.

Lock order is one everywhere: accounts by (mandate, id), then limit counters, each sorted. Terms, holds and remembered
answers are read after the accounts are locked, in statements of their own, so that they are never older than the lock.

Without `wait` nothing here waits for anybody: what is locked elsewhere is skipped, what does not exist yet is not made
(another transaction may just be making it), and the mandate is left to a lane that waits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from bursar.ledger.books import Books, InMandate, RememberedKey, scope_ids_of
from bursar.ledger.decision import operator, operator_kinds
from bursar.ledger.model import (
    Accepted,
    Account,
    Command,
    Expire,
    Extend,
    Hold,
    LimitCounter,
    LimitKey,
    MoveToWallet,
    Post,
    Posted,
    Release,
    Reserve,
    Settle,
    Terms,
)
from bursar.ledger.periods import period_bounds

Connection = asyncpg.pool.PoolConnectionProxy
CounterKey = tuple[UUID, LimitKey]

# Commands are told apart by `type(…) is`, not by `isinstance`: they have no subclasses, and there are many of them.
_RESOLVING: Final = frozenset({Settle, Release, Expire})
_ON_HOLDS: Final = frozenset({Settle, Extend, Release, Expire})

LOCK_ACCOUNTS: Final = """
    SELECT a.mandate_id, a.account_id, a.kind, a.credits_posted, a.debits_posted, a.debits_pending, a.version,
           a.last_top_up_nanos
      FROM account a JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (mandate_id, account_id)
        ON a.mandate_id = wanted.mandate_id AND a.account_id = wanted.account_id
     ORDER BY a.mandate_id, a.account_id
       FOR UPDATE OF a"""

MISSING_ACCOUNTS: Final = """
    SELECT wanted.mandate_id, wanted.account_id, wanted.kind
      FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS wanted (mandate_id, account_id, kind)
      JOIN mandate USING (mandate_id)
      LEFT JOIN account a ON a.mandate_id = wanted.mandate_id AND a.account_id = wanted.account_id
     WHERE a.account_id IS NULL"""

OPEN_ACCOUNTS: Final = """
    INSERT INTO account (mandate_id, account_id, kind)
    SELECT wanted.mandate_id, wanted.account_id, wanted.kind
      FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS wanted (mandate_id, account_id, kind)
      JOIN mandate USING (mandate_id)
     ORDER BY 1, 2
        ON CONFLICT DO NOTHING"""

TERMS: Final = """
    SELECT m.mandate_id, m.status = 'active' AS active, s.billing_model,
           CASE WHEN s.billing_model = 'POSTPAY' THEN s.credit_limit_nanos ELSE 0 END AS credit_limit_nanos,
           s.exhausted_below_nanos, s.max_hold_share_percent, m.time_zone, clock_timestamp() AS at,
           EXISTS (SELECT FROM spending_limit l WHERE l.mandate_id = m.mandate_id AND l.deleted_at IS NULL) AS limited,
           m.xmin::text || ' ' || s.xmin::text || ' '
           || coalesce((SELECT l.version FROM limits_version l WHERE l.mandate_id = m.mandate_id), 0)::text AS mark
      FROM mandate m JOIN billing_settings s ON s.mandate_id = m.mandate_id
     WHERE m.mandate_id = ANY($1::uuid[])"""
"""`mark` is what the function `terms_mark` says, seen at the same moment as the terms."""

_HOLDS_LIKE_TERMS: Final = """
     UNION ALL
    SELECT h.mandate_id, h.hold_id, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
           h.account_id, h.state, h.amount_nanos, h.input_bound_nanos, h.used_nanos, h.limit_ids, h.limit_periods,
           h.expires_at, h.ttl_seconds, h.created_version, h.charged_nanos, h.overrun_nanos, h.adjusted, h.resolved_at,
           h.growths
      FROM hold h JOIN unnest($2::uuid[], $3::uuid[]) AS wanted (mandate_id, hold_id)
        ON h.mandate_id = wanted.mandate_id AND h.hold_id = wanted.hold_id"""

_TERMS_LIKE_HOLDS: Final = """
    SELECT t.mandate_id, NULL::uuid AS hold_id, t.active, t.billing_model, t.credit_limit_nanos,
           t.exhausted_below_nanos, t.max_hold_share_percent, t.time_zone, t.at, t.limited, t.mark,
           NULL::uuid AS account_id, NULL::text AS state, NULL::bigint AS amount_nanos,
           NULL::bigint AS input_bound_nanos, NULL::bigint AS used_nanos, NULL::uuid[] AS limit_ids,
           NULL::timestamptz[] AS limit_periods,
           NULL::timestamptz AS expires_at, NULL::int AS ttl_seconds, NULL::bigint AS created_version,
           NULL::bigint AS charged_nanos, NULL::bigint AS overrun_nanos, NULL::boolean AS adjusted,
           NULL::timestamptz AS resolved_at, NULL::int AS growths
      FROM """

TERMS_AND_HOLDS: Final = _TERMS_LIKE_HOLDS + "(" + TERMS + ") t" + _HOLDS_LIKE_TERMS
"""One question instead of two: rows of terms, which name no hold, and rows of holds, which have no terms."""

RUNNING_LIMITS: Final = """
    SELECT l.mandate_id, l.limit_id, l.scope, l.scope_id, l.period, c.period_start, c.period_end
      FROM spending_limit l
      JOIN unnest($1::uuid[], $2::text[], $3::text[]) AS wanted (mandate_id, scope, scope_id)
        ON l.mandate_id = wanted.mandate_id AND l.scope = wanted.scope AND l.scope_id = wanted.scope_id
      LEFT JOIN LATERAL (SELECT period_start, period_end FROM limit_counter c
                          WHERE c.mandate_id = l.mandate_id AND c.limit_id = l.limit_id
                          ORDER BY period_start DESC LIMIT 1) c ON true
     WHERE l.deleted_at IS NULL
     ORDER BY l.mandate_id, l.limit_id"""

OPEN_COUNTERS: Final = """
    INSERT INTO limit_counter (mandate_id, limit_id, period_start, period_end)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::timestamptz[])
        ON CONFLICT DO NOTHING"""

LOCK_COUNTERS: Final = """
    SELECT c.mandate_id, c.limit_id, c.period_start, c.period_end, c.opening_nanos + c.spent_nanos AS spent_nanos,
           c.held_nanos, l.scope, l.scope_id, l.period, l.amount_nanos, l.deleted_at IS NULL AS in_force
      FROM limit_counter c
      JOIN unnest($1::uuid[], $2::uuid[], $3::timestamptz[]) AS wanted (mandate_id, limit_id, period_start)
        ON c.mandate_id = wanted.mandate_id AND c.limit_id = wanted.limit_id AND c.period_start = wanted.period_start
      JOIN spending_limit l ON l.mandate_id = c.mandate_id AND l.limit_id = c.limit_id
     ORDER BY c.mandate_id, c.limit_id, c.period_start
       FOR UPDATE OF c"""

REMEMBERED: Final = """
    SELECT i.mandate_id, i.caller, i.route, i.key, i.body_hash, i.result
      FROM idempotency i
      JOIN unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS wanted (mandate_id, caller, route, key)
        ON i.mandate_id = wanted.mandate_id AND i.caller = wanted.caller AND i.route = wanted.route
       AND i.key = wanted.key
     WHERE i.expires_at IS NULL OR i.expires_at > clock_timestamp()"""

POSTED: Final = """
    SELECT t.mandate_id, t.transfer_id, t.at
      FROM transfer t JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (mandate_id, transfer_id)
        ON t.mandate_id = wanted.mandate_id AND t.transfer_id = wanted.transfer_id"""


@dataclass(slots=True)
class Reading:
    books: Books
    at: datetime
    """The database's time, taken after the locks."""
    left_out: set[UUID]
    """Mandates that another transaction is working on, or of which rows must be made: not part of this batch."""
    opened: bool
    """Whether accounts were opened, which is worth a commit even if everything is refused."""
    marks: dict[UUID, str]
    """By mandate: what changes when its terms or its limits do."""
    limited: set[UUID]
    """Mandates that have limits."""


def accounts_of(commands: Iterable[Command]) -> dict[InMandate, str]:
    """Every account that the commands may touch, and its kind."""
    wanted: dict[InMandate, str] = {}
    resolving: set[UUID] = set()
    posting: set[UUID] = set()
    for command in commands:
        mandate_id, account_id = command.mandate_id, command.account_id
        wanted[mandate_id, account_id] = "pool" if account_id == mandate_id else _kind(mandate_id, account_id)
        kind = type(command)
        if kind in _RESOLVING:
            resolving.add(mandate_id)
        elif kind is Post:
            posting.add(mandate_id)
        elif kind is MoveToWallet:
            wallet_id: UUID = command.wallet_id  # type: ignore[union-attr]
            wanted[mandate_id, wallet_id] = _kind(mandate_id, wallet_id)
    for mandate_id in resolving:
        wanted[mandate_id, operator(mandate_id, "revenue")] = "revenue"
        wanted[mandate_id, operator(mandate_id, "overrun_loss")] = "overrun_loss"
    for mandate_id in posting:
        wanted[mandate_id, operator(mandate_id, "funding")] = "funding"
    return wanted


def _kind(mandate_id: UUID, account_id: UUID) -> str:
    return operator_kinds(mandate_id).get(account_id, "wallet")


async def read_books(
    connection: Connection, commands: Sequence[Command], *, wait: bool, unsure: bool, known: set[InMandate]
) -> Reading:
    """Lock the accounts and read what the commands need.

    With `wait` a locked row is waited for (up to `lock_timeout`), else its mandate is left to another lane.
    `unsure` reads also what tells whether an earlier commit of the same commands went through.
    `known` are accounts that are known to exist; others are looked for before they are opened.
    """
    books = Books()
    wanted = accounts_of(commands)
    opened = await _open_missing(connection, wanted, known) if wait else set()
    await _lock_accounts(connection, books, wanted, wait=wait)
    known.update(key for key in books.accounts if key not in opened)
    left_out = set() if wait else {key[0] for key in wanted if key not in books.accounts}
    if left_out:
        commands = [command for command in commands if command.mandate_id not in left_out]
    at, limited, marks = await _read_terms_and_holds(connection, books, commands, unsure=unsure)
    await _read_remembered(connection, books, commands)
    if unsure:
        await _read_posted(connection, books, commands)
    left_out |= await _read_limits(connection, books, commands, limited, at, wait=wait)
    return Reading(books, at, left_out, bool(opened), marks, set(limited))


async def _lock_accounts(connection: Connection, books: Books, wanted: dict[InMandate, str], *, wait: bool) -> None:
    sql = LOCK_ACCOUNTS if wait else LOCK_ACCOUNTS + " SKIP LOCKED"
    for row in await connection.fetch(sql, [k[0] for k in wanted], [k[1] for k in wanted]):
        books.accounts[row[0], row[1]] = Account(*row)


async def _open_missing(connection: Connection, wanted: dict[InMandate, str], known: set[InMandate]) -> set[InMandate]:
    """Open accounts that do not exist yet.

    Before any lock is taken, so that nobody who holds one waits for an account that is just being opened. Whoever opens
    an account also locks the mandate's pool, so that a limit that is being made for the mandate misses no account.
    """
    unknown = [key for key in wanted if key not in known]
    if not unknown:
        return set()
    for mandate_id, _ in tuple(unknown):
        wanted.setdefault((mandate_id, mandate_id), "pool")
        unknown.append((mandate_id, mandate_id))
    unknown = list(dict.fromkeys(unknown))
    columns = [k[0] for k in unknown], [k[1] for k in unknown], [wanted[k] for k in unknown]
    missing = sorted(tuple(row) for row in await connection.fetch(MISSING_ACCOUNTS, *columns))
    if missing:
        await connection.execute(OPEN_ACCOUNTS, *[list(column) for column in zip(*missing, strict=True)])
    return {(row[0], row[1]) for row in missing}


async def _read_terms_and_holds(
    connection: Connection, books: Books, commands: Sequence[Command], *, unsure: bool
) -> tuple[datetime, dict[UUID, str], dict[UUID, str]]:
    """The terms of every mandate and the holds that are named.

    Answers the time, the zones of mandates with limits, and all mandates' marks.
    """
    # A repeated reserve of the holds API carries a key, and is answered from `remembered`.
    kinds = _ON_HOLDS | {Reserve} if unsure else _ON_HOLDS
    wanted = {(c.mandate_id, c.hold_id) for c in commands if type(c) in kinds}  # type: ignore[union-attr]
    mandates = list({command.mandate_id for command in commands})
    if wanted:
        rows = await connection.fetch(TERMS_AND_HOLDS, mandates, [w[0] for w in wanted], [w[1] for w in wanted])
    else:
        rows = await connection.fetch(TERMS, mandates)
    at: datetime | None = None
    limited: dict[UUID, str] = {}
    marks: dict[UUID, str] = {}
    for row in rows:
        if wanted and row[1] is not None:
            mandate_id, hold_id, account_id, state, amount, bound, used, ids, periods, *rest = row[0:2] + row[11:]
            legs = tuple([LimitKey(*leg) for leg in zip(ids, periods, strict=True)])
            books.holds[mandate_id, hold_id] = Hold(
                mandate_id, hold_id, account_id, state, amount, bound, used, legs, *rest
            )
            continue
        mandate_id = row[0]
        active, model, credit_limit, below, share, time_zone, at, has_limits, mark = row[2:11] if wanted else row[1:]
        marks[mandate_id] = mark
        books.terms[mandate_id] = Terms(mandate_id, active, model, credit_limit, below, share)
        if has_limits:
            limited[mandate_id] = time_zone
    if at is None:
        at = await connection.fetchval("SELECT clock_timestamp()")
    return at, limited, marks


async def _read_remembered(connection: Connection, books: Books, commands: Sequence[Command]) -> None:
    wanted: set[RememberedKey] = set()
    for command in commands:
        key = None if type(command) is Expire else command.idempotency  # type: ignore[union-attr]
        if key is not None:
            wanted.add((command.mandate_id, key.caller, key.route, key.key))
    if not wanted:
        return
    columns = [list(column) for column in zip(*wanted, strict=True)]
    for row in await connection.fetch(REMEMBERED, *columns):
        outcome = msgspec.convert(row[5], Accepted, strict=False)
        books.remembered[row[0], row[1], row[2], row[3]] = (row[4], outcome)


async def _read_posted(connection: Connection, books: Books, commands: Sequence[Command]) -> None:
    wanted = [(c.mandate_id, c.transfer_id) for c in commands if isinstance(c, Post | MoveToWallet)]
    if wanted:
        for row in await connection.fetch(POSTED, [w[0] for w in wanted], [w[1] for w in wanted]):
            books.posted[row[0], row[1]] = Posted(row[1], row[2], None)


async def _read_limits(
    connection: Connection,
    books: Books,
    commands: Sequence[Command],
    limited: dict[UUID, str],
    at: datetime,
    *,
    wait: bool,
) -> set[UUID]:
    """Lock the counters of the holds' legs and of the limits that new holds fall under; answers who is left out."""
    wanted: set[CounterKey] = {(hold.mandate_id, leg) for hold in books.holds.values() for leg in hold.legs}
    if limited:
        running, begun = await _counters_in_force(connection, books, commands, limited, at)
        wanted |= running
        if begun and wait:
            await connection.execute(OPEN_COUNTERS, *[list(column) for column in zip(*sorted(begun), strict=True)])
    if not wanted:
        return set()
    columns = [w[0] for w in wanted], [w[1].limit_id for w in wanted], [w[1].period_start for w in wanted]
    sql = LOCK_COUNTERS if wait else LOCK_COUNTERS + " SKIP LOCKED"
    for row in await connection.fetch(sql, *columns):
        mandate_id, limit_id, period_start, period_end, spent, held, scope, scope_id, period, amount, in_force = row
        key = LimitKey(limit_id, period_start)
        books.counters[mandate_id, key] = LimitCounter(
            mandate_id, key, scope, scope_id, period, period_end, amount, spent, held, in_force
        )
    return set() if wait else {key[0] for key in wanted if key not in books.counters}


async def _counters_in_force(
    connection: Connection, books: Books, commands: Sequence[Command], limited: dict[UUID, str], at: datetime
) -> tuple[set[CounterKey], list[tuple[UUID, UUID, datetime, datetime]]]:
    """The counters that new holds get a leg in, and those among them whose period has just begun: they must be made."""
    scopes = {
        (command.mandate_id, scope, scope_id)
        for command in commands
        if isinstance(command, Reserve) and command.mandate_id in limited
        for scope, scope_id in scope_ids_of(command).items()
    }
    found: set[CounterKey] = set()
    begun: list[tuple[UUID, UUID, datetime, datetime]] = []
    if not scopes:
        return found, begun
    columns: list[list[Any]] = [list(column) for column in zip(*scopes, strict=True)]
    for row in await connection.fetch(RUNNING_LIMITS, *columns):
        mandate_id, limit_id, scope, scope_id, period, start, end = row
        if end is None or end <= at:
            start, end = period_bounds(period, at, limited[mandate_id], not_before=end)
            begun.append((mandate_id, limit_id, start, end))
        key = LimitKey(limit_id, start)
        books.counters_in_force.setdefault((mandate_id, scope, scope_id), []).append(key)
        found.add((mandate_id, key))
    return found, begun
