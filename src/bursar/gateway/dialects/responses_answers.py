"""What a response says: usage, and the output that can be seen, of a body or of one event. Pure.

In a stream output is read from the `…delta` events only: those that end a part repeat it. Usage comes with the last
event, which carries the whole response. Nothing here raises: whatever an upstream sends is passed on, and read as far
as it makes sense.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bursar.gateway.dialects.chat_answers import TOOL_CALL_TOKENS
from bursar.gateway.dialects.members import ABSENT, is_given
from bursar.gateway.dialects.request_json import any_text, collect
from bursar.gateway.dialects.seam import NO_USAGE, NOTHING_READ, Produced, Reading, UsageReport
from bursar.gateway.dialects.skimming import Skimming
from bursar.gateway.sse import SseEvent
from bursar.pricing.model import AbsurdUsage, Usage

ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})
ERRORS: Final = frozenset({"response.failed", "error"})

_NO_OUTPUT: Final = frozenset(
    {"response.audio.delta", "response.audio.transcript.delta", "response.shell_call_output_content.delta"}
)
"""Deltas that are no text of the model's, or repeat it."""

ONLY_OUTPUT: Final = Skimming(
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",',
    telling=(b'"response"', b'"error"'),
)

_TEXTS: Final = ("arguments", "input", "code", "name")
"""Members of an output item whose strings the model has written; `content` and `summary` hold parts."""

_SEARCHED: Final = (None, "search")
"""OpenAI, "Pricing", "Built-in tools": searching is charged, opening a page and finding something in it is not."""


class _InputDetails(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: dict[str, int | None] | None = None


class _OutputDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Usage(msgspec.Struct):
    input_tokens: int
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None


class _Response(msgspec.Struct):
    output: list[dict[str, Any]] | None = None
    usage: msgspec.Raw = ABSENT
    service_tier: Any = None
    status: Any = None
    error: Any = None


class _Event(msgspec.Struct):
    type: Any = None
    delta: Any = None
    item: dict[str, Any] | None = None
    response: _Response | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_USAGE: Final = msgspec.json.Decoder(_Usage)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


# --- readings --------------------------------------------------------------------------------------------------------


def read_event(event: SseEvent) -> Reading:
    data = event.data
    if not data:
        return NOTHING_READ
    if data.startswith(b"[DONE]"):  # Some servers that are not OpenAI's end all streams alike.
        return Reading(is_end=True)
    try:
        read = _EVENT.decode(data)
    except _UNREADABLE:
        return Reading(Produced(any_text(data, "delta")))
    kind = read.type if isinstance(read.type, str) else ""
    if kind.endswith(".delta"):
        return NOTHING_READ if kind in _NO_OUTPUT else Reading(Produced(_string(read.delta)))
    if kind == "response.output_item.added":
        return Reading(_begun(read.item or {}))
    if kind in ENDS or kind in ERRORS:
        report = NO_USAGE if read.response is None else _report(read.response)
        return Reading(report=report, is_error=kind in ERRORS, is_end=kind in ENDS)
    # A new object, so that the first event is remembered: it carries the response's identity.
    return Reading() if kind == "response.created" else NOTHING_READ


def read_body(body: bytes) -> Reading:
    try:
        read = _RESPONSE.decode(body)
    except _UNREADABLE:
        return Reading(Produced(any_text(body, "output")))
    text: list[str] = []
    extra = sum(_read_item(item, text) for item in read.output or ())
    failed = read.status == "failed" or (read.error is not None and read.output is None)
    return Reading(Produced("".join(text), extra), _report(read), is_error=failed)


def _begun(item: dict[str, Any]) -> Produced:
    """A call begins with its name; everything else of an item comes in deltas."""
    name = item.get("name")
    return Produced(_string(name), TOOL_CALL_TOKENS) if _is_call(item) else Produced()


def _read_item(item: dict[str, Any], text: list[str]) -> int:
    for name in ("content", "summary"):
        parts = item.get(name)
        for part in parts if isinstance(parts, list) else ():
            if isinstance(part, dict):
                text += [_string(part.get("text")), _string(part.get("refusal"))]
    for name in _TEXTS:
        collect(item.get(name), text)
    return TOOL_CALL_TOKENS if _is_call(item) else 0


def _is_call(item: dict[str, Any]) -> bool:
    return _string(item.get("type")).endswith("_call")


def _string(value: Any) -> str:
    return value if isinstance(value, str) else ""


# --- usage -----------------------------------------------------------------------------------------------------------


def _report(response: _Response) -> UsageReport:
    if not is_given(response.usage):
        return NO_USAGE
    output = response.output or []
    try:
        read = _USAGE.decode(response.usage)
        given, made = read.input_tokens_details or _InputDetails(), read.output_tokens_details or _OutputDetails()
        written = given.cache_write_tokens or 0
        kept_long = (given.cache_write_tokens_details or {}).get("ttl_12h_tokens") or 0
        return UsageReport(
            Usage(
                input_tokens=read.input_tokens,
                cached_input_tokens=given.cached_tokens or 0,
                cache_write_tokens=written,
                cache_write_1h_tokens=min(kept_long, written),
                output_tokens=read.output_tokens or 0,
                reasoning_tokens=made.reasoning_tokens or 0,
                web_searches=_searches(output),
                file_searches=_count(output, "file_search_call"),
                code_executions=_count(output, "code_interpreter_call"),
                service_tier=response.service_tier if isinstance(response.service_tier, str) else None,
            )
        )
    except AbsurdUsage as error:
        return UsageReport(absurd=str(error))
    except _UNREADABLE as error:
        return UsageReport(absurd=f"usage cannot be read: {error}")


def _count(output: list[dict[str, Any]], kind: str) -> int:
    return sum(1 for item in output if item.get("type") == kind)


def _searches(output: list[dict[str, Any]]) -> int:
    """Calls of the web search tool that are charged: each of them searches, unless it says what else it does."""
    count = 0
    for item in output:
        if item.get("type") == "web_search_call":
            action = item.get("action")
            kind = action.get("type") if isinstance(action, dict) else None
            count += 1 if kind in _SEARCHED else 0
    return count
