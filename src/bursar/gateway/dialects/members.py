"""The top-level members of a JSON object as the bytes they came in. Pure.

Reading a request must not rewrite it: numbers keep their digits, unknown fields their bytes. So a body is taken apart
only at its top level, and put together again from the same bytes where a member has to change.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

Members = dict[str, msgspec.Raw]

ABSENT: Final = msgspec.Raw()
"""The default of a member that may be missing: msgspec cannot read `Raw | None`."""

_DECODER: Final = msgspec.json.Decoder(Members)


class NotAnObject(ValueError):
    """The bytes are not a JSON object. The message says why."""


def read_members(body: bytes) -> Members:
    """The members by name; of a name that comes twice, the last. Raises `NotAnObject`."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotAnObject(str(error)) from None


def write_members(body: bytes, members: Members, changes: Mapping[str, Any]) -> bytes:
    """`body` with some members set to new values (`None` takes a member away); the others keep their bytes.

    Without changes `body` itself is returned, unless it says more than its members do, as a name given twice does:
    an upstream must not read another request than we have read.
    """
    if changes:
        changed: dict[str, Any] = {**members, **changes}
        return msgspec.json.encode({name: value for name, value in changed.items() if value is not None})
    as_read = msgspec.json.encode(members)
    return body if len(as_read) == len(body) else as_read


def is_given(raw: msgspec.Raw) -> bool:
    """Whether a member is there and not null."""
    return raw is not ABSENT and first_byte(raw) not in (b"", b"n")


def first_byte(raw: msgspec.Raw) -> bytes:
    """What a value begins with, without copying it."""
    return bytes(memoryview(raw)[:1])


def read_value(raw: msgspec.Raw) -> Any:
    """The plain Python value of a member."""
    return msgspec.json.decode(raw)
