"""OpenAI's responses as the demo upstream speaks them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

from bursar.gateway.demo_upstream.dialect import Body, Dialect, EventStream, count_tokens, event, openai_error, text_of
from bursar.gateway.demo_upstream.reply import Reply, Request, Tool


def read_responses(body: Body) -> Request:
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else list(given)
    users = [item for item in items if item.get("role") == "user"]
    tools = body.get("tools") or ()
    choice = body.get("tool_choice")
    last = items[-1]
    contents = [item.get("content") or item.get("output") or item.get("arguments") for item in items]
    return Request(
        model=str(body["model"]),
        stream=bool(body.get("stream")),
        last_text=text_of(users[-1]["content"])[0] if users else "",
        counted_tokens=count_tokens([body.get("instructions"), *contents], tools),
        limit_tokens=body.get("max_output_tokens"),
        tools=tuple(Tool(tool["name"], tool.get("parameters") or {}) for tool in tools if tool["type"] == "function")
        if choice != "none"
        else (),
        must_call=choice.get("name", "") if isinstance(choice, dict) else ("" if choice == "required" else None),
        tool_result=text_of(last["output"])[0] if last.get("type") == "function_call_output" else None,
        echo={name: body[name] for name in ("instructions", "metadata", "temperature", "top_p") if name in body},
    )


def _item(reply: Reply, answer_id: str, status: str) -> dict[str, Any]:
    """The one output item; empty while it is in progress."""
    done = status != "in_progress"
    if reply.tool is not None:
        return {
            "id": f"fc_{answer_id}",
            "type": "function_call",
            "status": status,
            "call_id": f"call_{answer_id}",
            "name": reply.tool.name,
            "arguments": reply.tool.arguments if done else "",
        }
    content = [_part(reply.text)] if done else []
    return {"id": f"msg_{answer_id}", "type": "message", "role": "assistant", "status": status, "content": content}


def _part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _response(request: Request, reply: Reply, answer_id: str, status: str) -> dict[str, Any]:
    done = status != "in_progress"
    answer: dict[str, Any] = {
        "id": f"resp_{answer_id}",
        "object": "response",
        "created_at": int(time.time()),
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "max_output_tokens": request.limit_tokens,
        "model": request.model,
        "output": [_item(reply, answer_id, status)] if done else [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "store": False,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": None,
        "metadata": {},
        **request.echo,
    }
    usage = reply.usage
    if done and usage is not None:
        answer["usage"] = {
            "input_tokens": usage.input,
            "input_tokens_details": {"cached_tokens": usage.cached},
            "output_tokens": usage.output,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.input + usage.output,
        }
    return answer


def _final_status(reply: Reply) -> str:
    return "incomplete" if reply.cut else "completed"


def whole_responses(request: Request, reply: Reply, answer_id: str) -> dict[str, Any]:
    return _response(request, reply, answer_id, _final_status(reply))


def _deltas(reply: Reply, item_id: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
    """What opens the item's content, its pieces, what closes it."""
    place = {"item_id": item_id, "output_index": 0}
    if reply.tool is not None:
        arguments, half = reply.tool.arguments, len(reply.tool.arguments) // 2
        kind = "response.function_call_arguments"
        pieces = [{"type": f"{kind}.delta", **place, "delta": part} for part in (arguments[:half], arguments[half:])]
        return [], pieces, [{"type": f"{kind}.done", **place, "name": reply.tool.name, "arguments": arguments}]
    place["content_index"] = 0
    opening = [{"type": "response.content_part.added", **place, "part": _part("")}]
    pieces = [{"type": "response.output_text.delta", **place, "delta": piece, "logprobs": []} for piece in reply.pieces]
    closing = [
        {"type": "response.output_text.done", **place, "text": reply.text, "logprobs": []},
        {"type": "response.content_part.done", **place, "part": _part(reply.text)},
    ]
    return opening, pieces, closing


def stream_responses(request: Request, reply: Reply, answer_id: str) -> EventStream:
    status = _final_status(reply)
    item = _item(reply, answer_id, status)
    opening, pieces, closing = _deltas(reply, item["id"])
    begun = _response(request, reply, answer_id, "in_progress")
    before: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.in_progress", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": _item(reply, answer_id, "in_progress")},
        *opening,
    ]
    after: list[dict[str, Any]] = [
        *closing,
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": f"response.{status}", "response": _response(request, reply, answer_id, status)},
    ]
    numbered = _numbered([*before, *pieces, *after])
    parts = [event(data, data["type"]) for data in numbered]
    first, last = len(before), len(before) + len(pieces)
    return EventStream(b"".join(parts[:first]), parts[first:last], b"".join(parts[last:]))


def _numbered(events: list[dict[str, Any]]) -> Iterator[Mapping[str, Any]]:
    return ({**data, "sequence_number": number} for number, data in enumerate(events))


def _error_event(message: str) -> bytes:
    error = {"code": "server_error", "message": message}
    response = {"id": "resp_demo", "object": "response", "status": "failed", "error": error, "output": []}
    return event({"type": "response.failed", "sequence_number": 0, "response": response}, "response.failed")


RESPONSES = Dialect(
    read=read_responses,
    whole=whole_responses,
    stream=stream_responses,
    error=openai_error,
    error_event=_error_event,
)
