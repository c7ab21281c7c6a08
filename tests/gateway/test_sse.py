"""Events out of a byte stream, however it is cut."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.gateway import sse
from bursar.gateway.sse import EventTooLarge, SseEvent, SseSplitter

CASES = {
    "one event": (b"data: 1\n\n", [(b"1", b"")]),
    "two events": (b"data: 1\n\ndata: 2\n\n", [(b"1", b""), (b"2", b"")]),
    "windows line ends": (b"data: 1\r\n\r\nevent: x\r\ndata: 2\r\n\r\n", [(b"1", b""), (b"2", b"x")]),
    "old line ends": (b"data: 1\r\rdata: 2\r\r", [(b"1", b""), (b"2", b"")]),
    "mixed line ends": (b"data: 1\n\r\ndata: 2\r\n\ndata: 3\r\n\r\n", [(b"1", b""), (b"2", b""), (b"3", b"")]),
    "several data lines": (b"data: {\ndata: }\n\n", [(b"{\n}", b"")]),
    "no space after the colon": (b"data:1\n\n", [(b"1", b"")]),
    "only one space is taken": (b"data:  1\n\n", [(b" 1", b"")]),
    "a comment": (b": ping\n\ndata: 1\n\n", [(b"", b""), (b"1", b"")]),
    "a comment beside data": (b": ping\ndata: 1\n\n", [(b"1", b"")]),
    "a named event": (b"event: error\ndata: {}\n\n", [(b"{}", b"error")]),
    "an id and a retry": (b"id: 7\nretry: 10\ndata: 1\n\n", [(b"1", b"")]),
    "a byte order mark": (b"\xef\xbb\xbfdata: 1\n\n", [(b"1", b"")]),
    "three empty lines": (b"data: 1\n\n\ndata: 2\n\n", [(b"1", b""), (b"2", b"")]),
    "not ended": (b"data: 1\n\ndata: 2", [(b"1", b""), (b"2", b"")]),
    "a field without a colon": (b"data\n\n", [(b"", b"")]),
}


def split(stream: bytes, cuts: list[int]) -> list[SseEvent]:
    splitter = SseSplitter()
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    events = [event for start, end in pairwise(places) for event in splitter.feed(stream[start:end])]
    return events + splitter.finish()


@pytest.mark.parametrize("name", CASES)
def test_events_whole_and_byte_by_byte(name: str) -> None:
    stream, expected = CASES[name]
    whole = split(stream, [])
    assert [(event.data, event.name) for event in whole] == expected
    assert split(stream, list(range(len(stream)))) == whole


PIECES = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"event: x",
        b": c",
        b'{"a":1}',
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b"\r\n\r\n",
        b"[DONE]",
        b"\xc3",
    ]
)


@given(st.lists(PIECES, max_size=30).map(b"".join), st.lists(st.integers(0, 200), max_size=20))
def test_cuts_change_nothing(stream: bytes, cuts: list[int]) -> None:
    events = split(stream, cuts)
    assert b"".join(event.raw for event in events) == stream
    assert events == split(stream, [])


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=20))
def test_any_bytes_come_out_as_they_went_in(stream: bytes, cuts: list[int]) -> None:
    assert b"".join(event.raw for event in split(stream, cuts)) == stream


@pytest.mark.parametrize("line_end", [b"", b"\r\n"])
def test_an_event_without_end_is_not_kept_for_ever(line_end: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "LARGEST_EVENT_BYTES", 100)
    splitter = SseSplitter()
    splitter.feed(b"data: " + line_end)
    splitter.feed(b"x" * 90)
    with pytest.raises(EventTooLarge):
        splitter.feed(b"x" * 10)
