"""Anthropic's messages, and the counting of their tokens, as the demo upstream speaks them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from bursar.gateway.demo_upstream.agent import ToolResult, asks_to_go_on
from bursar.gateway.demo_upstream.dialect import Body, Dialect, EventStream, count_tokens, event, text_of
from bursar.gateway.demo_upstream.reply import Reply, Request, Tool, Usage

_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def _tool_result(content: object) -> str | None:
    if not isinstance(content, list):
        return None
    results = [part for part in content if isinstance(part, dict) and part.get("type") == "tool_result"]
    return text_of(results[-1].get("content"))[0] if results else None


def _parts(message: Body, kind: str) -> list[dict[str, Any]]:
    content = message["content"]
    parts = content if isinstance(content, list) else ()
    return [part for part in parts if isinstance(part, dict) and part.get("type") == kind]


def _said(message: Body) -> str:
    """What a person said; results of tools travel in messages of the user, too."""
    content = message["content"]
    return text_of(_parts(message, "text") if isinstance(content, list) else content)[0]


def _said_and_written(messages: Sequence[Body]) -> tuple[str, str]:
    """What a person said last, and what of the answer to it was written before it was cut off."""
    said = [text for message in messages if message["role"] == "user" and (text := _said(message))]
    if len(said) > 1 and messages[-1]["role"] == "user" and asks_to_go_on(said[-1]) and said[-1] == _said(messages[-1]):
        before = messages[-2]
        return said[-2], _said(before) if before["role"] == "assistant" else ""
    return said[-1] if said else "", ""


def _results(messages: Sequence[Body]) -> tuple[ToolResult, ...]:
    """Of the tools that were called since a person last said something new."""
    names: dict[str, str] = {}
    found: list[ToolResult] = []
    for message in messages:
        for call in _parts(message, "tool_use"):
            names[call["id"]] = call["name"]
        for result in _parts(message, "tool_result"):
            found.append(ToolResult(names.get(result["tool_use_id"], ""), text_of(result.get("content"))[0]))
        if message["role"] == "user" and (said := _said(message)) and not asks_to_go_on(said):
            found.clear()
    return tuple(found)


def _read(body: Body, limit_tokens: int | None) -> Request:
    messages = body["messages"]
    last_text, written = _said_and_written(messages)
    last = messages[-1]
    tools = body.get("tools") or ()
    choice = body.get("tool_choice") or {}
    wanted = {"any": "", "tool": choice.get("name", "")}.get(choice.get("type", ""))
    return Request(
        model=str(body["model"]),
        stream=bool(body.get("stream")),
        last_text=last_text,
        counted_tokens=count_tokens([body.get("system"), *(message["content"] for message in messages)], tools),
        limit_tokens=limit_tokens,
        tools=tuple(Tool(tool["name"], tool["input_schema"]) for tool in tools if "input_schema" in tool)
        if choice.get("type") != "none"
        else (),
        must_call=wanted,
        tool_result=_tool_result(last["content"]) if last["role"] == "user" else None,
        results=_results(messages),
        written=written,
    )


def read_messages(body: Body) -> Request:
    return _read(body, int(body["max_tokens"]))


def read_count(body: Body) -> Request:
    return _read(body, None)


def anthropic_error(status: int, code: str, message: str) -> dict[str, Any]:
    kind = _ERROR_TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_demo"}


def _usage(usage: Usage, output_tokens: int) -> dict[str, Any]:
    """Anthropic counts what was read from a cache beside the input, not within it."""
    return {
        "input_tokens": usage.input - usage.cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": output_tokens,
    }


def _stop_reason(reply: Reply) -> str:
    return "tool_use" if reply.tool else "max_tokens" if reply.cut else "end_turn"


def _block(reply: Reply, answer_id: str) -> dict[str, Any]:
    if reply.tool is None:
        return {"type": "text", "text": reply.text}
    arguments = orjson.loads(reply.tool.arguments)
    return {"type": "tool_use", "id": f"toolu_{answer_id}", "name": reply.tool.name, "input": arguments}


def _message(request: Request, answer_id: str) -> dict[str, Any]:
    return {"id": f"msg_{answer_id}", "type": "message", "role": "assistant", "model": request.model}


def whole_messages(request: Request, reply: Reply, answer_id: str) -> dict[str, Any]:
    ended = {"content": [_block(reply, answer_id)], "stop_reason": _stop_reason(reply), "stop_sequence": None}
    usage = {} if reply.usage is None else {"usage": _usage(reply.usage, reply.usage.output)}
    return _message(request, answer_id) | ended | usage


def stream_messages(request: Request, reply: Reply, answer_id: str) -> EventStream:
    def named(kind: str, **data: Any) -> bytes:
        return event({"type": kind, **data}, kind)

    usage = reply.usage
    message = _message(request, answer_id) | {"content": [], "stop_reason": None, "stop_sequence": None}
    if usage is not None:
        message["usage"] = _usage(usage, 1)
    if reply.tool is None:
        block: dict[str, Any] = {"type": "text", "text": ""}
        deltas = [{"type": "text_delta", "text": piece} for piece in reply.pieces]
    else:
        block = _block(reply, answer_id) | {"input": {}}
        arguments, half = reply.tool.arguments, len(reply.tool.arguments) // 2
        deltas = [{"type": "input_json_delta", "partial_json": part} for part in (arguments[:half], arguments[half:])]
    ended: dict[str, Any] = {"delta": {"stop_reason": _stop_reason(reply), "stop_sequence": None}}
    if usage is not None:
        ended["usage"] = {"output_tokens": usage.output}
    return EventStream(
        before=named("message_start", message=message)
        + named("content_block_start", index=0, content_block=block)
        + named("ping"),
        chunks=[named("content_block_delta", index=0, delta=delta) for delta in deltas],
        after=named("content_block_stop", index=0) + named("message_delta", **ended) + named("message_stop"),
    )


def whole_count(request: Request, reply: Reply, answer_id: str) -> dict[str, Any]:
    return {} if reply.usage is None else {"input_tokens": reply.usage.input}


def _error_event(message: str) -> bytes:
    return event(anthropic_error(529, "overloaded", message), "error")


MESSAGES = Dialect(
    read=read_messages,
    whole=whole_messages,
    stream=stream_messages,
    error=anthropic_error,
    error_event=_error_event,
)
COUNT_TOKENS = Dialect(
    read=read_count,
    whole=whole_count,
    stream=None,
    error=anthropic_error,
    error_event=_error_event,
)
