"""What a message's answer says: usage, and the output that can be seen, of a body or of one event. Pure.

A stream says what the input was in `message_start`, and totals in `message_delta`, which leaves out what has not
changed (Claude API, "Streaming messages": the counts are cumulative). Nothing here raises: whatever an upstream sends
is passed on, and read as far as it makes sense.
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from bursar.gateway.dialects.members import ABSENT, is_given
from bursar.gateway.dialects.request_json import any_text, collect
from bursar.gateway.dialects.seam import NO_USAGE, NOTHING_READ, Produced, Reading, UsageReport
from bursar.gateway.dialects.skimming import Skimming
from bursar.gateway.sse import SseEvent
from bursar.pricing.model import AbsurdUsage, Usage

TOOL_USE_TOKENS: Final = 64
"""Around each tool use in the output, beside its name and input. Claude API, "Streaming messages": an answer of one
sentence and one call with two arguments counts 89 tokens, some 55 more than its text and JSON."""

HIDDEN_BYTES_PER_TOKEN: Final = 5
"""Of encrypted thinking: four bytes of text to a token, a third more as base64."""

_RESULTS: Final = "_tool_result"
"""Blocks of what a tool run by the provider has found: input of the next round, not output."""

ONLY_OUTPUT: Final = Skimming(
    b'event: content_block_delta\ndata: {"type":"content_block_delta",', telling=(b'"usage"', b'"error"')
)
_NO_OUTPUT: Final = ("signature_delta", "citations_delta")
_OUTPUT_NAMES: Final = ("text", "thinking", "partial_json", "content", "input", "name")


class _CacheCreation(msgspec.Struct):
    ephemeral_1h_input_tokens: int | None = None
    ephemeral_5m_input_tokens: int | None = None


class _ServerTools(msgspec.Struct):
    web_search_requests: int | None = None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class _Counts(msgspec.Struct):
    """Anthropic counts what was read from the cache and written to it beside the input, not within it."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: _CacheCreation | None = None


class _Iteration(_Counts):
    type: Any = None


class _Usage(_Counts):
    server_tool_use: _ServerTools | None = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None
    speed: str | None = None
    iterations: list[_Iteration] | None = None


class _Message(msgspec.Struct):
    usage: msgspec.Raw = ABSENT


class _Event(msgspec.Struct):
    """An event, or a whole message: their members have different names or the same meaning."""

    type: Any = None
    message: _Message | None = None
    content_block: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    content: list[dict[str, Any]] | None = None
    usage: msgspec.Raw = ABSENT
    error: Any = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_USAGE: Final = msgspec.json.Decoder(_Usage)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


# --- readings --------------------------------------------------------------------------------------------------------


def read_event(event: SseEvent) -> Reading:
    if not event.data:
        return NOTHING_READ
    try:
        read = _EVENT.decode(event.data)
    except _UNREADABLE:
        return Reading(Produced(any_text(event.data, "delta", "content_block")))
    match read.type:
        case "content_block_delta":
            return Reading(_delta(read.delta or {}))
        case "content_block_start":
            return Reading(_blocks([read.content_block or {}]))
        case "message_start":
            return Reading(report=_opening((read.message or _Message()).usage))
        case "message_delta":
            return Reading(report=_closing(read.usage))
        case "message_stop":
            return Reading(is_end=True)
        case "error":
            return Reading(is_error=True)
        case _:
            return NOTHING_READ


def read_body(body: bytes) -> Reading:
    try:
        read = _EVENT.decode(body)
    except _UNREADABLE:
        return Reading(Produced(any_text(body, "content")))
    if read.type == "error":
        return Reading(is_error=True)
    return Reading(_blocks(read.content or []), _whole(read.usage))


def _delta(delta: dict[str, Any]) -> Produced:
    kind = delta.get("type")
    if kind in _NO_OUTPUT:
        return Produced()
    text: list[str] = []
    for name in _OUTPUT_NAMES:
        collect(delta.get(name), text)
    return Produced("".join(text))


def _blocks(blocks: list[dict[str, Any]]) -> Produced:
    text: list[str] = []
    extra = 0
    for block in blocks:
        kind = block.get("type")
        if isinstance(kind, str) and kind.endswith(_RESULTS):
            continue
        for name in _OUTPUT_NAMES:
            value = block.get(name)
            if name == "input" and value:
                text.append(msgspec.json.encode(value).decode())
            elif name != "input":
                collect(value, text)
        if isinstance(kind, str) and kind.endswith("tool_use"):
            extra += TOOL_USE_TOKENS
        hidden = block.get("data")
        if isinstance(hidden, str):
            extra += -(-len(hidden) // HIDDEN_BYTES_PER_TOKEN)
    return Produced("".join(text), extra)


# --- usage -----------------------------------------------------------------------------------------------------------


def _whole(raw: msgspec.Raw) -> UsageReport:
    read = _decoded(raw)
    return read if isinstance(read, UsageReport) else _reported(read, None)


def _opening(raw: msgspec.Raw) -> UsageReport:
    read = _decoded(raw)
    usage = None if isinstance(read, UsageReport) else _reported(read, None).usage
    return NO_USAGE if usage is None else UsageReport(opening=usage)


def _closing(raw: msgspec.Raw) -> UsageReport:
    read = _decoded(raw)
    if isinstance(read, UsageReport):
        return read
    return UsageReport(complete=partial(_reported, read))


def _decoded(raw: msgspec.Raw) -> _Usage | UsageReport:
    if not is_given(raw):
        return NO_USAGE
    try:
        return _USAGE.decode(raw)
    except _UNREADABLE as error:
        return UsageReport(absurd=f"usage cannot be read: {error}")


def _reported(read: _Usage, opening: Usage | None) -> UsageReport:
    """What was used in all. What `read` leaves out is as it was in the opening."""
    try:
        usage = _completed(read, opening or Usage())
        # What compacting the context has used stands in its iteration only.
        for iteration in read.iterations or ():
            if iteration.type == "compaction":
                usage = _added(usage, _completed(iteration, Usage()))
        return UsageReport(usage)
    except AbsurdUsage as error:
        return UsageReport(absurd=str(error))


def _completed(read: _Counts, before: Usage) -> Usage:
    plain = _or(read.input_tokens, before.input_tokens - before.cached_input_tokens - before.cache_write_tokens)
    cached = _or(read.cache_read_input_tokens, before.cached_input_tokens)
    written = _or(read.cache_creation_input_tokens, before.cache_write_tokens)
    if plain + cached + written == 0:  # Some servers put zeros where they have nothing to say.
        plain, cached, written = before.input_tokens, 0, 0
    for_an_hour = before.cache_write_1h_tokens
    if read.cache_creation is not None:
        for_an_hour = read.cache_creation.ephemeral_1h_input_tokens or 0
        written = max(written, for_an_hour + (read.cache_creation.ephemeral_5m_input_tokens or 0))
    elif for_an_hour:  # It is not said for how long the rest is kept: the dearer rate.
        for_an_hour = written
    usage = Usage(
        input_tokens=plain + cached + written,
        cached_input_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=for_an_hour,
        output_tokens=_or(read.output_tokens, before.output_tokens),
        web_searches=before.web_searches,
        service_tier=before.service_tier,
        speed=before.speed,
    )
    if not isinstance(read, _Usage):
        return usage
    tools, details = read.server_tool_use, read.output_tokens_details
    return replace(
        usage,
        # It may differ from the exact count by a few tokens (the client's type says).
        reasoning_tokens=min(usage.output_tokens, _or(details.thinking_tokens, 0)) if details is not None else 0,
        web_searches=_or(tools.web_search_requests, 0) if tools is not None else before.web_searches,
        service_tier=read.service_tier or before.service_tier,
        speed=read.speed or before.speed,
    )


def _added(usage: Usage, more: Usage) -> Usage:
    return replace(
        usage,
        input_tokens=usage.input_tokens + more.input_tokens,
        cached_input_tokens=usage.cached_input_tokens + more.cached_input_tokens,
        cache_write_tokens=usage.cache_write_tokens + more.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens + more.cache_write_1h_tokens,
        output_tokens=usage.output_tokens + more.output_tokens,
    )


def _or(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
