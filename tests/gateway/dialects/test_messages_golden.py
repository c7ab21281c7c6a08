"""Messages: golden transcripts, whole and cut anywhere."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.seam import Reading
from bursar.gateway.meter import Ending
from bursar.gateway.sse import SseEvent, SseSplitter
from tests.gateway.dialects.transcripts import PLENTY_NANOS, check, load, names, replay

STREAMS = [name for name in names("messages") if name.startswith("stream")]


@pytest.mark.parametrize("name", names("messages"))
def test_transcript(name: str) -> None:
    check(MESSAGES, load("messages", name))


def test_there_are_transcripts() -> None:
    assert len(STREAMS) >= 7
    assert {"plain", "cached", "images", "documents"} <= set(names("messages"))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 10_000), max_size=40))
def test_cuts_change_nothing(name: str, places: list[int]) -> None:
    transcript = load("messages", name)
    cut = replay(MESSAGES, transcript, transcript.cuts(places))
    whole = replay(MESSAGES, transcript, [transcript.upstream])
    assert cut.client == whole.client
    assert [reading.produced for reading in cut.readings] == [reading.produced for reading in whole.readings]
    ending = Ending(transcript.expected["ending"])
    assert cut.charge(ending, transcript.priced) == whole.charge(ending, transcript.priced)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(STREAMS), st.integers(1, 10_000))
def test_a_stream_that_breaks_off_is_charged_what_came(name: str, length: int) -> None:
    """However little came, it is charged without raising, never more than the hold, and more of it is not cheaper."""
    transcript = load("messages", name)
    length = min(length, len(transcript.upstream))
    broken = replay(MESSAGES, transcript, [transcript.upstream[:length]])
    charge = broken.charge(Ending.BROKEN, transcript.priced)
    assert 0 < charge.actual_nanos <= PLENTY_NANOS
    assert transcript.client.startswith(broken.client) or "stopAfterEvents" in transcript.expected


@pytest.mark.parametrize("more", [b'"usage":{}', b'"error":{}'])
def test_only_deltas_are_left_unread(more: bytes) -> None:
    delta = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":'
    text = delta + b'"\\"usage\\" \\"error\\" \\"response\\""}\n\n'
    assert MESSAGES.skim(text + text) == 2 * len(text)
    assert MESSAGES.skim(text + delta + b'"x",' + more + b"}\n\n") == len(text)
    assert MESSAGES.skim(b'event: error\ndata: {"type":"error","delta":"x"}\n\n') == 0
    events = SseSplitter().feed(load("messages", "stream").upstream)
    assert sum(MESSAGES.skim(event.raw) == len(event.raw) for event in events) == 3


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_raising(data: bytes) -> None:
    assert isinstance(MESSAGES.read_event(SseEvent(data, data, b"")), Reading)
    assert isinstance(MESSAGES.read_body(data), Reading)
    MESSAGES.read_error(400, data)


MEMBER = st.sampled_from(["type", "delta", "usage", "message", "content", "content_block", "text", "input_tokens"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(MEMBER, children, max_size=4),
    max_leaves=12,
)
KINDS = st.sampled_from(
    ["message_start", "message_delta", "content_block_start", "content_block_delta", "error", "new"]
)


@given(KINDS, st.dictionaries(MEMBER, JSON, max_size=4))
def test_events_of_any_shape_are_read_without_raising(kind: str, members: dict[str, object]) -> None:
    data = json.dumps({**members, "type": kind}).encode()
    reading = MESSAGES.read_event(SseEvent(data, data, b""))
    if reading.report.complete is not None:
        reading.report.complete(None)
