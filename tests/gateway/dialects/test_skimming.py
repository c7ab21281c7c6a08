"""Passing over what is nothing but output: the beginning of any piece of a stream, in whole events, and no more."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import Dialect, Reading
from bursar.gateway.sse import SseSplitter


def chat(text: str) -> bytes:
    return b"data: %b\n\n" % msgspec.json.encode({"choices": [{"delta": {"content": text}}], "usage": None})


def messages(text: str) -> bytes:
    delta = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return b"event: content_block_delta\ndata: %b\n\n" % msgspec.json.encode(delta)


def responses(text: str) -> bytes:
    delta = {"type": "response.output_text.delta", "item_id": "i", "delta": text}
    return b"event: response.output_text.delta\ndata: %b\n\n" % msgspec.json.encode(delta)


PLAIN = {CHAT_COMPLETIONS.name: chat, MESSAGES.name: messages, RESPONSES.name: responses}
DIALECTS = [CHAT_COMPLETIONS, MESSAGES, RESPONSES]
OTHERS = (
    b"data: [DONE]\n\n",
    b": a comment\n\n",
    b'data: {"choices":[],"usage":{"prompt_tokens":1}}\n\n',
    b'data: {"error":{"message":"x"}}\n\n',
    b'event: error\ndata: {"type":"error","error":{}}\n\n',
    b'event: response.completed\ndata: {"type":"response.completed","response":{}}\n\n',
    b'data: {"choices":[]}\ndata: {}\n\n',
    b'data: {"choices":[]}\r\n\r\n',
    b"\n\n",
)


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_plain_output_is_passed_over_up_to_its_last_whole_event(dialect: Dialect) -> None:
    one, two = PLAIN[dialect.name]("Hello"), PLAIN[dialect.name]('"usage" "error" "response"')
    assert dialect.skim(one) == len(one)
    assert dialect.skim(one + two + one) == len(one + two + one)
    assert dialect.skim(one + two + one[:-1]) == len(one + two)
    assert dialect.skim(one[:-2]) == 0
    assert dialect.skim(b"") == 0


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
@given(
    pieces=st.lists(st.one_of(st.sampled_from(OTHERS), st.text(max_size=8)), max_size=6),
    more=st.binary(max_size=12),
)
def test_what_is_passed_over_are_whole_events_that_say_nothing_else(
    dialect: Dialect, pieces: list[bytes | str], more: bytes
) -> None:
    block = b"".join(PLAIN[dialect.name](piece) if isinstance(piece, str) else piece for piece in pieces) + more
    length = dialect.skim(block)
    splitter = SseSplitter()
    events = splitter.feed(block[:length])
    assert splitter.pending == b""
    for event in events:
        reading = dialect.read_event(event)
        assert reading == Reading(reading.produced)
        assert reading.produced.extra_tokens + len(reading.produced.text.encode()) <= len(event.raw)
