"""Any stream, cut anywhere, whose money ends anywhere: what arrives is what was sent, and what is charged."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.meter import Ending
from bursar.gateway.streams import StreamPasser
from bursar.ledger.model import CostSource
from bursar.pricing.cost import cost_nanos
from bursar.pricing.tokens import count_tokens
from tests.gateway.paid_call import Answer, PaidCall, Purse, Reader, asked_for
from tests.gateway.scripted import DONE, chunk
from tests.gateway.test_meter import PRICED

WORDS = st.sampled_from([" one", " two", "\n", "ä", "日本", '"', "x" * 30, ""])
TEXTS = st.lists(st.lists(WORDS, min_size=1, max_size=8).map("".join), max_size=40)


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[str], bytes, bool]:
    """Deltas of text, their stream with noise between, and whether usage is reported."""
    texts = draw(TEXTS)
    ends = draw(st.sampled_from([b"\n\n", b"\r\n\r\n"]))
    noise = draw(st.sampled_from([b"", b": ping\n\n"]))
    with_usage = draw(st.booleans())
    events = [chunk(text) + noise for text in texts]
    if with_usage:
        output = count_tokens("".join(texts), PRICED.facts.family)
        events.append(chunk(None, usage={"prompt_tokens": 7, "completion_tokens": output, "total_tokens": 7 + output}))
    return texts, b"".join([*events, DONE]).replace(b"\n\n", ends), with_usage


def passed(
    stream: bytes,
    cuts: list[int],
    *,
    tokens: int = 10_000,
    leaves: int | None = None,
    breaks: bool = False,
    usage: bool = False,
) -> tuple[PaidCall, Reader]:
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    answer: Any = Answer([stream[start:end] for start, end in pairwise(places)], breaks=breaks)
    body = msgspec.json.encode(
        {
            "model": "gpt-4o-mini",
            "stream": True,
            "messages": [{"role": "user", "content": "hi"}],
            "stream_options": {"include_usage": usage},
        }
    )
    wanted = asked_for(CHAT_COMPLETIONS.name, body)[2]
    money_nanos = max(wanted.minimum_nanos, wanted.nanos_for(tokens))
    call = PaidCall(CHAT_COMPLETIONS, body, Purse(money_nanos))
    call.answer = answer
    call.ending = Ending.BROKEN
    reader = Reader(leaves)
    client: Any = reader
    asyncio.run(StreamPasser(call, client, answer).run(200, []))
    return call, reader


def text_of(stream: bytes) -> str:
    text = ""
    for line in stream.replace(b"\r\n", b"\n").split(b"\n"):
        if line.startswith(b"data: {") and b'"finish_reason":"error"' not in line:
            for choice in msgspec.json.decode(line[6:])["choices"]:
                text += choice["delta"].get("content") or ""
    return text


CUTS: st.SearchStrategy[list[int]] = st.one_of(st.just([]), st.lists(st.integers(0, 10_000), max_size=12))


@settings(max_examples=60)
@given(streams(), CUTS)
def test_what_arrives_is_what_was_sent(made: tuple[list[str], bytes, bool], cuts: list[int]) -> None:
    texts, stream, with_usage = made
    call, reader = passed(stream, cuts, usage=True)
    assert reader.got == stream
    assert call.ending is Ending.COMPLETE
    call, reader = passed(stream, cuts)
    events = stream.replace(b"\r\n", b"\n").split(b"\n\n")
    expected = [event for event in events if b'"usage"' not in event]
    assert reader.got.replace(b"\r\n", b"\n").split(b"\n\n") == expected
    charge = call.meter.charge(Ending.COMPLETE, call.bound)
    assert charge.cost_source is (CostSource.PROVIDER_USAGE if with_usage else CostSource.ESTIMATED)
    assert charge.usage.output_tokens == count_tokens("".join(texts), PRICED.facts.family)


@settings(max_examples=120)
@given(streams(), CUTS, st.integers(1, 120), st.none() | st.integers(1, 20), st.booleans())
def test_what_is_charged_is_what_arrived(
    made: tuple[list[str], bytes, bool], cuts: list[int], tokens: int, leaves: int | None, breaks: bool
) -> None:
    texts, stream, _ = made
    call, reader = passed(stream, cuts, tokens=tokens, leaves=leaves, breaks=breaks)
    money_nanos = call.meter.held_nanos + call.purse.left_nanos
    ending = call.ending
    assert ending is not None
    charge = call.meter.charge(ending, call.bound)
    delivered = text_of(reader.got)
    whole = "".join(texts)
    assert whole.startswith(delivered)
    if charge.cost_source is CostSource.ESTIMATED:
        assert charge.actual_nanos <= money_nanos
    if ending is Ending.STOPPED and not reader.gone:
        counted = count_tokens(delivered, PRICED.facts.family)
        exact = cost_nanos(PRICED.price, charge.usage)
        assert abs(charge.usage.output_tokens - counted) <= 1
        assert charge.actual_nanos == min(exact, call.meter.held_nanos)
        assert reader.got.endswith(DONE)
        assert reader.got.count(b'"finish_reason":"error"') == 1
    if ending is Ending.COMPLETE:
        assert delivered == whole
        assert cost_nanos(PRICED.price, charge.usage) <= money_nanos or charge.cost_source is not CostSource.ESTIMATED
    if ending is Ending.BROKEN:
        assert breaks
        assert call.raised == ["upstream_broke_off"]
        if not reader.gone:
            assert reader.got.endswith(DONE)
