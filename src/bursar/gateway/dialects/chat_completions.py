"""`POST /v1/chat/completions`, as OpenAI and everybody after it speaks it. Pure.

`FIELDS` is the table of the request's top-level fields; a test holds it against the official client's types.
What messages and tools carry is read in `chat_content.py`, answers in `chat_answers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from bursar.billing.problem import HttpRefusal
from bursar.gateway.dialects import openai
from bursar.gateway.dialects.chat_answers import ONLY_OUTPUT, read_body, read_event
from bursar.gateway.dialects.chat_content import Content, content_bound, read_content
from bursar.gateway.dialects.members import (
    ABSENT,
    Members,
    is_given,
    read_value,
    write_members,
)
from bursar.gateway.dialects.request_json import read_json
from bursar.gateway.dialects.seam import (
    CallRequest,
    Dialect,
    Edits,
    GatewayFault,
    feature_not_priced,
    invalid,
)
from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.cost import PriceFeatures, service_tiers_for
from bursar.pricing.families import family_of
from bursar.pricing.quote import RequestBound

# --- the table of request fields -------------------------------------------------------------------------------------

FieldRule = Literal["free", "text", "read"]
"""`free`: changes no cost. `text`: its JSON counts as input. `read`: bounded by what `_read` makes of it."""

FIELDS: Final[Mapping[str, FieldRule]] = {
    "messages": "read",
    "model": "read",
    "audio": "read",
    "frequency_penalty": "free",
    "function_call": "text",
    "functions": "text",
    "logit_bias": "free",
    "logprobs": "free",
    "max_completion_tokens": "read",
    "max_tokens": "read",
    "metadata": "free",
    "modalities": "read",
    "moderation": "read",
    "n": "read",
    "parallel_tool_calls": "free",
    "prediction": "text",
    "presence_penalty": "free",
    "prompt_cache_key": "free",
    "prompt_cache_options": "read",
    "prompt_cache_retention": "read",
    "reasoning_effort": "read",
    "response_format": "text",
    "safety_identifier": "free",
    "seed": "free",
    "service_tier": "read",
    "stop": "free",
    "store": "free",
    "stream": "read",
    "stream_options": "read",
    "temperature": "free",
    "tool_choice": "text",
    "tools": "read",
    "top_logprobs": "free",
    "top_p": "free",
    "user": "free",
    "verbosity": "free",
    "web_search_options": "read",
    # Sampling options of vLLM and others.
    "min_p": "free",
    "repetition_penalty": "free",
    "top_k": "free",
}

_KNOWN: Final = frozenset(FIELDS)
_TEXTS: Final = tuple(name for name, rule in FIELDS.items() if rule == "text")


ALWAYS_SEARCHES: Final = re.compile(r"search-(preview|api)")
"""OpenAI, "Web search": these models search before they answer, whether the request speaks of it or not."""

MODALITIES: Final = frozenset({"text", "audio", "image"})


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Request(msgspec.Struct):
    """What is read of a request; the rest is looked up in the table and passes as it is."""

    model: str
    messages: msgspec.Raw
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    moderation: openai.Moderation | None = None
    reasoning_effort: str | None = None
    service_tier: str | None = None
    prediction: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    web_search_options: dict[str, Any] | None = None


_REQUEST: Final = msgspec.json.Decoder(_Request)


def _read_parts(body: bytes) -> tuple[_Request, Content]:
    request = _REQUEST.decode(body)
    return request, read_content(request.messages, request.tools)


def _read_request(body: bytes, allowed_fields: frozenset[str]) -> CallRequest:
    members, (request, content) = read_json(body, _read_parts)
    for name in members.keys() - _KNOWN - allowed_fields:
        raise feature_not_priced(name)
    _check(request, allowed_fields)
    limits = [limit for limit in (request.max_completion_tokens, request.max_tokens) if limit is not None]
    searches = 0 if request.web_search_options is None and not ALWAYS_SEARCHES.search(request.model) else 1
    choices = 1 if request.n is None else request.n
    output_limit = max(limits, default=None)
    stream = bool(request.stream)
    long_cache = openai.asks_for_long_cache(body, members)
    return CallRequest(
        model=request.model,
        stream=stream,
        members=members,
        bounds=_Bounds(request, members, content, choices, output_limit, searches, long_cache),
        usage_asked=bool(request.stream_options and request.stream_options.include_usage),
        output_limit=output_limit,
        choices=choices,
        always_used={"web_searches": searches} if searches else {},
    )


def _check(request: _Request, allowed_fields: frozenset[str]) -> None:
    for name, value in (
        ("n", request.n),
        ("max_tokens", request.max_tokens),
        ("max_completion_tokens", request.max_completion_tokens),
    ):
        if value is not None and value < 1:
            raise invalid(name, f"'{name}' must be at least 1.")
    for modality in request.modalities or ():
        if modality not in MODALITIES:
            raise feature_not_priced("modalities", f"it is not known what '{modality[:100]}' costs")
    openai.check_prices(request.service_tier, request.moderation, allowed_fields)


class _Bounds(msgspec.Struct, frozen=True):
    """The bounds of one request, for whatever model it will be priced by."""

    request: _Request
    members: Members
    content: Content
    choices: int
    output_limit: int | None
    searches: int
    long_cache: bool

    def __call__(self, facts: ModelFacts, *, exact: bool) -> RequestBound:
        request = self.request
        texts = [self.members[name] for name in _TEXTS if name in self.members]
        content = content_bound(self.content, texts, facts, exact=exact)
        sounds = request.audio is not None or "audio" in (request.modalities or ())
        thinks = request.reasoning_effort not in (None, openai.NO_THINKING)
        return RequestBound(
            text_tokens=content.text_tokens,
            image_tokens=content.image_tokens,
            audio_tokens=content.audio_tokens,
            opaque_tokens=content.opaque_tokens,
            choices=self.choices,
            output_limit=self.output_limit,
            visible_output=bool(request.stream) and not sounds and not thinks and not is_given(request.prediction),
            web_searches=self.searches,
            asked_output=frozenset({*(["audio"] if sounds else []), *(request.modalities or ())} - {"text"}),
            features=_features(request.service_tier, sounds, self.long_cache),
        )


@lru_cache(maxsize=64)
def _features(service_tier: str | None, sounds: bool, long_cache: bool) -> PriceFeatures:
    return PriceFeatures(
        service_tiers=service_tiers_for(service_tier),
        speeds=("standard",),
        cache_writes="long" if long_cache else "short",
        audio_output=sounds,
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def _write_request(body: bytes, request: CallRequest, edits: Edits) -> bytes:
    changes: dict[str, Any] = {}
    members = request.members
    if edits.model is not None and edits.model != request.model:
        changes["model"] = edits.model
    if edits.output_limit is not None:
        given = [
            name for name in ("max_completion_tokens", "max_tokens") if name in members and is_given(members[name])
        ]
        for name in given or (_limit_name(request.model),):
            changes[name] = min(edits.output_limit, read_value(members[name])) if given else edits.output_limit
    if edits.ask_usage and request.stream and not request.usage_asked:
        options = read_value(members["stream_options"]) if "stream_options" in members else None
        changes["stream_options"] = {**(options or {}), "include_usage": True}
    return write_members(body, members, changes)


def _limit_name(model: str) -> str:
    """OpenAI's reasoning models refuse `max_tokens`; many other servers do not know its newer name."""
    family = family_of(model)
    return "max_completion_tokens" if family.vendor == "openai" and family.reasoning != "never" else "max_tokens"


# --- errors in a running stream --------------------------------------------------------------------------------------


class _Identity(msgspec.Struct):
    id: str = "chatcmpl-bursar"
    created: int = 0
    model: str = ""
    object: str = "chat.completion.chunk"


_IDENTITY: Final = msgspec.json.Decoder(_Identity)


def _error_events(error: dict[str, Any], first_data: bytes) -> bytes:
    """A whole chunk with a top-level `error`, then the end: what official clients raise, with everything in it kept."""
    try:
        identity = _IDENTITY.decode(first_data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        identity = _Identity()
    chunk = {
        "id": identity.id,
        "object": "chat.completion.chunk",
        "created": identity.created,
        "model": identity.model,
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "error"}],
        "error": error,
    }
    return b"data: " + msgspec.json.encode(chunk) + b"\n\ndata: [DONE]\n\n"


def _stop_events(refusal: HttpRefusal, first_data: bytes, last_data: bytes = b"") -> bytes:
    return _error_events(openai.refusal_error(refusal), first_data)


def _fault_events(fault: GatewayFault, request_id: str, first_data: bytes, last_data: bytes = b"") -> bytes:
    return _error_events({**openai.fault_error(fault), "request_id": request_id}, first_data)


CHAT_COMPLETIONS: Final = Dialect(
    name="chat_completions",
    route="/v1/chat/completions",
    upstream_dialect="openai",
    upstream_path="/chat/completions",
    request_headers=frozenset(),
    response_headers=frozenset({b"openai-processing-ms", b"openai-version"}),
    read_request=_read_request,
    write_request=_write_request,
    key_header=openai.bearer,
    read_body=read_body,
    read_event=read_event,
    skim=ONLY_OUTPUT,
    refusal=openai.refusal_answer,
    stop_events=_stop_events,
    fault=openai.fault_answer,
    fault_events=_fault_events,
    read_error=openai.read_error,
)
