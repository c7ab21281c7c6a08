"""`POST /v1/embeddings`, as OpenAI speaks it. Pure.

There is no output to pay for, only input: each of the inputs is a text, or the numbers of its tokens.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from bursar.billing.problem import HttpRefusal
from bursar.gateway.dialects import openai
from bursar.gateway.dialects.members import ABSENT, first_byte, is_given, write_members
from bursar.gateway.dialects.request_json import read_json, text_bound
from bursar.gateway.dialects.seam import (
    NO_USAGE,
    NOTHING_READ,
    CallRequest,
    Dialect,
    Edits,
    GatewayFault,
    Reading,
    feature_not_priced,
)
from bursar.gateway.sse import SseEvent
from bursar.pricing.bounds import overhead_tokens
from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.cost import PriceFeatures
from bursar.pricing.quote import RequestBound

FIELDS: Final[Mapping[str, Literal["free", "read"]]] = {
    "input": "read",
    "model": "read",
    "dimensions": "free",
    "encoding_format": "free",
    "user": "free",
}
"""`free`: changes no cost. `read`: bounded by what is read of it."""

_FEATURES: Final = PriceFeatures(
    service_tiers=("default",), speeds=("standard",), cache_writes="none", audio_output=False, image_output=False
)
_NO_STRUCTURE: Final[frozenset[str]] = frozenset()


class _Request(msgspec.Struct):
    model: str
    input: msgspec.Raw


_REQUEST: Final = msgspec.json.Decoder(_Request)
_RAWS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_IN_TOKENS: Final = b"0123456789,[] \t\r\n"


@dataclass(frozen=True, slots=True)
class _Input:
    """`raw` is where the texts stand; `None` where there are only tokens."""

    count: int
    tokens: int
    raw: msgspec.Raw | None


def _read_input(raw: msgspec.Raw) -> _Input:
    """Raises `msgspec.DecodeError` for what is no text, no tokens, and no list of either."""
    if first_byte(raw) != b"[":
        _TEXT.decode(raw)
        return _Input(1, 0, raw)
    items = _RAWS.decode(raw)
    kinds = {first_byte(item) for item in items}
    if kinds <= {b'"'}:
        return _Input(len(items), 0, raw)
    written = bytes(raw)
    if b'"' in kinds or written.translate(None, _IN_TOKENS):
        raise msgspec.ValidationError("Expected texts, or tokens, and not both - at `$.input`")
    # Numbers only: each but the first has a comma before it.
    return _Input(len(items) if b"[" in kinds else 1, written.count(b",") + 1, None)


def _read_parts(body: bytes) -> tuple[_Request, _Input]:
    request = _REQUEST.decode(body)
    return request, _read_input(request.input)


def _read_request(body: bytes, allowed_fields: frozenset[str]) -> CallRequest:
    members, (request, given) = read_json(body, _read_parts, main_field="input")
    for name in members:
        if name not in FIELDS and name not in allowed_fields:
            raise feature_not_priced(name)
    return CallRequest(
        model=request.model,
        stream=False,
        members=members,
        bounds=_Bounds(given),
        usage_asked=True,
        output_limit=0,
        # Each input has the model's context to itself.
        rounds=max(1, given.count),
    )


@dataclass(frozen=True, slots=True)
class _Bounds:
    given: _Input

    def __call__(self, facts: ModelFacts, *, exact: bool) -> RequestBound:
        given = self.given
        tokens = given.tokens + overhead_tokens(facts.family, messages=given.count)
        if given.raw is not None:
            tokens += text_bound([given.raw], [], [], _NO_STRUCTURE, facts.family, exact=exact)
        if facts.context_bound_tokens is not None:
            tokens = min(tokens, facts.context_bound_tokens * max(1, given.count))
        return RequestBound(text_tokens=tokens, output_limit=0, features=_FEATURES)


def _write_request(body: bytes, request: CallRequest, edits: Edits) -> bytes:
    renamed = edits.model is not None and edits.model != request.model
    return write_members(body, request.members, {"model": edits.model} if renamed else {})


# --- answers ---------------------------------------------------------------------------------------------------------


class _Answer(msgspec.Struct):
    """The vectors are passed over."""

    usage: msgspec.Raw = ABSENT
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def _read_body(body: bytes) -> Reading:
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reading()
    report = openai.read_usage(answer.usage, None) if is_given(answer.usage) else NO_USAGE
    return Reading(report=report, is_error=answer.error is not None)


def _read_event(event: SseEvent) -> Reading:
    return NOTHING_READ  # It does not stream.


def _stop_events(refusal: HttpRefusal, first_data: bytes, last_data: bytes = b"") -> bytes:
    return b""


def _fault_events(fault: GatewayFault, request_id: str, first_data: bytes, last_data: bytes = b"") -> bytes:
    return b""


EMBEDDINGS: Final = Dialect(
    name="embeddings",
    route="/v1/embeddings",
    upstream_dialect="openai",
    upstream_path="/embeddings",
    request_headers=frozenset(),
    response_headers=frozenset({b"openai-processing-ms", b"openai-version"}),
    read_request=_read_request,
    write_request=_write_request,
    key_header=openai.bearer,
    read_body=_read_body,
    read_event=_read_event,
    refusal=openai.refusal_answer,
    stop_events=_stop_events,
    fault=openai.fault_answer,
    fault_events=_fault_events,
    read_error=openai.read_error,
)
