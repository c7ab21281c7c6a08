"""What a worker remembers of callers, mandate by mandate, and until when it may believe it. No I/O.

Everything remembered of a mandate stands on one shelf, which belongs to one revision. A newer revision clears it whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

from bursar.identity.principal import Caller, MandateFacts, Person

NEVER: Final = float("-inf")
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Bounded(dict[_Key, _Value], Generic[_Key, _Value]):
    """A dictionary that forgets its oldest entries when it is full. Use `put`."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def put(self, key: _Key, value: _Value) -> _Value | None:
        """Remember; what had to be forgotten for it is returned."""
        self.pop(key, None)
        self[key] = value
        return self.pop(next(iter(self))) if len(self) > self._most else None


@dataclass(slots=True, eq=False)
class Shelf:
    """One mandate's entries. Times are the clock's monotonic seconds."""

    mandate_id: UUID
    revision: int
    verified_at: float
    """When the question was asked that last found this revision to be the newest."""
    facts: MandateFacts | None = None
    is_valid: bool = True
    """False once a newer revision is known: everything that points here is forgotten."""


@dataclass(slots=True, frozen=True)
class KnownKey:
    shelf: Shelf
    caller: Caller
    expires_at: datetime | None
    loaded_at: float


@dataclass(slots=True, frozen=True)
class KnownPerson:
    shelf: Shelf
    person: Person
    loaded_at: float


class Shelves:
    """All shelves of a worker, bounded; a mandate has at most one valid shelf."""

    def __init__(self, most: int) -> None:
        self._shelves: Bounded[UUID, Shelf] = Bounded(most)

    def __len__(self) -> int:
        return len(self._shelves)

    def get(self, mandate_id: UUID) -> Shelf | None:
        return self._shelves.get(mandate_id)

    def place(
        self, mandate_id: UUID, revision: int, asked_at: float, facts: MandateFacts | None = None
    ) -> Shelf | None:
        """The shelf for what was read at `revision`; `None` if something newer is known: then read again."""
        shelf = self._shelves.get(mandate_id)
        if shelf is None or shelf.revision < revision:
            return self._replace(Shelf(mandate_id, revision, asked_at, facts))
        if shelf.revision > revision:
            return None
        shelf.verified_at = max(shelf.verified_at, asked_at)
        shelf.facts = facts or shelf.facts
        return shelf

    def note(self, mandate_id: UUID, revision: int) -> None:
        """A revision was heard of. If it is news, the mandate begins with an empty shelf."""
        shelf = self._shelves.get(mandate_id)
        if shelf is None or shelf.revision < revision:
            self._replace(Shelf(mandate_id, revision, NEVER))

    def doubt_all(self) -> None:
        """Something may have been missed: ask before anything is believed again."""
        for shelf in self._shelves.values():
            shelf.verified_at = NEVER

    def drop(self, shelf: Shelf) -> None:
        shelf.is_valid = False
        if self._shelves.get(shelf.mandate_id) is shelf:
            del self._shelves[shelf.mandate_id]

    def _replace(self, shelf: Shelf) -> Shelf:
        former = self._shelves.get(shelf.mandate_id)
        if former is not None:
            former.is_valid = False
        forgotten = self._shelves.put(shelf.mandate_id, shelf)
        if forgotten is not None:
            forgotten.is_valid = False
        return shelf
