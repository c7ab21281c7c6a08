"""`POST /v1/messages/count_tokens`: how many input tokens a message would have. Pure.

The provider makes it free (Claude API, "Token counting": free to use, limited by requests per minute), so the hold that
every call has is one of nothing, and nothing is charged.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from bursar.gateway.dialects import messages_errors as errors
from bursar.gateway.dialects.members import write_members
from bursar.gateway.dialects.messages import BETAS, FieldRule, read_checked
from bursar.gateway.dialects.seam import NOTHING_READ, CallRequest, Dialect, Edits, Reading
from bursar.gateway.sse import SseEvent
from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.quote import RequestBound

FIELDS: Final[Mapping[str, FieldRule]] = {
    "messages": "free",
    "model": "read",
    "cache_control": "free",
    "output_config": "free",
    "speed": "free",
    "system": "free",
    "thinking": "free",
    "tool_choice": "free",
    "tools": "free",
    "user_profile_id": "refused",
    "workspace_id": "refused",
    # Beta.
    "billing_policy": "refused",
    "compaction": "free",
    "context_management": "free",
    "mcp_servers": "refused",
    "output_format": "free",
}

_NOTHING: Final = RequestBound(text_tokens=0, output_limit=0)


class _Request(msgspec.Struct):
    model: str
    messages: msgspec.Raw


class _Answer(msgspec.Struct):
    type: object = None


_REQUEST: Final = msgspec.json.Decoder(_Request)
_ANSWER: Final = msgspec.json.Decoder(_Answer)


def _bounds(facts: ModelFacts, *, exact: bool) -> RequestBound:
    return _NOTHING


def _read_request(body: bytes, allowed_fields: frozenset[str]) -> CallRequest:
    members, request = read_checked(body, allowed_fields, _REQUEST.decode, FIELDS)
    return CallRequest(
        model=request.model, stream=False, members=members, bounds=_bounds, usage_asked=True, output_limit=0, free=True
    )


def _write_request(body: bytes, request: CallRequest, edits: Edits) -> bytes:
    renamed = edits.model is not None and edits.model != request.model
    return write_members(body, request.members, {"model": edits.model} if renamed else {})


def _read_body(body: bytes) -> Reading:
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reading()
    return Reading(is_error=answer.type == "error")


def _read_event(event: SseEvent) -> Reading:
    return NOTHING_READ  # It does not stream.


COUNT_TOKENS: Final = Dialect(
    name="count_tokens",
    route="/v1/messages/count_tokens",
    upstream_dialect="anthropic",
    upstream_path="/messages/count_tokens",
    request_headers=frozenset({b"anthropic-version", b"anthropic-beta"}),
    header_values={b"anthropic-beta": BETAS},
    default_headers={b"anthropic-version": errors.API_VERSION},
    response_headers=frozenset(),
    identity_headers=(b"x-request-id", b"request-id"),
    read_request=_read_request,
    write_request=_write_request,
    key_header=errors.key_header,
    read_body=_read_body,
    read_event=_read_event,
    refusal=errors.refusal_answer,
    stop_events=errors.stop_events,
    fault=errors.fault_answer,
    fault_events=errors.fault_events,
    read_error=errors.read_error,
)
