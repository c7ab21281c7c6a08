"""The loop of a run: the model answers, tools are called, the model goes on, until it has answered or is stopped.

`pydantic_ai` turns the wheel; every turn is a call to our gateway, paid and refused like anybody's. What happens is
told to the journal as it happens. Imported when the first run begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI
from pydantic_ai import Agent
from pydantic_ai.messages import (
    FunctionToolResultEvent,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
)
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.money import format_amount
from bursar.gateway.asgi import AsgiApp
from bursar.workspace import events
from bursar.workspace.costs import charged
from bursar.workspace.gateway_client import BASE_URL, GatewayTransport, new_client
from bursar.workspace.history import cut_off, model_messages
from bursar.workspace.journal import Journal
from bursar.workspace.messages import unanswered_calls
from bursar.workspace.models import Dialect
from bursar.workspace.states import ThreadKind
from bursar.workspace.tools import Toolbox

MOST_STEPS: Final = 25
"""Model calls of one go; what takes more goes in a circle."""
SETTLED_WITHIN_SECONDS: Final = 5.0
_BY_ITSELF: Final = "internal"
_TOOL_RETRIES: Final = 3
_SDK_RETRIES: Final = 2
"""Of calls that failed before anything came back; nothing was charged for them."""

_AGENT: Final = """\
You help a person with their documents and questions. Before you answer about a document, look into it with the tools:
list, search, then read the pages that matter. Name the document and the page that an answer is taken from. Compute with
the tool, not in your head. If something is not in the documents, say so. Answer in the language of the question, in
Markdown, briefly."""
_CHAT: Final = "Answer in the language of the question, in Markdown."


class StepLimit(Exception):
    """`MOST_STEPS` calls, and no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a run needs to know. `new_token` makes a token of the person, good for the next call."""

    database: Database
    routes: Mapping[tuple[str, str], AsgiApp]
    new_token: Callable[[], str]
    journal: Journal
    kind: ThreadKind
    model: str
    dialect: Dialect
    currency: str
    accept_language: str
    cost_before_nanos: int


class Loop:
    """One go of a run. `run` raises whatever stopped it; until then the journal has everything."""

    def __init__(self, assignment: Assignment) -> None:
        self.cost_nanos = assignment.cost_before_nanos
        self._assignment = assignment
        self._journal = assignment.journal
        self._transport = GatewayTransport(assignment.routes, assignment.new_token, self._paid)
        self._client = new_client(
            self._transport, {"accept-language": assignment.accept_language, "x-bursar-tags": "source=workspace"}
        )
        self._message_id = ""
        self._open_text = False
        self._open_step: int | None = None
        self._calls: list[UUID] = []
        self._unpriced: list[UUID] = []

    async def run(self) -> None:
        journal = self._journal
        messages = journal.conversation.messages
        begun = cut_off(messages)
        self._message_id = begun.message_id if begun is not None else str(new_id())
        answered = {message.tool_call_id for message in messages}
        asking = next((each for each in reversed(messages) if each.tool_calls), None)
        if asking is not None and unanswered_calls(messages):
            self._message_id = asking.message_id
        agent = self._agent()
        steps = 0
        try:
            async with agent.iter(message_history=model_messages(messages)) as run:
                async for node in run:
                    if Agent.is_model_request_node(node):
                        if steps:
                            self._message_id = str(new_id())
                        steps += 1
                        if steps > MOST_STEPS:
                            raise StepLimit
                        self._open_step = journal.step_count + 1
                        journal.emit(events.step_started(self._open_step))
                        async with node.stream(run.ctx) as stream:
                            async for event in stream:
                                self._text(event)
                        self.close_text()
                    elif Agent.is_call_tools_node(node):
                        if steps:
                            await self._step_done(node.model_response)
                        else:
                            # These calls were made before the run stood still; they were told then.
                            steps = 1
                        async with node.stream(run.ctx) as results:
                            async for result in results:
                                if isinstance(result, FunctionToolResultEvent):
                                    self._result(result, answered)
        finally:
            await self._client.aclose()

    # --- telling -----------------------------------------------------------------------------------------------------

    def _text(self, event: object) -> None:
        text = ""
        if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
            text = event.part.content
        elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
            text = event.delta.content_delta
        if not text:
            return
        if not self._open_text:
            self._open_text = True
            self._journal.emit(events.text_start(self._message_id))
        self._journal.emit(events.text_content(self._message_id, text))

    def close_text(self) -> None:
        """What was being written ends here, however that came."""
        if self._open_text:
            self._open_text = False
            self._journal.emit(events.text_end(self._message_id))

    async def _step_done(self, response: ModelResponse) -> None:
        for part in response.parts:
            if isinstance(part, ToolCallPart):
                arguments = part.args_as_json_str()
                self._journal.emit(*events.tool_call(self._message_id, part.tool_call_id, part.tool_name, arguments))
        await self.close_step(SETTLED_WITHIN_SECONDS)

    def _result(self, result: FunctionToolResultEvent, answered: set[str | None]) -> None:
        call_id = result.part.tool_call_id
        if call_id in answered:
            return
        content = result.part.content
        text = content if isinstance(content, str) else result.part.model_response_str()
        self._journal.emit(events.tool_result(str(new_id()), call_id, text))

    def _paid(self, request_id: UUID) -> None:
        if not self._calls:
            self._journal.step_count += 1
        self._calls.append(request_id)
        self._journal.note_call(request_id, self._message_id)

    async def close_step(self, wait_seconds: float) -> None:
        """The step ends here, however that came; costs that are not settled within that time are told as unknown."""
        await self._tell_cost(wait_seconds)
        if self._open_step is not None:
            self._journal.emit(events.step_finished(self._open_step))
            self._open_step = None

    @property
    def is_cost_known(self) -> bool:
        return not self._unpriced

    async def _tell_cost(self, wait_seconds: float) -> None:
        if not self._calls:
            return
        calls, self._calls = self._calls, []
        key, currency = self._journal.key, self._assignment.currency
        wanted = [*self._unpriced, *calls]
        costs = await charged(self._assignment.database, key.mandate_id, wanted, wait_seconds=wait_seconds)
        self._unpriced = [each for each in wanted if each not in costs]
        for request_id, cost_nanos in costs.items():
            self._journal.note_cost(request_id, cost_nanos)
            self.cost_nanos += cost_nanos
        is_known = all(each in costs for each in calls)
        value = {
            "step": self._journal.step_count,
            "cost": format_amount(sum(costs[each] for each in calls)) if is_known else None,
            "runCost": format_amount(self.cost_nanos) if self.is_cost_known else None,
            "currency": currency,
            "messageId": self._message_id,
        }
        self._journal.emit(events.custom("bursar.step", value))

    # --- asking ------------------------------------------------------------------------------------------------------

    def _agent(self) -> Agent[object, str]:
        journal, assignment = self._journal, self._assignment
        if assignment.kind == "chat":
            return Agent(self._model(), instructions=_CHAT)
        toolbox = Toolbox(assignment.database, journal.key.mandate_id, journal.key.thread_id, self._balance)
        return Agent(self._model(), instructions=_AGENT, tools=toolbox.all(), retries=_TOOL_RETRIES)

    def _model(self) -> Model:
        name, client = self._assignment.model, self._client
        if self._assignment.dialect == "anthropic":
            anthropic = AsyncAnthropic(
                api_key=_BY_ITSELF, base_url=BASE_URL, http_client=client, max_retries=_SDK_RETRIES
            )
            return AnthropicModel(name, provider=AnthropicProvider(anthropic_client=anthropic))
        openai = AsyncOpenAI(
            api_key=_BY_ITSELF, base_url=f"{BASE_URL}/v1", http_client=client, max_retries=_SDK_RETRIES
        )
        return OpenAIChatModel(name, provider=OpenAIProvider(openai_client=openai))

    async def _balance(self) -> Any:
        """As the person would get it by a key of theirs."""
        answer: httpx2.Response = await self._client.get("/v1/balance")
        answer.raise_for_status()
        return answer.json()
