"""What a chat completion's answer says: usage, and the output that can be seen, of a body or of one event. Pure.

Nothing here raises: whatever an upstream sends is passed on, and read as far as it makes sense.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from bursar.gateway.dialects import openai
from bursar.gateway.dialects.seam import NO_USAGE, NOTHING_READ, Produced, Reading
from bursar.gateway.dialects.skimming import Skimming
from bursar.gateway.sse import SseEvent

TOOL_CALL_TOKENS: Final = 16
"""Around each tool call in the output, beside its name and arguments: an estimate with room, used where a provider has
not said what it charges."""


class _Function(msgspec.Struct):
    name: Any = None
    arguments: Any = None
    input: Any = None


class _ToolCall(msgspec.Struct):
    function: _Function | None = None
    custom: _Function | None = None


class _Message(msgspec.Struct):
    """A message, or its part in a stream. `reasoning_content` and `reasoning` are other vendors' visible thinking."""

    content: Any = None
    refusal: Any = None
    reasoning_content: Any = None
    reasoning: Any = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing but content."""
        return (
            self.tool_calls is None
            and self.reasoning_content is None
            and self.reasoning is None
            and self.refusal is None
            and self.function_call is None
        )


class _Choice(msgspec.Struct):
    delta: _Message | None = None
    message: _Message | None = None


class _Answer(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: Any = None
    service_tier: Any = None
    error: Any = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_DONE: Final = b"[DONE]"

ONLY_OUTPUT: Final = Skimming(b"data: {", telling=(b'"usage"', b'"error"'), silent=b'"usage":null')


def read_event(event: SseEvent) -> Reading:
    data = event.data
    if data.startswith(_DONE):
        return Reading(is_end=True)
    return read_body(data) if data else NOTHING_READ


def read_body(body: bytes) -> Reading:
    try:
        answer = _ANSWER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Reading(Produced(_any_text(body)))
    choices = answer.choices
    if choices is not None and len(choices) == 1 and answer.usage is None and answer.error is None:
        only = choices[0].delta
        if only is not None and type(only.content) is str and only.is_plain:
            return Reading(Produced(only.content))  # Nearly every event of nearly every stream.
    text: list[str] = []
    tool_calls = 0
    for choice in choices or ():
        message = choice.delta or choice.message
        if message is not None:
            tool_calls += _read_message(message, text)
    report = NO_USAGE
    if answer.usage is not None:
        tier = answer.service_tier if isinstance(answer.service_tier, str) else None
        report = openai.read_usage(answer.usage, tier)
    return Reading(
        Produced("".join(text), tool_calls * TOOL_CALL_TOKENS),
        report,
        only_usage=report is not NO_USAGE and not choices and answer.error is None,
        is_error=answer.error is not None,
    )


def _read_message(message: _Message, text: list[str]) -> int:
    """Collect the text of a message; answer how many tool calls begin in it."""
    thinking = message.reasoning_content
    if thinking is None or message.reasoning != thinking:  # Some send the same under both names.
        thinking = [thinking, message.reasoning]
    for part in (message.content, message.refusal, thinking):
        if part is not None:
            _collect(part, text)
    begun = 0
    calls = [call.function or call.custom for call in message.tool_calls or ()]
    if message.function_call is not None:
        calls.append(message.function_call)
    for call in calls:
        if call is not None:
            begun += 1 if call.name else 0
            for part in (call.name, call.arguments, call.input):
                _collect(part, text)
    return begun


def _collect(value: Any, text: list[str]) -> None:
    """Every string in a value: some vendors send content as a list of parts, or arguments as an object."""
    if isinstance(value, str):
        text.append(value)
    elif isinstance(value, list):
        for item in value:
            _collect(item, text)
    elif isinstance(value, dict):
        for name, item in value.items():
            if name != "type":
                _collect(item, text)


def _any_text(body: bytes) -> str:
    """All strings of an answer in a shape that is not known, or what is no JSON as it came: for an estimate."""
    text: list[str] = []
    try:
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")
    if isinstance(value, dict):
        _collect(value.get("choices"), text)
    return "".join(text)
