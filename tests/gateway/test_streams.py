"""Any stream, cut anywhere, whose money ends anywhere: what arrives is what was sent, and what is charged."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.foundation.ids import new_id
from bursar.gateway.admission import Admitted, Asked, Refused
from bursar.gateway.call import Call
from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.dialects.seam import FaultKind, GatewayFault
from bursar.gateway.meter import Ending, Slice
from bursar.gateway.streams import StreamPasser
from bursar.gateway.upstream_target import FaultReason, FaultStage, UpstreamFault
from bursar.ledger.model import CostSource, Granted
from bursar.pricing.cost import cost_nanos
from bursar.pricing.quote import QuoteSettings, quote
from bursar.pricing.tokens import count_tokens
from tests.gateway.scripted import DONE, chunk
from tests.gateway.test_meter import PRICED

SETTINGS = QuoteSettings(minimum_output_tokens=16, default_output_tokens=20)


class Answer:
    """An upstream's answer in given pieces; at its end it is whole, or breaks off."""

    def __init__(self, pieces: list[bytes], *, breaks: bool) -> None:
        self._pieces = pieces
        self._breaks = breaks
        self._ends_with_a_piece = len(pieces) % 2 == 0
        self.closed = False

    @property
    def ended(self) -> bool:
        """An end may come together with the last piece, or later."""
        return self._ends_with_a_piece and not self._pieces and not self._breaks

    async def next_chunk(self) -> bytes:
        if self.closed:
            raise UpstreamFault(FaultStage.BODY, FaultReason.CLOSED)
        if self._pieces:
            return self._pieces.pop(0)
        if self._breaks:
            raise UpstreamFault(FaultStage.BODY, FaultReason.RESET)
        return b""

    def close(self) -> None:
        self.closed = True


@dataclass
class Reader:
    """A client that leaves after some writes."""

    leaves_after: int | None
    got: bytes = b""
    writes: int = 0
    gone: bool = False

    async def start(self, status: int, headers: Any) -> None: ...

    async def write(self, body: bytes, *, more: bool) -> None:
        if self.gone:
            return
        self.got += body
        self.writes += 1
        self.gone = self.writes == self.leaves_after


@dataclass
class Alerts:
    raised: list[str] = field(default_factory=list)

    def alert(self, event: str, facts: Mapping[str, Any]) -> None:
        self.raised.append(event)


class PaidCall(Call):
    """A call whose ledger is a number."""

    money_nanos: int
    extensions: int = 0

    def __init__(self, body: bytes, money_nanos: int) -> None:
        self.money_nanos = money_nanos
        request = CHAT_COMPLETIONS.read_request(body, frozenset())
        bound = request.bounds(PRICED.facts, exact=True)
        wanted = quote(PRICED, bound, SETTINGS)
        granted = Granted(new_id(), min(wanted.desired_nanos, money_nanos), None, None)  # type: ignore[arg-type]
        party: Any = type("Party", (), {"mandate": type("M", (), {"client_gone": "DRAIN", "mandate_id": UUID(int=1)})})
        party.account_id = UUID(int=1)
        route: Any = type("Route", (), {"upstream": type("U", (), {"name": "up"})})
        asked = Asked(new_id(), None, body, party, request, (route,), (), PRICED, None, None)  # type: ignore[arg-type]
        wiring: Any = Alerts()
        super().__init__(wiring, None, CHAT_COMPLETIONS, Admitted(asked, wanted, granted))  # type: ignore[arg-type]
        self.bound = bound

    async def extend(self) -> Refused | GatewayFault | None:
        wanted: Slice = self.meter.next_slice()
        self.extensions += 1
        if wanted.minimum_total_nanos > self.money_nanos:
            return GatewayFault(FaultKind.RATE_LIMITED, "no more")
        self.meter.extended(min(wanted.desired_total_nanos, self.money_nanos))
        return None


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
    probe = PaidCall(body, 10**12)
    call = PaidCall(body, probe.admitted.quote.nanos_for(tokens))
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
    assert call.meter.held_nanos <= call.money_nanos
    ending = call.ending
    assert ending is not None
    charge = call.meter.charge(ending, call.bound)
    delivered = text_of(reader.got)
    whole = "".join(texts)
    assert whole.startswith(delivered)
    if charge.cost_source is CostSource.ESTIMATED:
        assert charge.actual_nanos <= call.money_nanos
    if ending is Ending.STOPPED and not reader.gone:
        counted = count_tokens(delivered, PRICED.facts.family)
        exact = cost_nanos(PRICED.price, charge.usage)
        assert abs(charge.usage.output_tokens - counted) <= 1
        assert charge.actual_nanos == min(exact, call.meter.held_nanos)
        assert reader.got.endswith(DONE)
        assert reader.got.count(b'"finish_reason":"error"') == 1
    if ending is Ending.COMPLETE:
        assert delivered == whole
        assert (
            cost_nanos(PRICED.price, charge.usage) <= call.money_nanos or charge.cost_source is not CostSource.ESTIMATED
        )
    if ending is Ending.BROKEN:
        assert breaks
        assert call.wiring.raised == ["upstream_broke_off"]  # type: ignore[attr-defined]
        if not reader.gone:
            assert reader.got.endswith(DONE)
