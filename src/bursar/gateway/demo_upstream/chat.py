"""OpenAI's chat completions as the demo upstream speaks them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import orjson

from bursar.gateway.demo_upstream.agent import ToolResult, asks_to_go_on
from bursar.gateway.demo_upstream.dialect import Body, Dialect, EventStream, count_tokens, event, openai_error, text_of
from bursar.gateway.demo_upstream.reply import Reply, Request, Tool, Usage


def read_chat(body: Body) -> Request:
    messages = body["messages"]
    users, written = said_and_written(messages)
    last = messages[-1]
    tools = body.get("tools") or ()
    choice = body.get("tool_choice")
    return Request(
        model=str(body["model"]),
        stream=bool(body.get("stream")),
        last_text=text_of(users[-1]["content"])[0] if users else "",
        counted_tokens=count_tokens((message.get("content") for message in messages), tools),
        limit_tokens=body.get("max_completion_tokens") or body.get("max_tokens"),
        choices=int(body.get("n") or 1),
        tools=tuple(
            Tool(tool["function"]["name"], tool["function"].get("parameters") or {})
            for tool in tools
            if tool.get("type") == "function"
        )
        if choice != "none"
        else (),
        must_call=choice["function"]["name"] if isinstance(choice, dict) else ("" if choice == "required" else None),
        tool_result=text_of(last.get("content"))[0] if last["role"] == "tool" else None,
        results=_results(messages),
        written=written,
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def said_and_written(messages: Sequence[Body]) -> tuple[list[Body], str]:
    """What people said, and what of the answer to it was written before it was cut off."""
    users = [message for message in messages if message["role"] == "user"]
    if len(users) > 1 and messages[-1] is users[-1] and asks_to_go_on(text_of(users[-1]["content"])[0]):
        before = messages[-2]
        written = text_of(before.get("content"))[0] if before["role"] == "assistant" else ""
        return users[:-1], written
    return users, ""


def _results(messages: Sequence[Body]) -> tuple[ToolResult, ...]:
    """Of the tools that were called since a person last said something new."""
    names: dict[str, str] = {}
    found: list[ToolResult] = []
    for message in messages:
        if message["role"] == "user" and not asks_to_go_on(text_of(message["content"])[0]):
            found.clear()
        for call in message.get("tool_calls") or ():
            names[call["id"]] = call["function"]["name"]
        if message["role"] == "tool":
            found.append(ToolResult(names.get(message["tool_call_id"], ""), text_of(message.get("content"))[0]))
    return tuple(found)


def usage_object(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input,
        "completion_tokens": usage.output,
        "total_tokens": usage.input + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning, "audio_tokens": 0},
    }


def finish_reason(reply: Reply) -> str:
    return "tool_calls" if reply.tool else "length" if reply.cut else "stop"


def _tool_calls(reply: Reply, answer_id: str) -> list[dict[str, Any]]:
    assert reply.tool is not None
    function = {"name": reply.tool.name, "arguments": reply.tool.arguments}
    return [{"id": f"call_{answer_id}", "type": "function", "function": function}]


def whole_chat(request: Request, reply: Reply, answer_id: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
    if reply.tool is not None:
        message |= {"content": None, "tool_calls": _tool_calls(reply, answer_id)}
    answer = {
        "id": f"chatcmpl-{answer_id}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": request.model,
        "choices": [
            {"index": index, "message": message, "logprobs": None, "finish_reason": finish_reason(reply)}
            for index in range(request.choices)
        ],
        "system_fingerprint": "fp_demo",
    }
    return answer if reply.usage is None else answer | {"usage": usage_object(reply.usage)}


def stream_chat(request: Request, reply: Reply, answer_id: str) -> EventStream:
    """Built from a common beginning, since benches ask for thousands a second."""
    common: dict[str, Any] = {
        "id": f"chatcmpl-{answer_id}",
        "object": "chat.completion.chunk",
        "created": int(time.time()),
        "model": request.model,
        "system_fingerprint": "fp_demo",
    }
    # With include_usage every chunk but the last carries `usage: null`, as OpenAI's do.
    if request.include_usage:
        common["usage"] = None
    start = b"data: " + orjson.dumps(common)[:-1] + b',"choices":[{"index":%d,"delta":'
    whole = start + b'%b,"logprobs":null,"finish_reason":%b}]}\n\n'
    choices = range(request.choices)
    first = b'{"role":"assistant","content":"","refusal":null}'
    deltas = [b'{"content":%b}' % orjson.dumps(piece) for piece in reply.pieces]
    if reply.tool is not None:
        first = b'{"role":"assistant","content":null}'
        calls = [{"index": 0, **call} for call in _tool_calls(reply, answer_id)]
        arguments = calls[0]["function"].pop("arguments")
        opening = {"tool_calls": [calls[0] | {"function": calls[0]["function"] | {"arguments": ""}}]}
        half = len(arguments) // 2
        parts = [
            {"tool_calls": [{"index": 0, "function": {"arguments": a}}]} for a in (arguments[:half], arguments[half:])
        ]
        deltas = [orjson.dumps(delta) for delta in (opening, *parts)]
    finish = orjson.dumps(finish_reason(reply))
    after = [whole % (index, b"{}", finish) for index in choices]
    if request.include_usage and reply.usage is not None:
        after.append(event(common | {"choices": [], "usage": usage_object(reply.usage)}))
    return EventStream(
        before=b"".join(whole % (index, first, b"null") for index in choices),
        chunks=[b"".join(whole % (index, delta, b"null") for index in choices) for delta in deltas],
        after=b"".join(after) + b"data: [DONE]\n\n",
    )


CHAT = Dialect(
    read=read_chat,
    whole=whole_chat,
    stream=stream_chat,
    error=openai_error,
    error_event=lambda message: event(openai_error(500, "server_error", message)),
)
