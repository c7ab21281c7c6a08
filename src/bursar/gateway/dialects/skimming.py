"""Telling from its bytes that a piece of a stream is nothing but output, so that it need not be read. Pure.

Nearly everything of nearly every stream is such: it is passed on as it came, and counted by its bytes, of which there
are more than tokens. Text cannot pretend to be a member's name, because in a string a quotation mark is escaped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

_END: Final = b"\n\n"


@dataclass(frozen=True, slots=True)
class Skimming:
    """How the events of a dialect that are nothing but output look. Call it with what has come of a stream."""

    opening: bytes
    """What each of them begins with: the lines before its data, and the beginning of that."""
    telling: tuple[bytes, ...]
    """Names of members that would say more."""
    silent: bytes = b""
    """One of these names with a value that says nothing."""
    _alike: re.Pattern[bytes] = field(init=False)
    """Whole events of one line of data that begin so."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "_alike", re.compile(rb"(?:%b.*+\n\n)*+" % re.escape(self.opening)))

    def __call__(self, block: bytes) -> int:
        """How many bytes at the beginning of `block`, which begins with an event, are whole events of output alone."""
        alike = self._alike.match(block)
        end = 0 if alike is None else alike.end()
        if end == 0 or block.find(b"\r", 0, end) >= 0:  # A line may end so, too: there may be more in an event.
            return 0
        for name in self.telling:
            if block.find(name, 0, end) >= 0:
                end = self._before_it_tells(block, name, end)
        return end

    def _before_it_tells(self, block: bytes, name: bytes, end: int) -> int:
        silent = self.silent
        if not silent.startswith(name):
            return _after(block, block.find(name, 0, end))
        # From the end, where usage is reported.
        place, telling = end, block.count(name, 0, end) - block.count(silent, 0, end)
        while telling:
            place = block.rfind(name, 0, place)
            telling -= not block.startswith(silent, place)
        return end if place == end else _after(block, place)


def _after(block: bytes, end: int) -> int:
    """Where the last whole event before `end` ends."""
    place = block.rfind(_END, 0, end)
    return 0 if place < 0 else place + len(_END)
