"""Random streams of every dialect, cut anywhere, whose money or client or upstream may end anywhere; and what must hold
of whatever comes of them. Everything is drawn from one seed."""

from __future__ import annotations

import asyncio
import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any, Final

from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import Dialect
from bursar.gateway.meter import WINDOW_BYTES, Ending
from bursar.gateway.sse import SseSplitter
from bursar.gateway.streams import StreamPasser
from bursar.ledger.model import CostSource
from bursar.pricing.cost import cost_nanos
from bursar.pricing.tokens import count_tokens
from tests.gateway.paid_call import NO_MORE, Answer, PaidCall, Purse, Reader, asked_for
from tests.gateway.test_meter import PRICED

WORDS: Final = (" one", " two", " three-and-twenty", "\n", "ä", "日本", '"', "\\", "x" * 30, "", " ", "data: ", "\r")
LINE_ENDS: Final = (b"\n", b"\n", b"\n", b"\r\n", b"\r")
NOISE: Final = (b": ping", b"event: ping", b"id: 7", b"retry: 10", b"data", b"\xef\xbb\xbf: mark")
GARBAGE: Final = (
    b"data: {",
    b"data: \xff\xfe\x00",
    b"data: [1,2",
    b'data: {"choices":7,"delta":[],"type":5}',
    b"\x00\x01\x02",
)
BROKE_OFF: Final = b"The upstream broke off before its answer was complete."


@dataclass(frozen=True)
class Tongue:
    """How a dialect says a piece of text, and what stands before and after all of them (lines of an event each)."""

    dialect: Dialect
    body: bytes
    before: tuple[bytes, ...]
    says: Callable[[str], bytes]
    usage: Callable[[int], tuple[bytes, ...]]
    after: tuple[bytes, ...]


def _data(value: Any) -> bytes:
    return b"data: " + json.dumps(value, separators=(",", ":")).encode()


def _named(value: Any) -> bytes:
    return b"event: " + str(value["type"]).encode() + b"\n" + _data(value)


def _chat_usage(output: int) -> tuple[bytes, ...]:
    return (_data({"id": "c", "choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": output}}),)


def _response(kind: str, output: int | None) -> bytes:
    usage = None if output is None else {"input_tokens": 7, "output_tokens": output}
    return _named({"type": kind, "sequence_number": 9, "response": {"id": "r", "output": [], "usage": usage}})


HI: Final = [{"role": "user", "content": "hi"}]
TONGUES: Final = (
    Tongue(
        CHAT_COMPLETIONS,
        json.dumps(
            {"model": "gpt-4o-mini", "stream": True, "messages": HI, "stream_options": {"include_usage": True}}
        ).encode(),
        (),
        lambda text: _data({"id": "c", "choices": [{"index": 0, "delta": {"content": text}}], "usage": None}),
        _chat_usage,
        (b"data: [DONE]",),
    ),
    Tongue(
        RESPONSES,
        json.dumps({"model": "gpt-4o-mini", "stream": True, "input": "hi"}).encode(),
        (_response("response.created", None),),
        lambda text: _named({"type": "response.output_text.delta", "sequence_number": 5, "delta": text}),
        lambda output: (_response("response.completed", output),),
        (),
    ),
    Tongue(
        MESSAGES,
        json.dumps({"model": "gpt-4o-mini", "stream": True, "messages": HI, "max_tokens": 9_000}).encode(),
        (_named({"type": "message_start", "message": {"id": "m", "usage": {"input_tokens": 7, "output_tokens": 1}}}),),
        lambda text: _named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        lambda output: (_named({"type": "message_delta", "delta": {}, "usage": {"output_tokens": output}}),),
        (_named({"type": "message_stop"}),),
    ),
)


@dataclass(frozen=True)
class Made:
    """A stream: its bytes, where its events end, and the text that each of them brings."""

    tongue: Tongue
    stream: bytes
    ends: list[int]
    texts: list[str]
    reports: bool
    garbled: bool

    def text_until(self, place: int) -> str:
        return "".join(self.texts[: bisect_right(self.ends, place)])


def make(random: Random) -> Made:
    tongue = random.choice(TONGUES)
    events = [(line, "") for line in tongue.before]
    for _ in range(random.choice((0, 1, 3, 12, 40)) if random.random() < 0.99 else 500):
        text = "".join(random.choices(WORDS, k=random.randrange(1, 8)))
        events.append((tongue.says(text), text))
        if random.random() < 0.1:
            events.append((random.choice(NOISE), ""))
    garbled = random.random() < 0.1
    if garbled:
        events.insert(random.randrange(len(events) + 1), (random.choice(GARBAGE), ""))
    reports = random.random() < 0.6
    if reports:
        output = count_tokens("".join(text for _, text in events), PRICED.facts.family)
        events += [(line, "") for line in tongue.usage(output)]
    events += [(line, "") for line in tongue.after]
    one_end = random.choice(LINE_ENDS)
    mixed = random.random() < 0.2
    stream, ends, texts = bytearray(), [], []
    for lines, text in events:
        end = random.choice(LINE_ENDS) if mixed else one_end
        stream += lines.replace(b"\n", end) + end + end
        ends.append(len(stream))
        texts.append(text)
    return Made(tongue, bytes(stream), ends, texts, reports, garbled)


def cut(random: Random, stream: bytes) -> list[bytes]:
    """In one piece, at each byte, or at some places."""
    if not stream:
        return []
    kind = random.random()
    if kind < 0.2:
        return [stream]
    if kind < 0.25 and len(stream) < 2_000:
        return [stream[place : place + 1] for place in range(len(stream))]
    places = sorted({0, len(stream), *(random.randrange(len(stream)) for _ in range(random.randrange(1, 16)))})
    return [stream[start:end] for start, end in pairwise(places)]


# --- what must hold --------------------------------------------------------------------------------------------------


def check_cuts(random: Random) -> None:
    """However bytes of any kind are cut, the same events come out, and together they are what went in."""
    if random.random() < 0.5:
        stream = make(random).stream
    else:
        alphabet = random.choice((b"\r\n:da", b"\n d:", bytes(range(256))))
        stream = bytes(random.choices(alphabet, k=random.randrange(200)))
    whole = SseSplitter()
    expected = [*whole.feed(stream), *whole.finish()]
    splitter = SseSplitter()
    found = [event for piece in cut(random, stream) for event in splitter.feed(piece)] + splitter.finish()
    assert found == expected
    assert b"".join(event.raw for event in found) == stream


@dataclass
class Run:
    made: Made
    call: PaidCall
    reader: Reader
    breaks: bool


async def run(random: Random, made: Made, purse: Purse) -> Run | None:
    """One stream through the passer; `None` where the purse was empty before it began."""
    breaks = random.random() < 0.15
    pieces = cut(random, made.stream[: random.randrange(len(made.stream) + 1)] if breaks else made.stream)
    yields = frozenset(random.sample(range(len(pieces) + 1), k=min(len(pieces), 3)))
    answer: Any = Answer(pieces, breaks=breaks, yields=yields)
    try:
        call = PaidCall(made.tongue.dialect, made.tongue.body, purse)
    except ValueError:
        return None
    call.answer, call.ending = answer, Ending.BROKEN
    reader = Reader(random.randrange(1, 12) if random.random() < 0.15 else None)
    client: Any = reader
    await StreamPasser(call, client, answer).run(200, [])
    return Run(made, call, reader, breaks)


def _common(one: bytes, other: bytes) -> int:
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def check_run(done: Run) -> int:
    """What arrived is what was sent, what is charged is what arrived; the nanos that it is charged."""
    made, call, reader = done.made, done.call, done.reader
    ending = call.ending
    assert ending is not None
    charge = call.meter.charge(ending, call.bound)
    common = _common(reader.got, made.stream)
    # What is ours begins where an event ends; a broken stream's last half event is not passed on.
    place = next((end for end in reversed([0, *made.ends]) if end <= common), 0)
    ours = reader.got[place:]
    if ending in (Ending.COMPLETE, Ending.DRAINED):
        assert reader.got == made.stream if not reader.gone else made.stream.startswith(reader.got)
    elif not reader.gone and common < len(reader.got):
        assert (NO_MORE.encode() if ending is Ending.STOPPED else BROKE_OFF) in ours
    assert charge.actual_nanos <= call.meter.held_nanos or charge.cost_source is not CostSource.ESTIMATED
    if ending is Ending.BROKEN:
        assert done.breaks or made.garbled
    if charge.cost_source is CostSource.PROVIDER_USAGE and not made.garbled:
        assert made.reports
        assert charge.usage.output_tokens == count_tokens("".join(made.texts), PRICED.facts.family)
    if not reader.gone and not made.garbled and call.meter.produced_anything:
        delivered_nanos = cost_nanos(PRICED.price, charge.usage)
        assert delivered_nanos <= call.meter.held_nanos, "delivered and not paid for"
    if ending is Ending.STOPPED and not reader.gone and not made.garbled:
        text = made.text_until(place)
        delivered = count_tokens(text, PRICED.facts.family)
        # A token may lie across the places where a long text is cut to be counted.
        windows = len(text.encode()) // WINDOW_BYTES
        assert abs(charge.usage.output_tokens - delivered) <= 1 + 3 * windows, (charge.usage, delivered)
        assert charge.actual_nanos == min(cost_nanos(PRICED.price, charge.usage), call.meter.held_nanos)
    return charge.actual_nanos if charge.cost_source is CostSource.ESTIMATED else 0


async def check_many(random: Random, streams: int) -> None:
    """Several streams at once, their steps interleaved, on one purse: no more is held than was in it."""
    made = [make(random) for _ in range(streams)]
    tokens = random.choice((0, 5, 40, 200, 2_000))
    quotes = [asked_for(each.tongue.dialect.name, each.tongue.body)[2] for each in made]
    start_nanos = sum(each.nanos_for(random.randrange(tokens + 1)) for each in quotes)
    purse = Purse(start_nanos)
    found = await asyncio.gather(*(run(random, each, purse) for each in made))
    runs = [each for each in found if each is not None]
    held = sum(each.call.meter.held_nanos for each in runs)
    assert held + purse.left_nanos == start_nanos
    assert purse.left_nanos >= 0
    assert sum(check_run(each) for each in runs) <= held
