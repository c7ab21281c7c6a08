"""The line for money that is there, but held by other calls: first come, first served, for at most two seconds.

There is a line for each place where money is held: an account, or a limit. Whoever comes while others wait at one of
its places stands behind them, and nobody else does: a key that has used up its own cap keeps no colleague waiting. The
line moves when money is freed at its place, and now and then by itself, because another worker may have freed some.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import msgspec

from bursar.ledger.books import scope_ids_of
from bursar.ledger.decision import Place
from bursar.ledger.entry import Entry
from bursar.ledger.model import Command, Rejected, Reserve


def places_of(command: Command) -> Iterator[Place]:
    """Where a demand may have to stand in line. An extension does not say its limits: its account is enough."""
    yield command.mandate_id, command.account_id
    if type(command) is Reserve:
        for scope, scope_id in scope_ids_of(command).items():
            yield command.mandate_id, scope, scope_id


class WaitingLine:
    def __init__(self, wait_seconds: float, places: int) -> None:
        """`places` is how many reserves may wait for the same money; more are refused at once."""
        self._wait_seconds = wait_seconds
        self._places = places
        self._lines: dict[Place, deque[Entry]] = {}
        self._refused: dict[Place, Rejected] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def append(self, entry: Entry, place: Place, now: float, rejected: Rejected | None = None) -> None:
        """Stand at the end of the line; the waiting time counts from the first time. A full line refuses newcomers.

        `rejected` is what the ledger would say to the demand now; without it, what it said to the last one.
        """
        line = self._lines.setdefault(place, deque())
        if rejected is not None:
            self._refused[place] = rejected
        command = entry.command
        if entry.wait_until is None:
            if len(line) >= self._places and type(command) is Reserve and place in self._refused:
                entry.answer(msgspec.structs.replace(self._refused[place], required_nanos=command.minimum_nanos))
                return
            entry.wait_until = now + self._wait_seconds
        entry.called = False
        line.append(entry)

    def joins(self, entry: Entry, now: float) -> bool:
        """Whether others are in line before this entry; if so it now stands behind them."""
        if not self._lines or entry.called or entry.unsure:
            return False
        for place in places_of(entry.command):
            if place in self._lines:
                self.append(entry, place, now)
                return True
        return False

    def take(self, place: Place) -> list[Entry]:
        """Everybody who waits at the place, in order: it is their turn to try."""
        self._refused.pop(place, None)
        entries = [entry for entry in self._lines.pop(place, ()) if not entry.future.done()]
        for entry in entries:
            entry.called = True
        return entries

    def take_all(self) -> list[Entry]:
        return [entry for place in tuple(self._lines) for entry in self.take(place)]
