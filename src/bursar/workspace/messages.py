"""The messages of a thread as AG-UI has them, and how events change them. Pure.

The same fold that a client makes of the stream is made here, so that what is stored is what a client has seen.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from bursar.workspace.events import Event

Role = Literal["user", "assistant", "tool"]


@dataclass(slots=True)
class Message:
    """One message; `position` orders those of a thread."""

    message_id: str
    role: Role
    run_id: str
    position: int
    content: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    tool_call_id: str | None = None


class Conversation:
    """A thread's messages, and which of them were changed since they were last taken to be stored."""

    def __init__(self, messages: Iterable[Message]) -> None:
        self.messages = list(messages)
        self._by_id = {message.message_id: message for message in self.messages}
        self._changed: dict[str, None] = {}

    def find(self, message_id: str) -> Message | None:
        return self._by_id.get(message_id)

    def add(self, message_id: str, role: Role, run_id: str, content: str = "", call_id: str | None = None) -> Message:
        """A new message at the end."""
        position = self.messages[-1].position + 1 if self.messages else 1
        message = Message(message_id, role, run_id, position, content, tool_call_id=call_id)
        self.messages.append(message)
        self._by_id[message_id] = message
        self._changed[message_id] = None
        return message

    def take_changed(self) -> list[Message]:
        """What was changed, as it is now: later changes do not show in what is returned."""
        changed, self._changed = self._changed, {}
        found = [self._by_id[message_id] for message_id in changed]
        return [replace(message, tool_calls=deepcopy(message.tool_calls)) for message in found]

    def note_changed(self, messages: Iterable[Message]) -> None:
        """These could not be stored."""
        self._changed = {**{message.message_id: None for message in messages}, **self._changed}

    def apply(self, event: Event, run_id: str) -> None:
        """What an event says of messages; others change nothing."""
        kind = event["type"]
        if kind in ("TEXT_MESSAGE_START", "TEXT_MESSAGE_CONTENT"):
            message = self._assistant(event["messageId"], run_id)
            message.content += event.get("delta", "")
        elif kind == "TOOL_CALL_START":
            function = {"name": event["toolCallName"], "arguments": ""}
            call = {"id": event["toolCallId"], "type": "function", "function": function}
            self._assistant(event["parentMessageId"], run_id).tool_calls.append(call)
        elif kind == "TOOL_CALL_ARGS":
            for message in reversed(self.messages):
                for call in message.tool_calls:
                    if call["id"] == event["toolCallId"]:
                        call["function"]["arguments"] += event["delta"]
                        self._changed[message.message_id] = None
                        return
        elif kind == "TOOL_CALL_RESULT":
            self.add(event["messageId"], "tool", run_id, event["content"], event["toolCallId"])

    def _assistant(self, message_id: str, run_id: str) -> Message:
        message = self._by_id.get(message_id) or self.add(message_id, "assistant", run_id)
        self._changed[message_id] = None
        return message


def unanswered_calls(messages: Iterable[Message]) -> set[str]:
    """Ids of tool calls that have no result."""
    called: set[str] = set()
    for message in messages:
        called.update(call["id"] for call in message.tool_calls)
        if message.tool_call_id is not None:
            called.discard(message.tool_call_id)
    return called
