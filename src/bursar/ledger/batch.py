"""Deciding a batch: one command after the other, each on the books as the ones before have left them. No I/O.

Beside the outcomes it gathers what others must hear of: whose money became free, who was refused for lack of it, who
got some.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from bursar.ledger.books import Books, InMandate
from bursar.ledger.decide import decide
from bursar.ledger.decision import Place
from bursar.ledger.entry import Entry
from bursar.ledger.events import HoldResolved, Transferred
from bursar.ledger.model import (
    SHORTAGES,
    Accepted,
    Command,
    Expire,
    Extend,
    Funding,
    Hold,
    Outcome,
    Refusal,
    Rejected,
    Reserve,
    TransferKind,
)
from bursar.ledger.waiting import places_of
from bursar.ledger.writing import Writes

FUNDING_KINDS: Final = frozenset({TransferKind.TOP_UP, TransferKind.CORRECTION, TransferKind.WALLET_TRANSFER})

Waiter = tuple[Entry, Place, Rejected]


@dataclass(slots=True)
class Result:
    """What became of each entry of a batch."""

    answered: list[tuple[Entry, Outcome]] = field(default_factory=list)
    waiting: list[Waiter] = field(default_factory=list)
    left_out: list[Entry] = field(default_factory=list)
    again: list[Entry] = field(default_factory=list)
    broken: list[tuple[Entry, Exception]] = field(default_factory=list)
    changed: set[InMandate] = field(default_factory=set)
    freed: set[Place] = field(default_factory=set)
    """Accounts and limits on which money became free."""
    database_lost: bool = False
    lock_refused: bool = False
    """A lock was waited for in vain."""
    from_memory: bool = False
    """Whether it was decided without reading."""
    commit_seconds: float = 0.0

    def add(self, other: Result) -> None:
        self.answered += other.answered
        self.waiting += other.waiting
        self.left_out += other.left_out
        self.again += other.again
        self.broken += other.broken
        self.changed |= other.changed
        self.freed |= other.freed
        self.database_lost = self.database_lost or other.database_lost
        self.lock_refused = self.lock_refused or other.lock_refused
        self.commit_seconds += other.commit_seconds


@dataclass(slots=True)
class Decided:
    result: Result = field(default_factory=Result)
    refusals: list[Refusal] = field(default_factory=list)
    fundings: dict[InMandate, Funding] = field(default_factory=dict)


def decide_batch(entries: Sequence[Entry], writes: Writes, left_out: set[UUID], now: float) -> Decided:
    """Apply to the books, and note in `writes`, what the commands may do. `now` is the engine's own clock."""
    decided = Decided()
    result = decided.result
    queued: dict[Place, Rejected] = {}
    for entry in entries:
        command = entry.command
        if command.mandate_id in left_out:
            result.left_out.append(entry)
            continue
        may_wait = entry.takes and (entry.wait_until is None or now < entry.wait_until)
        if may_wait and queued:
            place = next((place for place in places_of(command) if place in queued), None)
            if place is not None:
                result.waiting.append((entry, place, queued[place]))
                continue
        events, outcome, place = decide(writes.books, command, writes.at)
        if type(outcome) is Rejected:
            if may_wait and place is not None:
                queued[place] = outcome
                result.waiting.append((entry, place, outcome))
                continue
            if entry.takes and outcome.reason in SHORTAGES:
                decided.refusals.append(refusal_of(command, outcome))  # type: ignore[arg-type]
        else:
            _remember(writes, command, outcome)  # type: ignore[arg-type]
        for event in events:
            writes.note(event)
            if type(event) is HoldResolved:
                _note_freed(result, writes.books, event.hold)
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


def _note_freed(result: Result, books: Books, hold: Hold) -> None:
    result.freed.add((hold.mandate_id, hold.account_id))
    for leg in hold.legs:
        counter = books.counters[hold.mandate_id, leg]
        result.freed.add((hold.mandate_id, counter.scope, counter.scope_id))


def _note_funding(decided: Decided, writes: Writes, event: Transferred) -> None:
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
        # What a call holds already is money that it needs, too: without it, its own hold would look like funds.
        rejected.required_nanos if isinstance(command, Reserve) else command.minimum_total_nanos,
        rejected.available_nanos,
        who.user_id if who is not None else None,
        who.key_id if who is not None else None,
        calls,
    )
