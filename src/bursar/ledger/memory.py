"""What a lane remembers of the books after its own commits, so that the next batch need not be read again. No I/O.

Nothing here is believed: whatever a batch was decided on is confirmed by the statement that writes it (`confirming`).
What is no longer so costs a round trip, and is read anew.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from bursar.ledger.books import Books, InMandate, ScopeKey, scope_ids_of
from bursar.ledger.model import (
    Account,
    Command,
    Extend,
    Hold,
    LimitCounter,
    LimitKey,
    Release,
    Reserve,
    Settle,
    Terms,
)
from bursar.ledger.reading import Reading, accounts_of

KINDS: Final = frozenset({Reserve, Extend, Settle, Release})
"""Everyday commands. All others are read for: they need more than is remembered."""
MOST_MANDATES: Final = 1_000
MOST_ROWS: Final = 20_000
"""Of one mandate. Whoever has more is forgotten, and begins again with what is needed."""
FRESH_SECONDS: Final = 5.0
"""For how long the database's clock is carried forward by the worker's own."""
DISTRUST_SECONDS: Final = 1.0
"""A mandate on which another worker is at work, too, is read for this long before it is remembered again."""


@dataclass(slots=True)
class OfMandate:
    """One mandate's part of the books, and the mark of its terms and limits."""

    terms: Terms
    mark: str
    limited: bool
    accounts: dict[InMandate, Account] = field(default_factory=dict)
    holds: dict[InMandate, Hold] = field(default_factory=dict)
    counters: dict[tuple[UUID, LimitKey], LimitCounter] = field(default_factory=dict)
    in_force: dict[ScopeKey, list[LimitKey]] = field(default_factory=dict)

    def rows(self) -> int:
        return len(self.accounts) + len(self.holds) + len(self.counters) + len(self.in_force)


class Memory:
    """Of one lane. The lane says what it has read and committed, and asks what it knows."""

    def __init__(self) -> None:
        self._mandates: OrderedDict[UUID, OfMandate] = OrderedDict()
        self._distrusted: dict[UUID, float] = {}
        self._clock: tuple[datetime, float] | None = None

    def recall(self, commands: Sequence[Command]) -> Books | None:
        """The books for these commands, if all of them are everyday ones and everything they touch is known."""
        books = Books()
        for key in accounts_of(commands):
            known = self._mandates.get(key[0])
            account = known.accounts.get(key) if known is not None else None
            if known is None or account is None:
                return None
            books.accounts[key] = account
            books.terms[key[0]] = known.terms
        at = self.now()
        if at is None:
            return None
        for command in commands:
            if type(command) not in KINDS or command.idempotency is not None:  # type: ignore[union-attr]
                return None
            known = self._mandates[command.mandate_id]
            if not (self._limits_of(books, known, command, at) and self._hold_of(books, known, command)):
                return None
        return books

    @staticmethod
    def _hold_of(books: Books, known: OfMandate, command: Command) -> bool:
        if type(command) is Reserve:
            return True
        key = (command.mandate_id, command.hold_id)  # type: ignore[union-attr]
        hold = known.holds.get(key)
        if hold is None:
            return False
        books.holds[key] = hold
        for leg in hold.legs:
            counter = known.counters.get((hold.mandate_id, leg))
            if counter is None:
                return False
            books.counters[hold.mandate_id, leg] = counter
        return True

    @staticmethod
    def _limits_of(books: Books, known: OfMandate, command: Command, at: datetime) -> bool:
        if not known.limited or type(command) is not Reserve:
            return True
        for scope, scope_id in scope_ids_of(command).items():
            key = (command.mandate_id, scope, scope_id)
            limits = known.in_force.get(key)
            if limits is None:
                return False
            books.counters_in_force[key] = limits
            for limit in limits:
                counter = known.counters.get((command.mandate_id, limit))
                if counter is None or counter.period_end <= at:
                    return False
                books.counters[command.mandate_id, limit] = counter
        return True

    def now(self) -> datetime | None:
        """The database's time: what it last said, and what has passed since by the worker's own clock."""
        if self._clock is None:
            return None
        at, heard_at = self._clock
        passed = time.monotonic() - heard_at
        return at + timedelta(seconds=passed) if passed < FRESH_SECONDS else None

    def marks(self, mandates: Iterable[UUID]) -> dict[UUID, str]:
        return {mandate_id: self._mandates[mandate_id].mark for mandate_id in mandates}

    # --- what has been committed -------------------------------------------------------------------------------------

    def learn(self, reading: Reading, commands: Sequence[Command]) -> None:
        """A batch that was read for has been committed. `reading.books` are as the commit has left them."""
        self._clock = (reading.at, time.monotonic())
        books = reading.books
        trusted = time.monotonic()
        for mandate_id, terms in books.terms.items():
            mark = reading.marks[mandate_id]
            known = self._mandates.get(mandate_id)
            if self._distrusted.get(mandate_id, 0.0) > trusted:
                self._mandates.pop(mandate_id, None)
                continue
            if known is None or known.mark != mark:
                self._mandates[mandate_id] = OfMandate(terms, mark, mandate_id in reading.limited)
        for command in commands:
            known = self._mandates.get(command.mandate_id)
            if known is not None and known.limited and type(command) is Reserve:
                for scope, scope_id in scope_ids_of(command).items():
                    key = (command.mandate_id, scope, scope_id)
                    known.in_force[key] = books.counters_in_force.get(key, [])
        self.keep(books)
        while len(self._mandates) > MOST_MANDATES:
            self._mandates.popitem(last=False)

    def confirmed(self, books: Books, at: datetime) -> None:
        """A batch that was decided from memory has been committed; `at` is the database's time of it."""
        self._clock = (at, time.monotonic())
        self.keep(books)

    def keep(self, books: Books) -> None:
        """Take over accounts, counters and open holds of the mandates that are remembered."""
        for key, account in books.accounts.items():
            known = self._mandates.get(key[0])
            if known is not None:
                known.accounts[key] = account
        for counter_key, counter in books.counters.items():
            known = self._mandates.get(counter_key[0])
            if known is not None:
                known.counters[counter_key] = counter
        for key, hold in books.holds.items():
            known = self._mandates.get(key[0])
            if known is None:
                continue
            if hold.state == "PENDING":
                known.holds[key] = hold
            else:
                known.holds.pop(key, None)
        for mandate_id in books.terms:
            known = self._mandates.get(mandate_id)
            if known is not None and known.rows() > MOST_ROWS:
                del self._mandates[mandate_id]

    def forget(self, mandates: Iterable[UUID], *, distrust: bool = False) -> None:
        """What became of them is not known, or, with `distrust`, is somebody else's doing."""
        until = time.monotonic() + DISTRUST_SECONDS
        for mandate_id in mandates:
            self._mandates.pop(mandate_id, None)
            if distrust:
                self._distrusted[mandate_id] = until
        if len(self._distrusted) > MOST_MANDATES:
            self._distrusted = {key: end for key, end in self._distrusted.items() if end > time.monotonic()}
