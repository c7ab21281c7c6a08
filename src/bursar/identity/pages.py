"""Pages of a list, and the cursors between them. Pure.

A cursor says where the last page ended (a moment and an id), so that what is added meanwhile shifts nothing.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar
from uuid import UUID

from bursar.foundation.problems import Problem, invalid_field

_Item = TypeVar("_Item")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MICROS: Final = 253_402_300_799_999_999
"""The end of the year 9999."""


@dataclass(frozen=True, slots=True)
class Page(Generic[_Item]):
    items: Sequence[_Item]
    next_cursor: str | None
    """`None` on the last page."""


def page_of(found: Sequence[_Item], limit: int, place: Callable[[_Item], tuple[datetime, UUID]]) -> Page[_Item]:
    """The first `limit` of what was found, and a cursor if there was more: so ask the database for one more."""
    items = found[:limit]
    return Page(items, make_cursor(*place(items[-1])) if len(found) > limit else None)


def page_by_name(found: Sequence[_Item], limit: int, cursor: str | None, name: Callable[[_Item], str]) -> Page[_Item]:
    """A page of what is all at hand, each with a name of its own. Raises a 422 `Problem` for what is no cursor."""
    begin = 0
    if cursor is not None:
        places = {_named(name(item)): place for place, item in enumerate(found)}
        if cursor not in places:
            raise _no_cursor()
        begin = places[cursor] + 1
    items = found[begin : begin + limit]
    return Page(items, _named(name(items[-1])) if len(found) > begin + limit else None)


def _named(name: str) -> str:
    return base64.urlsafe_b64encode(name.encode()).decode()


def _no_cursor() -> Problem:
    return invalid_field("cursor", "is not one that was given out here")


def make_cursor(at: datetime, item_id: UUID) -> str:
    """Exact to the microsecond, as PostgreSQL is."""
    micros = (at - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(micros.to_bytes(8) + item_id.bytes).decode()


def cursor_parts(cursor: str | None) -> tuple[datetime | None, UUID | None]:
    """The moment and the id of the last page's last item. Raises a 422 `Problem` for what is no cursor."""
    if cursor is None:
        return None, None
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    micros = int.from_bytes(raw[:8])
    if len(raw) != 24 or micros > _LATEST_MICROS:
        raise _no_cursor()
    return _EPOCH + timedelta(microseconds=micros), UUID(bytes=raw[8:])
