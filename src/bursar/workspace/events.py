"""The events of a run, as AG-UI defines them, built by its own classes and handed on as JSON objects. Pure.

AG-UI's package is imported with the first event, so that a worker which runs nothing does not carry it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from ag_ui.core import BaseEvent

Event: TypeAlias = Mapping[str, Any]
PROTOCOL_VERSION: Final = "1.0"
CONTENT: Final = "TEXT_MESSAGE_CONTENT"
RUN_ERROR: Final = "RUN_ERROR"
LAST_OF_A_GO: Final = frozenset({"RUN_FINISHED", RUN_ERROR})


def run_started(thread_id: str, run_id: str, *, continued: bool) -> Event:
    from ag_ui.core import RunStartedEvent

    metadata = {"bursar": {"continued": True}} if continued else None
    return _json(
        RunStartedEvent(thread_id=thread_id, run_id=run_id, protocol_version=PROTOCOL_VERSION, metadata=metadata)
    )


def run_finished(thread_id: str, run_id: str, *, stopped: bool = False) -> Event:
    from ag_ui.core import RunFinishedCancelledOutcome, RunFinishedEvent

    outcome = RunFinishedCancelledOutcome() if stopped else None
    return _json(RunFinishedEvent(thread_id=thread_id, run_id=run_id, outcome=outcome))


def run_error(code: str, message: str, metadata: Mapping[str, Any] | None = None) -> Event:
    """`message` is for the person; what programs need beside the code is in `metadata`, which AG-UI's client keeps."""
    from ag_ui.core import RunErrorEvent

    return _json(RunErrorEvent(message=message, code=code, metadata=None if metadata is None else dict(metadata)))


def step_started(step: int) -> Event:
    from ag_ui.core import StepStartedEvent

    return _json(StepStartedEvent(step_name=f"step-{step}"))


def step_finished(step: int) -> Event:
    from ag_ui.core import StepFinishedEvent

    return _json(StepFinishedEvent(step_name=f"step-{step}"))


def text_start(message_id: str) -> Event:
    from ag_ui.core import TextMessageStartEvent

    return _json(TextMessageStartEvent(message_id=message_id, role="assistant"))


def text_content(message_id: str, delta: str) -> Event:
    from ag_ui.core import TextMessageContentEvent

    return _json(TextMessageContentEvent(message_id=message_id, delta=delta))


def text_end(message_id: str) -> Event:
    from ag_ui.core import TextMessageEndEvent

    return _json(TextMessageEndEvent(message_id=message_id))


def tool_call(message_id: str, call_id: str, name: str, arguments: str) -> tuple[Event, ...]:
    """A whole call, as its three events."""
    from ag_ui.core import ToolCallArgsEvent, ToolCallEndEvent, ToolCallStartEvent

    start = ToolCallStartEvent(tool_call_id=call_id, tool_call_name=name, parent_message_id=message_id)
    middle = ToolCallArgsEvent(tool_call_id=call_id, delta=arguments)
    return _json(start), _json(middle), _json(ToolCallEndEvent(tool_call_id=call_id))


def tool_result(message_id: str, call_id: str, content: str) -> Event:
    from ag_ui.core import ToolCallResultEvent

    return _json(ToolCallResultEvent(message_id=message_id, tool_call_id=call_id, content=content, role="tool"))


def custom(name: str, value: Mapping[str, Any]) -> Event:
    from ag_ui.core import CustomEvent

    return _json(CustomEvent(name=name, value=dict(value)))


def _json(event: BaseEvent) -> Event:
    made: dict[str, Any] = event.model_dump(mode="json", by_alias=True)
    return made
