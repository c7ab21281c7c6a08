"""Server-sent events from a byte stream that is cut anywhere. Pure, incremental, and the bytes stay as they came.

Line ends and fields by the WHATWG HTML standard, 9.2.6 ("Interpreting an event stream"): LF, CRLF or CR; an event ends
with an empty line; several `data` lines are joined by LF; lines that begin with a colon are comments.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

LARGEST_EVENT_BYTES: Final = 16 * 1024 * 1024
"""An event that does not end is a broken stream: it is kept in memory only so far."""

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_EVENT_END: Final = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r)")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """An event grew above `LARGEST_EVENT_BYTES`."""


class SseEvent(NamedTuple):
    """One block of the stream, with the empty line that ends it."""

    raw: bytes
    """As it came; all `raw` of a stream together are the stream."""
    data: bytes
    """The joined `data` lines; empty for a comment, or for a block without data."""
    name: bytes
    """The `event` field, empty where there is none."""


class SseSplitter:
    """Feed it bytes as they arrive; it answers the events that are complete, the same however the bytes are cut."""

    __slots__ = ("_scanned", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._scanned = 0

    @property
    def pending(self) -> bytes:
        """What has come of an event that has not ended yet."""
        return self._tail

    def feed(self, chunk: bytes) -> list[SseEvent]:
        """The events that end within this chunk. Raises `EventTooLarge`."""
        buffer = self._tail + chunk if self._tail else chunk
        if b"\r" in buffer:
            return self._feed_any(buffer)
        pieces = buffer.split(b"\n\n")
        self._tail = pieces.pop()
        self._scanned = 0
        if len(self._tail) > LARGEST_EVENT_BYTES:
            raise EventTooLarge(len(self._tail))
        return [
            # Nearly every event of nearly every stream is one line of data.
            SseEvent(piece + b"\n\n", piece[6:], b"")
            if piece.startswith(b"data: ") and b"\n" not in piece
            else _event(piece + b"\n\n")
            for piece in pieces
        ]

    def finish(self) -> list[SseEvent]:
        """What is left at the stream's end, although no empty line ended it."""
        tail, self._tail = self._tail, b""
        self._scanned = 0
        return [_event(tail)] if tail else []

    def _feed_any(self, buffer: bytes) -> list[SseEvent]:
        events: list[SseEvent] = []
        start = 0
        # An end may begin three bytes before what was looked at already (CR LF CR | LF).
        place = max(0, self._scanned - 3)
        while (end := _EVENT_END.search(buffer, place)) is not None:
            stop = end.end()
            if stop == len(buffer) and buffer.endswith(b"\r"):
                break  # Perhaps its LF is still to come.
            events.append(_event(buffer[start:stop]))
            start = place = stop
        self._tail = buffer[start:]
        self._scanned = len(self._tail)
        if self._scanned > LARGEST_EVENT_BYTES:
            raise EventTooLarge(self._scanned)
        return events


def _event(raw: bytes) -> SseEvent:
    data: list[bytes] = []
    name = b""
    for line in _LINE_END.split(raw.removeprefix(_BYTE_ORDER_MARK)):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return SseEvent(raw, b"\n".join(data), name)
