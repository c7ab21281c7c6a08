"""The line for money that is there, but held by other calls: first come, first served, for at most two seconds.

Whoever comes while others wait for the same account stands behind them. The line moves when money is freed on that
account, and now and then by itself, because another worker may have freed some.
"""

from __future__ import annotations

from collections import deque

from bursar.ledger.books import InMandate
from bursar.ledger.entry import Entry


class WaitingLine:
    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._lines: dict[InMandate, deque[Entry]] = {}

    def __bool__(self) -> bool:
        return bool(self._lines)

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def append(self, entry: Entry, now: float) -> None:
        """Stand at the end of the account's line; the waiting time counts from the first time."""
        if entry.wait_until is None:
            entry.wait_until = now + self._wait_seconds
        entry.called = False
        self._lines.setdefault(entry.account, deque()).append(entry)

    def must_wait(self, entry: Entry, now: float) -> bool:
        """Whether others are in line before this entry; if so it has joined them."""
        if entry.called or entry.account not in self._lines:
            return False
        self.append(entry, now)
        return True

    def take(self, account: InMandate) -> list[Entry]:
        """Everybody who waits for the account, in order: it is their turn to try."""
        entries = [entry for entry in self._lines.pop(account, ()) if not entry.future.done()]
        for entry in entries:
            entry.called = True
        return entries

    def take_all(self) -> list[Entry]:
        return [entry for account in tuple(self._lines) for entry in self.take(account)]
