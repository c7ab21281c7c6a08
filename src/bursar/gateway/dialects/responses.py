"""`POST /v1/responses`, as OpenAI speaks it. Pure.

`FIELDS` is the table of the request's top-level fields; a test holds it against the official client's types, beta ones
included. What the input carries is read in `responses_content.py`, tools in `responses_tools.py`, answers in
`responses_answers.py`; errors outside of a stream are those of all OpenAI dialects.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from bursar.billing.problem import HttpRefusal
from bursar.gateway.dialects import openai
from bursar.gateway.dialects.members import ABSENT, Members, is_given, write_members
from bursar.gateway.dialects.request_json import read_json
from bursar.gateway.dialects.responses_answers import ONLY_OUTPUT, read_body, read_event
from bursar.gateway.dialects.responses_content import Content, content_bound, read_content
from bursar.gateway.dialects.responses_tools import Tools, read_tools
from bursar.gateway.dialects.seam import (
    CallRequest,
    Dialect,
    Edits,
    GatewayFault,
    UpstreamError,
    feature_not_priced,
    invalid,
)
from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.cost import PriceFeatures, service_tiers_for
from bursar.pricing.quote import RequestBound

# --- the table of request fields -------------------------------------------------------------------------------------

FieldRule = Literal["free", "text", "read", "opaque", "refused"]
"""`free`: changes no cost. `text`: its JSON counts as input. `read`: bounded by what is read of it. `opaque`: only the
provider knows what it brings. `refused`: unless it is null or false, or an operator lets it pass; `WHY_NOT` says
why."""

FIELDS: Final[Mapping[str, FieldRule]] = {
    "access_programs": "free",
    "background": "refused",
    "background_options": "refused",
    "context_management": "refused",
    "conversation": "refused",
    "image": "free",
    "include": "free",
    "input": "read",
    "instructions": "read",
    "max_output_tokens": "read",
    "max_tool_calls": "read",
    "metadata": "free",
    "model": "read",
    "moderation": "read",
    "parallel_tool_calls": "free",
    "previous_response_id": "opaque",
    "prompt": "refused",
    "prompt_cache_key": "free",
    "prompt_cache_options": "read",
    "prompt_cache_retention": "read",
    "reasoning": "read",
    "safety_identifier": "free",
    "service_tier": "read",
    "store": "free",
    "stream": "read",
    "stream_options": "free",
    "temperature": "free",
    "text": "text",
    "tool_choice": "text",
    "tools": "read",
    "top_logprobs": "free",
    "top_p": "free",
    "truncation": "free",
    "user": "free",
    # Beta.
    "multi_agent": "refused",
}

WHY_NOT: Final[Mapping[str, str]] = {
    "background": "an answer that is fetched later cannot be charged here",
    "background_options": "an answer that is fetched later cannot be charged here",
    "context_management": "what summarising costs is not bounded by the request",
    "conversation": "a conversation that the provider keeps has no bound here",
    "multi_agent": "nothing bounds how many agents are run",
    "prompt": "a template that the provider keeps may bring tools of its own",
}

OPAQUE_IF_ALLOWED: Final = frozenset({"prompt", "conversation"})
"""Refused fields that bring input which only the provider can see, where an operator lets them pass."""

STANDARD: Final = "standard"
"""The mode of reasoning that everything is priced by."""


class _Reasoning(msgspec.Struct):
    effort: str | None = None
    mode: str | None = None


class _Request(msgspec.Struct):
    """What is read of a request; the rest is looked up in the table and passes as it is."""

    model: str
    input: msgspec.Raw = ABSENT
    instructions: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    stream: bool | None = None
    max_output_tokens: int | None = None
    max_tool_calls: int | None = None
    reasoning: _Reasoning | None = None
    moderation: openai.Moderation | None = None
    service_tier: str | None = None


_REQUEST: Final = msgspec.json.Decoder(_Request)
_NOT_ASKED: Final = frozenset({b"null", b"false"})


def _read_parts(body: bytes) -> tuple[_Request, Content, Tools]:
    request = _REQUEST.decode(body)
    content = read_content(request.input, request.instructions)
    return request, content, read_tools([("tools", request.tools), *content.tools], request.max_tool_calls)


def _read_request(body: bytes, allowed_fields: frozenset[str]) -> CallRequest:
    members, (request, content, tools) = read_json(body, _read_parts)
    for name, raw in members.items():
        rule = FIELDS.get(name)
        if name in allowed_fields:
            continue
        if rule is None:
            raise feature_not_priced(name)
        if rule == "refused" and bytes(raw) not in _NOT_ASKED:
            raise feature_not_priced(name, WHY_NOT[name])
    _check(request, allowed_fields)
    return CallRequest(
        model=request.model,
        stream=bool(request.stream),
        members=members,
        bounds=_Bounds(request, members, content, tools, openai.asks_for_long_cache(body, members)),
        usage_asked=True,
        output_limit=request.max_output_tokens,
        rounds=tools.rounds,
    )


def _check(request: _Request, allowed_fields: frozenset[str]) -> None:
    for name, value in (("max_output_tokens", request.max_output_tokens), ("max_tool_calls", request.max_tool_calls)):
        if value is not None and value < 1:
            raise invalid(name, f"'{name}' must be at least 1.")
    openai.check_prices(request.service_tier, request.moderation, allowed_fields)
    if request.reasoning and request.reasoning.mode not in (None, STANDARD) and "reasoning" not in allowed_fields:
        raise feature_not_priced("reasoning", "this mode of reasoning may cost more than the price that is known")


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The bounds of one request, for whatever model it will be priced by."""

    request: _Request
    members: Members
    content: Content
    tools: Tools
    long_cache: bool

    def __call__(self, facts: ModelFacts, *, exact: bool) -> RequestBound:
        request, tools, members = self.request, self.tools, self.members
        texts = [members[name] for name, rule in FIELDS.items() if rule == "text" and name in members]
        opaque = [
            name
            for name, rule in FIELDS.items()
            if (rule == "opaque" or name in OPAQUE_IF_ALLOWED) and name in members and is_given(members[name])
        ]
        limit = request.max_output_tokens
        bound = content_bound(self.content, tools, texts, opaque, facts, limit, exact=exact)
        effort = request.reasoning.effort if request.reasoning is not None else None
        thinks = effort not in (None, openai.NO_THINKING) or self.content.may_think
        return RequestBound(
            text_tokens=bound.text_tokens,
            image_tokens=bound.image_tokens,
            opaque_tokens=bound.opaque_tokens,
            output_limit=limit,
            visible_output=bool(request.stream) and not thinks and not tools.run_by_provider,
            web_searches=tools.web_searches,
            file_searches=tools.file_searches,
            code_executions=tools.code_executions,
            features=PriceFeatures(
                service_tiers=service_tiers_for(request.service_tier),
                speeds=(STANDARD,),
                cache_writes="long" if self.long_cache else "short",
                audio_output=False,
                image_output=False,
            ),
        )


# --- writing ---------------------------------------------------------------------------------------------------------


def _write_request(body: bytes, request: CallRequest, edits: Edits) -> bytes:
    changes: dict[str, Any] = {}
    if edits.model is not None and edits.model != request.model:
        changes["model"] = edits.model
    given = request.output_limit
    if edits.output_limit is not None and (given is None or edits.output_limit < given):
        changes["max_output_tokens"] = edits.output_limit
    return write_members(body, request.members, changes)


# --- errors in a running stream --------------------------------------------------------------------------------------


class _First(msgspec.Struct):
    response: dict[str, Any] = {}


class _Numbered(msgspec.Struct):
    sequence_number: int = -1


_FIRST: Final = msgspec.json.Decoder(_First)
_NUMBERED: Final = msgspec.json.Decoder(_Numbered)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)

_RESPONSE: Final[Mapping[str, Any]] = {
    "id": "resp_bursar",
    "object": "response",
    "created_at": 0,
    "model": "",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
}
"""What clients expect of any response, where the stream has not said it yet."""


def _failed(error: dict[str, Any], first_data: bytes, last_data: bytes) -> bytes:
    """The response that the stream began with, failed. Its number follows that of the last event."""
    try:
        response = _FIRST.decode(first_data).response
    except _UNREADABLE:
        response = {}
    number = max(_number(first_data), _number(last_data)) + 1
    failed = {**_RESPONSE, **response, "status": "failed", "error": error}
    event = {"type": "response.failed", "sequence_number": number, "response": failed}
    return b"event: response.failed\ndata: " + msgspec.json.encode(event) + b"\n\n"


def _number(data: bytes) -> int:
    try:
        return _NUMBERED.decode(data).sequence_number
    except _UNREADABLE:
        return -1


class _Nested(msgspec.Struct):
    error: msgspec.Raw = ABSENT


class _ErrorEvent(msgspec.Struct):
    type: Any = None
    response: _Nested | None = None


_ERROR_EVENT: Final = msgspec.json.Decoder(_ErrorEvent)


def _read_error(status: int, body: bytes) -> UpstreamError:
    """An error answer; or an event, which has its error inside of the response, or is one itself."""
    try:
        event = _ERROR_EVENT.decode(body)
    except _UNREADABLE:
        event = _ErrorEvent()
    if event.response is not None and is_given(event.response.error):
        return openai.read_error(status, b'{"error":' + bytes(event.response.error) + b"}")
    if event.type == "error":
        return openai.read_error(status, b'{"error":' + body + b"}")
    return openai.read_error(status, body)


def _stop_events(refusal: HttpRefusal, first_data: bytes, last_data: bytes = b"") -> bytes:
    return _failed(openai.refusal_error(refusal), first_data, last_data)


def _fault_events(fault: GatewayFault, request_id: str, first_data: bytes, last_data: bytes = b"") -> bytes:
    return _failed({**openai.fault_error(fault), "request_id": request_id}, first_data, last_data)


RESPONSES: Final = Dialect(
    name="responses",
    route="/v1/responses",
    upstream_dialect="openai",
    upstream_path="/responses",
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
    read_error=_read_error,
)
