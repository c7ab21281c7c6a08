"""`POST /v1/messages`, as Anthropic speaks it. Pure.

`FIELDS` is the table of the request's top-level fields; a test holds it against the official client's types, beta ones
included. What messages carry is read in `messages_content.py`, tools in `messages_tools.py`, answers in
`messages_answers.py`; errors are in `messages_errors.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from bursar.gateway.dialects import messages_errors as errors
from bursar.gateway.dialects.members import (
    ABSENT,
    Members,
    is_given,
    read_value,
    write_members,
)
from bursar.gateway.dialects.messages_answers import ONLY_OUTPUT, read_body, read_event
from bursar.gateway.dialects.messages_content import Content, content_bound, read_content
from bursar.gateway.dialects.messages_tools import Tools, read_tools
from bursar.gateway.dialects.request_json import may_spell_anything, read_json
from bursar.gateway.dialects.seam import CallRequest, Dialect, Edits, feature_not_priced, invalid
from bursar.pricing.catalogue import ModelFacts
from bursar.pricing.cost import CacheWrites, PriceFeatures, service_tiers_for
from bursar.pricing.quote import RequestBound

# --- the table of request fields -------------------------------------------------------------------------------------

FieldRule = Literal["free", "text", "read", "refused"]
"""`free`: changes no cost. `text`: its JSON counts as input. `read`: bounded by what is read of it. `refused`: unless
it is null, or an operator lets it pass; `WHY_NOT` says why."""

FIELDS: Final[Mapping[str, FieldRule]] = {
    "max_tokens": "read",
    "messages": "read",
    "model": "read",
    "cache_control": "read",
    "container": "refused",
    "diagnostics": "free",
    "inference_geo": "read",
    "metadata": "free",
    "output_config": "text",
    "service_tier": "read",
    "speed": "read",
    "stop_sequences": "free",
    "stream": "read",
    "system": "read",
    "temperature": "free",
    "thinking": "read",
    "tool_choice": "text",
    "tools": "read",
    "top_k": "free",
    "top_p": "free",
    "user_profile_id": "refused",
    "workspace_id": "refused",
    # Beta.
    "billing_policy": "refused",
    "compaction": "refused",
    "context_management": "read",
    "fallback_credit_token": "refused",
    "fallbacks": "refused",
    "mcp_servers": "refused",
    "output_format": "text",
    "thread": "refused",
}

WHY_NOT: Final[Mapping[str, str]] = {
    "billing_policy": "who pays is decided here",
    "compaction": "what summarising costs is not bounded by the request",
    "container": "the provider charges code by the time it runs",
    "fallback_credit_token": "it belongs to a fallback, which is not accepted",
    "fallbacks": "other models have other prices",
    "inference_geo": "inference in one place costs more than the price that is known",
    "mcp_servers": "nothing bounds how often the provider calls them",
    "thread": "a conversation that the provider keeps has no bound here",
    "user_profile_id": "it is the operator's to say for whom a call is made",
    "workspace_id": "it is the operator's to say in which workspace a call is made",
}

EVERYWHERE: Final = frozenset({None, "global"})
"""Claude API, "Data residency": inference anywhere, at standard prices."""

FREE_EDITS: Final = ("clear_tool_uses_", "clear_thinking_")
"""Edits of the context that only take something away; `compact_` runs the model once more."""

STANDARD_SPEED: Final = "standard"

LEAST_THINKING_TOKENS: Final = 1_024
"""Claude API, "Extended thinking": the smallest budget."""

LEAST_ANSWER_TOKENS: Final = 256
"""Left beside the budget for thinking where `max_tokens` has to be clamped."""

BETAS: Final = frozenset(
    {
        b"cache-diagnosis-2026-04-07",
        b"claude-code-20250219",
        b"computer-use-2024-10-22",
        b"computer-use-2025-01-24",
        b"computer-use-2025-11-24",
        b"context-1m-2025-08-07",
        b"context-management-2025-06-27",
        b"dev-full-thinking-2025-05-14",
        b"effort-2025-11-24",
        b"extended-cache-ttl-2025-04-11",
        b"fast-mode-2026-02-01",
        b"files-api-2025-04-14",
        b"fine-grained-tool-streaming-2025-05-14",
        b"interleaved-thinking-2025-05-14",
        b"mid-conversation-output-config-2026-07-01",
        b"mid-conversation-system-clear-at-2026-08-21",
        b"model-context-window-exceeded-2025-08-26",
        b"output-128k-2025-02-19",
        b"pdfs-2024-09-25",
        b"prompt-caching-2024-07-31",
        b"structured-outputs-2025-11-13",
        b"task-budgets-2026-03-13",
        b"thinking-binding-controls-2026-08-01",
        b"thinking-display-updates-2026-08-18",
        b"thinking-token-count-2026-05-13",
        b"token-counting-2024-11-01",
        b"token-efficient-tools-2025-02-19",
    }
)
"""Values of `anthropic-beta` that go upstream: those that cost nothing, and those whose cost the bounds know (the long
context by its rates, fast mode by `speed`). Not here: what belongs to a field or tool that is refused (MCP, code,
skills, advisor, fallbacks, threads, compaction), and longer outputs than a model's own (`output-300k`)."""


class _Thinking(msgspec.Struct):
    type: str = ""
    budget_tokens: int | None = None


class _Edit(msgspec.Struct):
    type: str = ""


class _ContextManagement(msgspec.Struct):
    edits: list[_Edit] | None = None


class _Request(msgspec.Struct):
    """What is read of a request; the rest is looked up in the table and passes as it is."""

    model: str
    messages: msgspec.Raw
    max_tokens: int
    system: msgspec.Raw = ABSENT
    tools: msgspec.Raw = ABSENT
    stream: bool | None = None
    thinking: _Thinking | None = None
    service_tier: str | None = None
    speed: str | None = None
    inference_geo: str | None = None
    context_management: _ContextManagement | None = None


_REQUEST: Final = msgspec.json.Decoder(_Request)


def _read_request(body: bytes, allowed_fields: frozenset[str]) -> CallRequest:
    members, (request, content, tools) = read_checked(body, allowed_fields, _read_parts)
    if request.max_tokens < 0:
        raise invalid("max_tokens", "'max_tokens' must not be negative.")
    if request.inference_geo not in EVERYWHERE and "inference_geo" not in allowed_fields:
        raise feature_not_priced("inference_geo", WHY_NOT["inference_geo"])
    if request.context_management is not None and "context_management" not in allowed_fields:
        for edit in request.context_management.edits or ():
            if not edit.type.startswith(FREE_EDITS):
                raise feature_not_priced(f"context_management.edits[].{edit.type}", "it runs the model once more")
    stream = bool(request.stream)
    return CallRequest(
        model=request.model,
        stream=stream,
        members=members,
        bounds=_Bounds(request, members, content, tools, _cache_writes(body, tools)),
        usage_asked=True,
        output_limit=request.max_tokens,
        rounds=tools.rounds,
    )


def read_checked(
    body: bytes,
    allowed_fields: frozenset[str],
    read_parts: Callable[[bytes], Any],
    fields: Mapping[str, FieldRule] = FIELDS,
) -> tuple[Members, Any]:
    """The members of a body whose every member is known, and what `read_parts` makes of it. Raises `GatewayFault`."""
    members, parts = read_json(body, read_parts)
    for name, raw in members.items():
        rule = fields.get(name)
        if name in allowed_fields:
            continue
        if rule is None:
            raise feature_not_priced(name)
        if rule == "refused" and is_given(raw):
            raise feature_not_priced(name, WHY_NOT[name])
    return members, parts


def _read_parts(body: bytes) -> tuple[_Request, Content, Tools]:
    request = _REQUEST.decode(body)
    return request, read_content(request.messages, request.system), read_tools(request.tools)


def _cache_writes(body: bytes, tools: Tools) -> CacheWrites:
    """Whether the request may write to the cache, and for how long: five minutes unless it asks for an hour."""
    escaped = may_spell_anything(body)
    if escaped or (b'"cache_control"' in body and b'"1h"' in body):
        return "long"
    # Between the rounds of its own tools the provider caches by itself.
    return "short" if b'"cache_control"' in body or tools.run_by_provider else "none"


@dataclass(frozen=True, slots=True)
class _Bounds:
    """The bounds of one request, for whatever model it will be priced by."""

    request: _Request
    members: Members
    content: Content
    tools: Tools
    cache_writes: CacheWrites

    def __call__(self, facts: ModelFacts, *, exact: bool) -> RequestBound:
        request, tools = self.request, self.tools
        texts = [self.members[name] for name, rule in FIELDS.items() if rule == "text" and name in self.members]
        bound = content_bound(self.content, tools, texts, facts, request.max_tokens, exact=exact)
        thinks = request.thinking is not None and request.thinking.type != "disabled"
        budget = request.thinking.budget_tokens if thinks and request.thinking is not None else None
        speed = None if request.speed == STANDARD_SPEED else request.speed
        return RequestBound(
            text_tokens=bound.text_tokens,
            image_tokens=bound.image_tokens,
            opaque_tokens=bound.opaque_tokens,
            output_limit=request.max_tokens,
            visible_output=bool(request.stream) and not thinks and not tools.run_by_provider,
            web_searches=tools.web_searches,
            least_output_tokens=0 if budget is None else LEAST_THINKING_TOKENS + LEAST_ANSWER_TOKENS,
            asked_speed=speed,
            features=PriceFeatures(
                service_tiers=service_tiers_for(request.service_tier),
                speeds=(STANDARD_SPEED,) if speed is None else (speed, STANDARD_SPEED),
                cache_writes=self.cache_writes,
                audio_output=False,
                image_output=False,
            ),
        )


# --- writing ---------------------------------------------------------------------------------------------------------


def _write_request(body: bytes, request: CallRequest, edits: Edits) -> bytes:
    changes: dict[str, Any] = {}
    if edits.model is not None and edits.model != request.model:
        changes["model"] = edits.model
    given = request.output_limit or 0
    if edits.output_limit is not None and edits.output_limit < given:
        changes["max_tokens"] = edits.output_limit
        thinking = request.members.get("thinking")
        if thinking is not None and is_given(thinking):
            changes.update(_fitting_budget(read_value(thinking), edits.output_limit))
    return write_members(body, request.members, changes)


def _fitting_budget(thinking: Any, limit: int) -> dict[str, Any]:
    """The budget for thinking must be smaller than `max_tokens`: lowered with it, leaving room for an answer."""
    budget = thinking.get("budget_tokens")
    most = max(LEAST_THINKING_TOKENS, limit - LEAST_ANSWER_TOKENS)
    return {"thinking": {**thinking, "budget_tokens": most}} if budget is not None and budget > most else {}


MESSAGES: Final = Dialect(
    name="messages",
    route="/v1/messages",
    upstream_dialect="anthropic",
    upstream_path="/messages",
    request_headers=frozenset({b"anthropic-version", b"anthropic-beta"}),
    header_values={b"anthropic-beta": BETAS},
    default_headers={b"anthropic-version": errors.API_VERSION},
    response_headers=frozenset(),
    identity_headers=(b"x-request-id", b"request-id"),
    read_request=_read_request,
    write_request=_write_request,
    key_header=errors.key_header,
    read_body=read_body,
    read_event=read_event,
    skim=ONLY_OUTPUT,
    refusal=errors.refusal_answer,
    stop_events=errors.stop_events,
    fault=errors.fault_answer,
    fault_events=errors.fault_events,
    read_error=errors.read_error,
)
