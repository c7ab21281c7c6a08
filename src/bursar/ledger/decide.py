"""All money logic: what a command may do, given the books. Pure: no I/O, no clock, no randomness.

`decide(books, command, at)` answers with the events that happen and the outcome for the caller, or with a `Rejected`.
It changes nothing; `books.apply` does that, event by event.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from bursar.ledger.books import Books
from bursar.ledger.decision import Decision, no
from bursar.ledger.grant import extend, reserve
from bursar.ledger.model import (
    Command,
    Expire,
    Extend,
    MoveToWallet,
    Post,
    Reason,
    Release,
    Reserve,
    Settle,
)
from bursar.ledger.movement import move_to_wallet, post
from bursar.ledger.resolve import expire, release, settle

_RULES: Final[dict[type, Callable[[Books, Any, datetime], Decision]]] = {
    Reserve: reserve,
    Extend: extend,
    Settle: settle,
    Release: release,
    Expire: expire,
    Post: post,
    MoveToWallet: move_to_wallet,
}


def decide(books: Books, command: Command, at: datetime) -> Decision:
    """What happens, and what the caller is told. A remembered command answers as it did."""
    key = None if type(command) is Expire else command.idempotency  # type: ignore[union-attr]
    if key is not None:
        remembered = books.remembered.get((command.mandate_id, key.caller, key.route, key.key))
        if remembered is not None:
            body_hash, outcome = remembered
            if body_hash != key.body_hash:
                return no(Reason.IDEMPOTENCY_CONFLICT)
            return Decision((), outcome)
    return _RULES[type(command)](books, command, at)
