"""Golden transcripts: a request, the bytes an upstream answered with, what the client gets, what was used.

A transcript is a few files in `golden/DIALECT/`: `NAME.request.json`, `NAME.upstream.sse` or `.json`,
`NAME.expected.json`, and `NAME.client.sse` where the client does not get what the upstream has sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from bursar.billing.problem import HttpRefusal, http_refusal
from bursar.gateway.dialects.seam import CallRequest, Dialect, Edits, Reading
from bursar.gateway.meter import Charge, Ending, Meter
from bursar.gateway.sse import SseEvent, SseSplitter
from bursar.ledger.model import Reason
from bursar.pricing.catalogue import Priced
from bursar.pricing.quote import Quote, quote
from tests.billing.facts import REQUEST_ID, refused
from tests.pricing.samples import priced

GOLDEN = Path(__file__).parent / "golden"
PLENTY_NANOS = 10**15
NOBODY: frozenset[str] = frozenset()


BILLING = {"code": "INSUFFICIENT_BALANCE", "reason": "BALANCE_EXHAUSTED", "requestId": REQUEST_ID}


def refusal() -> HttpRefusal:
    """A shortage, in few words: what transcripts are stopped with."""
    headers = {"x-request-id": REQUEST_ID, "content-language": "en", "x-should-retry": "false"}
    return HttpRefusal(402, "insufficient_balance", "The AI credit is used up.", headers, BILLING)


def real_refusal(reason: Reason = Reason.BALANCE_EXHAUSTED) -> HttpRefusal:
    """A shortage, as a member of the mandate is told of it in English."""
    return http_refusal(refused(reason), "en")


@dataclass(frozen=True, slots=True)
class Transcript:
    request_body: bytes
    upstream: bytes
    is_stream: bool
    client: bytes
    expected: dict[str, Any]

    @property
    def priced(self) -> Priced:
        return priced(self.expected["price"], currency="CHF")

    def cuts(self, places: list[int]) -> list[bytes]:
        """The upstream's bytes in pieces, cut at these places (taken modulo their length)."""
        marks = sorted({0, len(self.upstream), *(place % len(self.upstream) for place in places)})
        return [self.upstream[start:end] for start, end in pairwise(marks)]


def names(dialect: str) -> list[str]:
    return sorted(path.name.removesuffix(".request.json") for path in (GOLDEN / dialect).glob("*.request.json"))


def load(dialect: str, name: str) -> Transcript:
    folder = GOLDEN / dialect
    stream, body = folder / f"{name}.upstream.sse", folder / f"{name}.upstream.json"
    is_stream = stream.exists()
    upstream = (stream if is_stream else body).read_bytes()
    client = folder / f"{name}.client.sse"
    return Transcript(
        request_body=(folder / f"{name}.request.json").read_bytes(),
        upstream=upstream,
        is_stream=is_stream,
        client=client.read_bytes() if client.exists() else upstream,
        expected=json.loads((folder / f"{name}.expected.json").read_bytes()),
    )


@dataclass(frozen=True, slots=True)
class Replay:
    request: CallRequest
    quote: Quote
    meter: Meter
    client: bytes
    readings: list[Reading]

    def charge(self, ending: Ending, priced: Priced) -> Charge:
        return self.meter.charge(ending, self.request.bounds(priced.facts, exact=True))


def replay(dialect: Dialect, transcript: Transcript, chunks: list[bytes]) -> Replay:
    """Pass an answer on as the relay does, stopped after so many events where the transcript says so."""
    price = transcript.priced
    request = dialect.read_request(transcript.request_body, NOBODY)
    wanted = quote(price, request.bounds(price.facts, exact=False))
    meter = Meter(request, price, wanted, PLENTY_NANOS)
    if not transcript.is_stream:
        body = b"".join(chunks)
        reading = dialect.read_body(body)
        meter.add(reading)
        return Replay(request, wanted, meter, body, [reading])
    splitter = SseSplitter()
    events = [event for chunk in chunks for event in splitter.feed(chunk)] + splitter.finish()
    stop_after = transcript.expected.get("stopAfterEvents", len(events))
    passed: list[SseEvent] = events[:stop_after]
    readings = [dialect.read_event(event) for event in passed]
    for event, reading in zip(passed, readings, strict=True):
        if dialect.skim(event.raw):
            assert reading == Reading(reading.produced)
            assert reading.produced.extra_tokens + len(reading.produced.text.encode()) <= len(event.data)
    for reading in readings:
        meter.add(reading)
    client = b"".join(event.raw for event in passed)
    if stop_after < len(events):
        client += dialect.stop_events(refusal(), passed[0].data, passed[-1].data)
    return Replay(request, wanted, meter, client, readings)


def check(dialect: Dialect, transcript: Transcript) -> None:
    """What every transcript has to show."""
    played = replay(dialect, transcript, [transcript.upstream])
    expected, price = transcript.expected, transcript.priced
    request = played.request
    assert dialect.write_request(transcript.request_body, request, Edits()) is transcript.request_body
    assert request.stream is transcript.is_stream
    assert played.client == transcript.client
    bound = request.bounds(price.facts, exact=False)
    assert {name: getattr(bound, name) for name in expected["bound"]} == expected["bound"]
    assert played.quote.growing is expected["growing"]
    assert request.bounds(price.facts, exact=True).text_tokens <= bound.text_tokens

    charge = played.charge(Ending(expected["ending"]), price)
    assert charge.cost_source == expected["costSource"]
    assert charge.usage.counts() == expected["usage"]
    assert charge.alert is None
    # What it came to was bounded before.
    used_output = charge.usage.output_tokens
    assert charge.actual_nanos <= played.quote.nanos_for(used_output)
    assert charge.usage.input_tokens <= bound.input_tokens
    assert any(reading.is_error for reading in played.readings) is expected.get("isError", False)
