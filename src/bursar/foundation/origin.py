"""Who asks, and from where: carried beside a request, and told to the database with every transaction.

The database's triggers write it into the audit log in the transaction of the change itself. So nobody who changes
something has to remember to say who they are, and no entry can be missing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final

import orjson

LONGEST_USER_AGENT: Final = 300
SETTING: Final = "bursar.origin"
"""The transaction's setting that holds `Origin.to_text()`; the empty string is nobody in particular."""
TELL_ORIGIN: Final = "SELECT set_config($1, $2, true)"
"""With `SETTING` and `origin_text()`: tells a transaction that was not begun by `Database.as_mandate`."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change comes from. `actor` is an id, never a name, as in `Caller.actor`."""

    actor: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    request_id: str | None = None

    def to_text(self) -> str:
        agent = None if self.user_agent is None else _visible(self.user_agent)[:LONGEST_USER_AGENT]
        said = {"actor": self.actor, "ip": self.ip, "userAgent": agent, "requestId": self.request_id}
        return orjson.dumps({name: value for name, value in said.items() if value is not None}).decode()


_ORIGIN: Final[ContextVar[Origin | None]] = ContextVar("origin", default=None)


def current_origin() -> Origin | None:
    return _ORIGIN.get()


def origin_text() -> str:
    """What a transaction is told; the empty string outside of any request."""
    origin = _ORIGIN.get()
    return "" if origin is None else origin.to_text()


@contextmanager
def from_origin(origin: Origin) -> Iterator[None]:
    """Whatever is changed within comes from there."""
    token = _ORIGIN.set(origin)
    try:
        yield
    finally:
        _ORIGIN.reset(token)


def acting_as(actor: str) -> None:
    """From now on, in this task: it is known who asks."""
    _ORIGIN.set(replace(_ORIGIN.get() or Origin(), actor=actor))


def _visible(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
