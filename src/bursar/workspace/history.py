"""A thread's messages as `pydantic_ai` wants them, so that a run begins, or goes on, from what is stored.

Imports `pydantic_ai`: only `loop` imports this.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from bursar.workspace.messages import Message, unanswered_calls

GO_ON: Final = (
    "Your answer was cut off at this point. Continue exactly where it stopped, in the middle of the word if need be. "
    "Repeat nothing, and add no remark about this."
)
"""What a model is told whose answer was cut off; it is never stored, nor shown."""


def model_messages(messages: Sequence[Message]) -> list[ModelMessage]:
    """The history for the next call. It ends with what the model is to answer, or with calls that are still to be made.

    Calls that were never answered and lie behind something newer are left out: nobody waits for them any more. Of those
    at the very end all are made again, since tools change nothing.
    """
    pending = unanswered_calls(messages)
    last_asking = next((message for message in reversed(messages) if message.tool_calls), None)
    is_open = last_asking is not None and bool(pending) and _is_tail(messages, last_asking)
    made: list[ModelMessage] = []
    for message in messages:
        if is_open and last_asking is not None and message.position > last_asking.position:
            continue
        _append(made, message, () if is_open and message is last_asking else pending)
    if made and isinstance(made[-1], ModelResponse) and not is_open:
        made.append(ModelRequest([UserPromptPart(GO_ON)]))
    return made


def _is_tail(messages: Sequence[Message], asking: Message) -> bool:
    """Whether nothing but results came after the calls of a message."""
    return all(message.role == "tool" for message in messages if message.position > asking.position)


def _append(made: list[ModelMessage], message: Message, left_out: Sequence[str] | set[str] | tuple[()]) -> None:
    names = {
        part.tool_call_id: part.tool_name
        for each in made
        if isinstance(each, ModelResponse)
        for part in each.parts
        if isinstance(part, ToolCallPart)
    }
    if message.role == "user":
        made.append(ModelRequest([UserPromptPart(message.content)]))
    elif message.role == "tool":
        call_id = message.tool_call_id or ""
        if call_id not in names:
            return
        result = ToolReturnPart(tool_name=names[call_id], content=message.content, tool_call_id=call_id)
        last = made[-1]
        if isinstance(last, ModelRequest) and any(isinstance(part, ToolReturnPart) for part in last.parts):
            made[-1] = ModelRequest([*last.parts, result])
        else:
            made.append(ModelRequest([result]))
    else:
        calls = [
            ToolCallPart(call["function"]["name"], call["function"]["arguments"] or "{}", tool_call_id=call["id"])
            for call in message.tool_calls
            if call["id"] not in left_out
        ]
        text = [TextPart(message.content)] if message.content else []
        if calls or text:
            made.append(ModelResponse([*text, *calls]))


def cut_off(messages: Sequence[Message]) -> Message | None:
    """The answer that a run which stands still had begun to write, if it had."""
    last = messages[-1] if messages else None
    return last if last is not None and last.role == "assistant" and not last.tool_calls and last.content else None
