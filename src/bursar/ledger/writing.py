"""Writing down what a batch has decided: every account row once, holds and transfers in bulk.

Which columns a row takes is said here and nowhere else. Counts are checked: a row that did not get written is a fault.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec

from bursar.ledger.books import Books, InMandate, apply
from bursar.ledger.events import Event, HoldAdjusted, HoldGrown, HoldPlaced, HoldResolved, Transferred
from bursar.ledger.model import (
    Accepted,
    Hold,
    IdempotencyKey,
    LimitKey,
    MoveToWallet,
    Post,
    Settle,
)
from bursar.ledger.reading import Connection

REMEMBER_FOR: Final = timedelta(hours=24)


class NotWritten(RuntimeError):
    """A statement touched another number of rows than was decided: the batch is rolled back."""


class AnswerRaced(NotWritten):
    """Another transaction has just remembered an answer under the same idempotency key: to be looked at again."""


UPDATE_ACCOUNTS: Final = """
    UPDATE account a
       SET credits_posted = n.credits_posted, debits_posted = n.debits_posted, debits_pending = n.debits_pending,
           version = n.version, last_top_up_nanos = n.last_top_up_nanos
      FROM unnest($1::account_total[]) AS n
     WHERE a.mandate_id = n.mandate_id AND a.account_id = n.account_id"""

UPDATE_COUNTERS: Final = """
    UPDATE limit_counter c SET spent_nanos = n.spent_nanos - c.opening_nanos, held_nanos = n.held_nanos
      FROM unnest($1::counter_total[]) AS n
     WHERE c.mandate_id = n.mandate_id AND c.limit_id = n.limit_id AND c.period_start = n.period_start"""

INSERT_HOLDS: Final = """
    INSERT INTO hold (mandate_id, hold_id, account_id, payer, billing_model, state, amount_nanos, input_bound_nanos,
                      user_id, key_id, model, upstream, price_id, tags, origin, ttl_seconds, created_version,
                      created_at, expires_at, limit_ids, limit_periods)
    SELECT n.mandate_id, n.hold_id, n.account_id, n.payer, n.billing_model, 'PENDING', n.amount_nanos,
           n.input_bound_nanos, n.user_id, n.key_id, n.model, n.upstream, n.price_id, n.tags, n.origin, n.ttl_seconds,
           n.created_version, n.created_at, n.expires_at, n.limit_ids, n.limit_periods
      FROM unnest($1::placed_hold[]) AS n
     WHERE true"""

GROW_HOLDS: Final = """
    UPDATE hold h
       SET amount_nanos = n.amount_nanos, used_nanos = greatest(h.used_nanos, n.used_nanos),
           expires_at = n.expires_at, growths = n.growths,
           billing_model = CASE WHEN h.billing_model LIKE 'PREPAY%' THEN n.billing_model ELSE h.billing_model END
      FROM unnest($1::grown_hold[]) AS n
     WHERE h.mandate_id = n.mandate_id AND h.hold_id = n.hold_id AND h.state = 'PENDING'"""

RESOLVE_HOLDS: Final = """
    UPDATE hold h
       SET state = n.state, charged_nanos = n.charged_nanos, overrun_nanos = n.overrun_nanos, adjusted = n.adjusted,
           resolved_at = n.resolved_at, resolved_version = coalesce(n.resolved_version, h.resolved_version)
      FROM unnest($1::resolved_hold[]) AS n
     WHERE h.mandate_id = n.mandate_id AND h.hold_id = n.hold_id
       AND (h.state = 'PENDING' OR (h.state = 'EXPIRED' AND n.adjusted AND NOT h.adjusted))"""

# What a charge says about its call (user, key, model, price, tags) stands on the hold, and is copied from there. Its
# billing model is the one in force when it was posted, the hold's is that of its admission or last extension.
INSERT_HOLD_TRANSFERS: Final = """
    INSERT INTO transfer (mandate_id, transfer_id, at, kind, debit_account_id, credit_account_id, debit_version,
                          credit_version, amount_nanos, hold_id, user_id, key_id, model, upstream, input_tokens,
                          cached_input_tokens, output_tokens, usage_details, price_id, cost_source, billing_model,
                          limit_ids, limit_periods, tags)
    SELECT n.mandate_id, n.transfer_id, n.at, n.kind, n.debit_account_id, n.credit_account_id, n.debit_version,
           n.credit_version, n.amount_nanos, n.hold_id, h.user_id, h.key_id, coalesce(n.model, h.model),
           coalesce(n.upstream, h.upstream), n.input_tokens, n.cached_input_tokens, n.output_tokens, n.usage_details,
           h.price_id, n.cost_source, n.billing_model, h.limit_ids, h.limit_periods, coalesce(n.tags, h.tags)
      FROM unnest($1::hold_transfer[]) AS n
      JOIN hold h ON h.mandate_id = n.mandate_id AND h.hold_id = n.hold_id"""

INSERT_TRANSFERS: Final = """
    INSERT INTO transfer (mandate_id, transfer_id, at, kind, debit_account_id, credit_account_id, debit_version,
                          credit_version, amount_nanos, user_id, reference, reason, actor, billing_model)
    SELECT n.* FROM unnest($1::money_transfer[]) AS n"""

REMEMBER: Final = """
    INSERT INTO idempotency AS i (mandate_id, caller, route, key, body_hash, result, created_at, expires_at)
    SELECT n.* FROM unnest($1::kept_answer[]) AS n
     ORDER BY n.mandate_id, n.caller, n.route, n.key
        ON CONFLICT (mandate_id, caller, route, key) DO UPDATE
       SET body_hash = excluded.body_hash, result = excluded.result, created_at = excluded.created_at,
           expires_at = excluded.expires_at
     WHERE i.expires_at <= excluded.created_at"""

Row = tuple[Any, ...]


@dataclass(slots=True)
class Writes:
    """What a batch will write. `note` applies an event to the books and keeps the row that records it."""

    books: Books
    at: datetime
    accounts: set[InMandate] = field(default_factory=set)
    counters: set[tuple[UUID, LimitKey]] = field(default_factory=set)
    placed: list[Row] = field(default_factory=list)
    grown: dict[InMandate, Row] = field(default_factory=dict)
    resolved: dict[InMandate, Row] = field(default_factory=dict)
    hold_transfers: list[Row] = field(default_factory=list)
    transfers: list[Row] = field(default_factory=list)
    remembered: list[Row] = field(default_factory=list)

    def note(self, event: Event) -> None:
        apply(self.books, event)
        _NOTERS[type(event)](self, event)

    def remember(self, mandate_id: UUID, key: IdempotencyKey, outcome: Accepted) -> None:
        """Keep an accepted answer for whoever sends the same command again, in this batch or later."""
        self.books.remembered[mandate_id, key.caller, key.route, key.key] = (key.body_hash, outcome)
        expires_at = None if key.keep_for_ever else self.at + REMEMBER_FOR
        result = msgspec.to_builtins(outcome)
        self.remembered.append((mandate_id, key.caller, key.route, key.key, key.body_hash, result, self.at, expires_at))

    def anything(self) -> bool:
        return bool(self.accounts or self.grown or self.resolved or self.remembered)

    def billing_model(self, mandate_id: UUID) -> str:
        """The one in force. It is written on what moves money, so that a negative balance can be explained."""
        return self.books.terms_of(mandate_id).billing_model

    def touch(self, hold: Hold) -> int:
        """Mark the hold's account and legs as changed; answers the account's version."""
        key = (hold.mandate_id, hold.account_id)
        self.accounts.add(key)
        for leg in hold.legs:
            self.counters.add((hold.mandate_id, leg))
        return self.books.accounts[key].version


def _note_placed(writes: Writes, event: HoldPlaced) -> None:
    hold, command = event.hold, event.command
    writes.touch(hold)
    writes.placed.append(
        (
            hold.mandate_id,
            hold.hold_id,
            hold.account_id,
            command.payer,
            command.billing_model,
            hold.amount_nanos,
            hold.input_bound_nanos,
            command.user_id,
            command.key_id,
            command.model,
            command.upstream,
            command.price_id,
            command.tags,
            command.origin,
            hold.ttl_seconds,
            hold.created_version,
            writes.at,
            hold.expires_at,
            [leg.limit_id for leg in hold.legs],
            [leg.period_start for leg in hold.legs],
        )
    )


def _note_grown(writes: Writes, event: HoldGrown) -> None:
    hold = event.hold
    if hold.amount_nanos != event.before.amount_nanos:
        writes.touch(hold)
    writes.grown[hold.mandate_id, hold.hold_id] = (
        hold.mandate_id,
        hold.hold_id,
        hold.amount_nanos,
        hold.used_nanos,
        hold.expires_at,
        hold.growths,
        writes.billing_model(hold.mandate_id),
    )


def _note_resolved(writes: Writes, event: HoldResolved | HoldAdjusted) -> None:
    hold = event.hold
    version: int | None = writes.touch(hold)
    if type(event) is HoldAdjusted:
        expired_just_now = writes.resolved.get((hold.mandate_id, hold.hold_id))
        version = expired_just_now[-1] if expired_just_now is not None else None
    writes.resolved[hold.mandate_id, hold.hold_id] = (
        hold.mandate_id,
        hold.hold_id,
        hold.state,
        hold.charged_nanos,
        hold.overrun_nanos,
        hold.adjusted,
        hold.resolved_at,
        version,
    )


def _note_transferred(writes: Writes, event: Transferred) -> None:
    debit, credit = (event.mandate_id, event.debit_account_id), (event.mandate_id, event.credit_account_id)
    writes.accounts.add(debit)
    writes.accounts.add(credit)
    accounts = writes.books.accounts
    common = (
        event.mandate_id,
        event.transfer_id,
        event.at,
        event.kind,
        event.debit_account_id,
        event.credit_account_id,
        accounts[debit].version,
        accounts[credit].version,
        event.amount_nanos,
    )
    source = event.source
    model = writes.billing_model(event.mandate_id)
    if event.hold is not None:
        said: Row = (None, None, None, None, None, None)
        tags = None
        if type(source) is Settle:
            said = (
                source.model,
                source.upstream,
                source.input_tokens,
                source.cached_input_tokens,
                source.output_tokens,
                source.usage_details,
            )
            tags = source.tags
        writes.hold_transfers.append((*common, event.hold.hold_id, *said, event.cost_source, tags, model))
    elif isinstance(source, Post):
        writes.transfers.append((*common, source.user_id, source.reference, source.reason, source.actor, model))
    elif isinstance(source, MoveToWallet):
        writes.transfers.append((*common, source.wallet_id, source.reference, None, source.actor, model))
    else:
        raise TypeError(f"a transfer without a hold from {type(source).__name__}")


_NOTERS: Final[dict[type, Callable[[Writes, Any], None]]] = {
    HoldPlaced: _note_placed,
    HoldGrown: _note_grown,
    HoldResolved: _note_resolved,
    HoldAdjusted: _note_resolved,
    Transferred: _note_transferred,
}


Part = tuple[str, Sequence[Row]]


async def write(connection: Connection, writes: Writes) -> None:
    """All of it, in the one transaction that holds the locks. Raises `NotWritten` if a row went missing."""
    for parts in steps_of(writes):
        await _write_at_once(connection, parts)
    if writes.remembered:
        try:
            await _write_at_once(connection, [(REMEMBER, writes.remembered)])
        except NotWritten as error:
            raise AnswerRaced(str(error)) from error


def steps_of(writes: Writes) -> list[list[Part]]:
    """What can be written by one statement each: its parts see no row that another part of it writes."""
    placed: Part = (INSERT_HOLDS, writes.placed)
    grown: Part = (GROW_HOLDS, list(writes.grown.values()))
    resolved: Part = (RESOLVE_HOLDS, list(writes.resolved.values()))
    transfers: list[Part] = [(INSERT_HOLD_TRANSFERS, writes.hold_transfers), (INSERT_TRANSFERS, writes.transfers)]
    totals: list[Part] = [(UPDATE_ACCOUNTS, _account_rows(writes)), (UPDATE_COUNTERS, _counter_rows(writes))]
    new = {(row[0], row[1]) for row in writes.placed}
    if (
        new.isdisjoint(writes.grown)
        and new.isdisjoint(writes.resolved)
        and writes.grown.keys().isdisjoint(writes.resolved)
    ):
        steps = [[placed, grown, resolved, *transfers, *totals]]
    else:
        steps = [[placed], [grown], [resolved], [*transfers, *totals]]
    given = [[part for part in step if part[1]] for step in steps]
    return [step for step in given if step]


def _account_rows(writes: Writes) -> list[Row]:
    return [
        (
            a.mandate_id,
            a.account_id,
            a.credits_posted,
            a.debits_posted,
            a.debits_pending,
            a.version,
            a.last_top_up_nanos,
        )
        for a in [writes.books.accounts[key] for key in sorted(writes.accounts)]
    ]


def _counter_rows(writes: Writes) -> list[Row]:
    return [
        (c.mandate_id, c.key.limit_id, c.key.period_start, c.spent_nanos, c.held_nanos)
        for c in [writes.books.counters[key] for key in writes.counters]
    ]


async def _write_at_once(connection: Connection, parts: list[Part]) -> None:
    sql = _together(tuple([sql for sql, _ in parts]))
    written = (await connection.fetch(sql, *[rows for _, rows in parts]))[0]
    for (sql, rows), count in zip(parts, written, strict=True):
        if count != len(rows):
            raise NotWritten(f"{count} rows written where {len(rows)} were decided: {' '.join(sql.split())[:40]}")


@lru_cache(maxsize=256)
def _together(statements: tuple[str, ...]) -> str:
    """One statement that does what `statements` do, and answers how many rows each has written.

    Their rows are its parameters, one after another. All of them see the tables as they were before.
    """
    parts = [f"step_{number} AS ({numbered(sql, number + 1)} RETURNING 1)" for number, sql in enumerate(statements)]
    counts = [f"(SELECT count(*) FROM step_{number})" for number in range(len(statements))]  # noqa: S608
    return "WITH " + ", ".join(parts) + " SELECT " + ", ".join(counts)


def numbered(sql: str, place: int) -> str:
    """A statement of this module with its one parameter, the rows, at another place."""
    return sql.replace("$1", f"${place}")
