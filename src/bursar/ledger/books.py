"""The books: everything that the commands of one batch may look at, and how an event changes it. Pure.

The engine fills the books under the accounts' locks, lets `decide` look at them, applies the events that it names, and
writes down what has changed. The books are the only mutable thing in the core; what they hold is immutable.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from bursar.ledger.events import (
    Event,
    HoldAdjusted,
    HoldGrown,
    HoldPlaced,
    HoldResolved,
    Transferred,
    credited,
    debited,
    with_leg,
    with_pending,
)
from bursar.ledger.model import (
    LIMIT_SCOPES_IN_ORDER,
    Accepted,
    Account,
    Hold,
    LimitCounter,
    LimitKey,
    Posted,
    Reserve,
    Terms,
    TransferKind,
)

InMandate = tuple[UUID, UUID]
ScopeKey = tuple[UUID, str, str]
RememberedKey = tuple[UUID, str, str, str]


@dataclass(slots=True)
class Books:
    accounts: dict[InMandate, Account] = field(default_factory=dict)
    terms: dict[UUID, Terms] = field(default_factory=dict)
    holds: dict[InMandate, Hold] = field(default_factory=dict)
    counters: dict[tuple[UUID, LimitKey], LimitCounter] = field(default_factory=dict)
    counters_in_force: dict[ScopeKey, list[LimitKey]] = field(default_factory=dict)
    """Per mandate, scope and scope id: the counters of the running periods, which new holds get a leg in."""
    remembered: dict[RememberedKey, tuple[bytes, Accepted]] = field(default_factory=dict)
    posted: dict[InMandate, Posted] = field(default_factory=dict)
    """Transfers that are in the journal already: filled where a commit's fate was unknown."""

    def terms_of(self, mandate_id: UUID) -> Terms:
        """The terms in force. A mandate without any is prepaid, and begins nothing."""
        return self.terms.get(mandate_id) or Terms(mandate_id, False, "PREPAY_MANDATE", 0, None, 100)

    def limits_on(self, reserve: Reserve) -> list[LimitCounter]:
        """The counters that constrain a reserve, narrowest scope first."""
        if not self.counters_in_force:
            return []
        scope_ids = scope_ids_of(reserve)
        found: list[LimitCounter] = []
        for scope in LIMIT_SCOPES_IN_ORDER:
            scope_id = scope_ids.get(scope)
            if scope_id is not None:
                for key in self.counters_in_force.get((reserve.mandate_id, scope, scope_id), ()):
                    found.append(self.counters[reserve.mandate_id, key])
        return found


def scope_ids_of(reserve: Reserve) -> dict[str, str]:
    """Which limits a reserve may fall under: scope and scope id."""
    scope_ids = {"mandate": str(reserve.mandate_id)}
    if reserve.user_id is not None:
        scope_ids["user"] = str(reserve.user_id)
    if reserve.key_id is not None:
        scope_ids["key"] = str(reserve.key_id)
    if reserve.model is not None:
        scope_ids["model"] = reserve.model
    return scope_ids


def apply(books: Books, event: Event) -> None:
    """Make what has been decided true of the books."""
    _APPLIERS[type(event)](books, event)


def _apply_placed(books: Books, event: HoldPlaced) -> None:
    hold = event.hold
    _change_pending(books, hold, hold.amount_nanos)
    _move_legs(books, hold, held_change=hold.amount_nanos, spent_change=0)
    books.holds[hold.mandate_id, hold.hold_id] = hold


def _apply_grown(books: Books, event: HoldGrown) -> None:
    hold = event.hold
    grown_by = hold.amount_nanos - event.before.amount_nanos
    if grown_by:
        _change_pending(books, hold, grown_by)
        _move_legs(books, hold, held_change=grown_by, spent_change=0)
    books.holds[hold.mandate_id, hold.hold_id] = hold


def _apply_resolved(books: Books, event: HoldResolved) -> None:
    hold, held = event.hold, event.before.amount_nanos
    _change_pending(books, hold, -held)
    _move_legs(books, hold, held_change=-held, spent_change=hold.charged_nanos or 0)
    books.holds[hold.mandate_id, hold.hold_id] = hold


def _apply_adjusted(books: Books, event: HoldAdjusted) -> None:
    hold = event.hold
    late = (hold.charged_nanos or 0) - (event.before.charged_nanos or 0)
    _move_legs(books, hold, held_change=0, spent_change=late)
    books.holds[hold.mandate_id, hold.hold_id] = hold


def _change_pending(books: Books, hold: Hold, change_nanos: int) -> None:
    key = (hold.mandate_id, hold.account_id)
    books.accounts[key] = with_pending(books.accounts[key], change_nanos)


def _move_legs(books: Books, hold: Hold, *, held_change: int, spent_change: int) -> None:
    for leg in hold.legs:
        key = (hold.mandate_id, leg)
        books.counters[key] = with_leg(books.counters[key], held_change=held_change, spent_change=spent_change)


def _apply_transferred(books: Books, event: Transferred) -> None:
    debit = (event.mandate_id, event.debit_account_id)
    credit = (event.mandate_id, event.credit_account_id)
    books.accounts[debit] = debited(books.accounts[debit], event.amount_nanos)
    receiver = books.accounts[credit]
    # A wallet is topped up by the pool as well as from outside.
    moved_in = event.kind is TransferKind.WALLET_TRANSFER and receiver.kind == "wallet"
    books.accounts[credit] = credited(
        receiver, event.amount_nanos, top_up=moved_in or event.kind is TransferKind.TOP_UP
    )


_APPLIERS: Final[dict[type, Callable[[Books, Any], None]]] = {
    HoldPlaced: _apply_placed,
    HoldGrown: _apply_grown,
    HoldResolved: _apply_resolved,
    HoldAdjusted: _apply_adjusted,
    Transferred: _apply_transferred,
}
