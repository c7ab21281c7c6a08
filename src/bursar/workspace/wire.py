"""What the workspace's routes take and answer, beside the streams of events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

from bursar.foundation.money import format_amount
from bursar.foundation.problems import invalid_field
from bursar.identity.wire import ONE_LINE, Answer, Ask
from bursar.workspace.document_store import Document
from bursar.workspace.models import OfferedModel
from bursar.workspace.runs import Asked
from bursar.workspace.states import RunStatus, ThreadKind
from bursar.workspace.threads import LONGEST_TITLE, DatedMessage, Run, Thread

LONGEST_TEXT = 200_000
ClientId: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,100}$")]
"""An id that a client gives to what it makes."""
Title: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_TITLE, pattern=ONE_LINE)
]
ModelName: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=ONE_LINE)]


class ModelAnswer(Answer):
    model: str
    currency: str
    input_per_million: str
    output_per_million: str

    @classmethod
    def of(cls, model: OfferedModel) -> ModelAnswer:
        return cls(
            model=model.model,
            currency=model.currency,
            input_per_million=_plain(model.input_per_million),
            output_per_million=_plain(model.output_per_million),
        )


class ModelsAnswer(Answer):
    models: list[ModelAnswer]
    """By name."""


class RunErrorAnswer(Answer):
    code: str
    message: str
    retry_after_seconds: int | None


class RunAnswer(Answer):
    id: str
    status: RunStatus
    step_count: int
    cost: str
    last_event_id: int
    started_at: datetime
    ended_at: datetime | None
    error: RunErrorAnswer | None
    billing: dict[str, Any] | None
    """The billing object, while the run is parked for lack of money."""

    @classmethod
    def of(cls, run: Run) -> RunAnswer:
        error = None
        if run.error_code is not None:
            error = RunErrorAnswer(
                code=run.error_code, message=run.error_message or "", retry_after_seconds=run.retry_after_seconds
            )
        return cls(
            id=run.run_id,
            status=run.status,
            step_count=run.step_count,
            cost=format_amount(run.cost_nanos),
            last_event_id=run.last_event_id,
            started_at=run.started_at,
            ended_at=run.ended_at,
            error=error,
            billing=None if run.billing is None else dict(run.billing),
        )


class ThreadAnswer(Answer):
    id: UUID
    title: str
    model: str
    kind: ThreadKind
    created_at: datetime
    updated_at: datetime
    cost: str
    currency: str
    run: RunAnswer | None
    """The latest one."""

    @classmethod
    def fields_of(cls, thread: Thread, currency: str) -> dict[str, Any]:
        return {
            "id": thread.thread_id,
            "title": thread.title,
            "model": thread.model,
            "kind": thread.kind,
            "created_at": thread.created_at,
            "updated_at": thread.updated_at,
            "cost": format_amount(thread.cost_nanos),
            "currency": currency,
            "run": None if thread.run is None else RunAnswer.of(thread.run),
        }

    @classmethod
    def of(cls, thread: Thread, currency: str) -> ThreadAnswer:
        return cls(**cls.fields_of(thread, currency))


class ThreadPage(Answer):
    threads: list[ThreadAnswer]
    next_cursor: str | None


class FunctionAnswer(Answer):
    name: str
    arguments: str


class ToolCallAnswer(Answer):
    id: str
    type: Literal["function"]
    function: FunctionAnswer


class UserMessageAnswer(Answer):
    """Messages are AG-UI's, with what is known of them beside."""

    id: str
    role: Literal["user"]
    content: str
    run_id: str
    created_at: datetime


class AssistantMessageAnswer(Answer):
    id: str
    role: Literal["assistant"]
    content: str
    tool_calls: list[ToolCallAnswer]
    run_id: str
    cost: str | None
    """What the calls behind it were charged; `null` until all are settled."""
    created_at: datetime


class ToolMessageAnswer(Answer):
    id: str
    role: Literal["tool"]
    content: str
    tool_call_id: str
    run_id: str
    created_at: datetime


MessageAnswer: TypeAlias = Annotated[
    UserMessageAnswer | AssistantMessageAnswer | ToolMessageAnswer, Field(discriminator="role")
]


def message_answer(dated: DatedMessage) -> UserMessageAnswer | AssistantMessageAnswer | ToolMessageAnswer:
    message = dated.message
    common: dict[str, Any] = {
        "id": message.message_id,
        "role": message.role,
        "content": message.content,
        "run_id": message.run_id,
        "created_at": dated.created_at,
    }
    if message.role == "user":
        return UserMessageAnswer(**common)
    if message.role == "tool":
        return ToolMessageAnswer(**common, tool_call_id=message.tool_call_id or "")
    calls = [ToolCallAnswer.model_validate(call) for call in message.tool_calls]
    cost = None if dated.cost_nanos is None else format_amount(dated.cost_nanos)
    return AssistantMessageAnswer(**common, tool_calls=calls, cost=cost)


class DocumentAnswer(Answer):
    id: UUID
    name: str
    media_type: str
    size_bytes: int
    characters: int
    pages: int
    created_at: datetime

    @classmethod
    def of(cls, document: Document) -> DocumentAnswer:
        return cls(
            id=document.document_id,
            name=document.name,
            media_type=document.media_type,
            size_bytes=document.size_bytes,
            characters=document.characters,
            pages=document.pages,
            created_at=document.created_at,
        )


class DocumentsAnswer(Answer):
    documents: list[DocumentAnswer]


class WholeThreadAnswer(ThreadAnswer):
    messages: list[MessageAnswer]
    documents: list[DocumentAnswer]


class ThreadAsk(Ask):
    title: Title | None = None
    model: ModelName
    kind: ThreadKind


class ThreadChange(Ask):
    title: Title | None = None
    model: ModelName | None = None


class StopAnswer(Answer):
    status: RunStatus


class _AgUi(BaseModel):
    """AG-UI clients send more than is used here, and newer ones will: what is not known is passed over."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=False, extra="ignore")


class ContentPart(_AgUi):
    type: str
    text: Annotated[str, StringConstraints(max_length=LONGEST_TEXT)] | None = None


class InputMessage(_AgUi):
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    role: str
    content: Annotated[str, StringConstraints(max_length=LONGEST_TEXT)] | list[ContentPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "\n".join(part.text for part in self.content if part.text)
        return self.content or ""


class RunAsk(_AgUi):
    """AG-UI's `RunAgentInput`. The conversation is kept here, so that only its last message, the person's, is read."""

    thread_id: str | None = None
    run_id: ClientId
    messages: Annotated[list[InputMessage], Field(min_length=1, max_length=2_000)]

    def asked(self) -> Asked:
        """What is new. Raises a 422 `Problem`."""
        last = self.messages[-1]
        if last.role != "user":
            raise invalid_field("messages", "the last one must be the user's")
        text = last.text.replace("\x00", "").strip()
        if not text:
            raise invalid_field("messages", "the last one must say something")
        return Asked(self.run_id, last.id.replace("\x00", ""), text)


def _plain(price: Any) -> str:
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
