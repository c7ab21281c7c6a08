"""The Python clients, each as its users call it: whole, streamed, with a tool; and where it keeps what it was told."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

import anthropic
import openai
from langchain_core.tools import tool as langchain_tool
from langchain_openai import ChatOpenAI
from openai.types.chat import ChatCompletionMessageFunctionToolCall
from openai.types.responses import ResponseFailedEvent
from pydantic import SecretStr
from pydantic_ai import Agent
from pydantic_ai.exceptions import AgentRunError
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider

from tests.clients.facts import Facts, Task

MODEL = "demo-1"
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


class Client(Protocol):
    async def whole(self, task: Task, facts: Facts) -> None: ...
    async def stream(self, task: Task, facts: Facts) -> None: ...
    async def tool(self, task: Task, facts: Facts) -> None: ...
    def read(self, error: Any) -> dict[str, Any]: ...


async def run(client: Client, task: Task) -> Facts:
    """What the client made of the task."""
    facts = Facts()
    try:
        await getattr(client, task.operation)(task, facts)
        facts.ended = True
    except (openai.APIError, anthropic.APIError, AgentRunError) as error:
        facts.by = "raised"
        facts.error = next(kind.__name__ for kind in type(error).__mro__ if not kind.__name__.startswith("_"))
        for name, value in client.read(error).items():
            setattr(facts, name, value)
    return facts


class OpenAIChat:
    def connect(self, task: Task) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=task.v1_url, api_key=task.key)

    def read(self, error: Any) -> dict[str, Any]:
        status = getattr(error, "status_code", None)
        billing = error.body["billing"]
        return {"status": status, "code": error.code, "message": error.message, "billing": billing}

    async def whole(self, task: Task, facts: Facts) -> None:
        async with self.connect(task) as client:
            answer = await client.chat.completions.create(model=MODEL, messages=[_user(task)])
        assert answer.usage is not None
        facts.text, facts.output_tokens = str(answer.choices[0].message.content), answer.usage.completion_tokens

    async def stream(self, task: Task, facts: Facts) -> None:
        async with self.connect(task) as client:
            stream = await client.chat.completions.create(
                model=MODEL, messages=[_user(task)], stream=True, stream_options={"include_usage": True}
            )
            async for chunk in stream:
                facts.text += "".join(choice.delta.content or "" for choice in chunk.choices)
                facts.output_tokens = chunk.usage.completion_tokens if chunk.usage else None

    async def tool(self, task: Task, facts: Facts) -> None:
        offered: Any = {"type": "function", "function": {"name": "weather", "parameters": CITY}}
        async with self.connect(task) as client:
            answer = await client.chat.completions.create(model=MODEL, messages=[_user(task)], tools=[offered])
        calls = answer.choices[0].message.tool_calls
        assert calls is not None
        (call,) = calls
        assert isinstance(call, ChatCompletionMessageFunctionToolCall)
        facts.tool, facts.arguments = call.function.name, json.loads(call.function.arguments)


class OpenAIResponses(OpenAIChat):
    async def whole(self, task: Task, facts: Facts) -> None:
        async with self.connect(task) as client:
            answer = await client.responses.create(model=MODEL, input=task.prompt)
        assert answer.usage is not None
        facts.text, facts.output_tokens = answer.output_text, answer.usage.output_tokens

    async def stream(self, task: Task, facts: Facts) -> None:
        async with self.connect(task) as client:
            async for event in await client.responses.create(model=MODEL, input=task.prompt, stream=True):
                if event.type == "response.output_text.delta":
                    facts.text += event.delta
                elif event.type == "response.completed" and event.response.usage:
                    facts.output_tokens = event.response.usage.output_tokens
                elif isinstance(event, ResponseFailedEvent):
                    error: Any = event.response.error
                    facts.by, facts.error = "delivered", event.type
                    facts.code, facts.message, facts.billing = error.code, error.message, error.billing

    async def tool(self, task: Task, facts: Facts) -> None:
        offered: Any = {"type": "function", "name": "weather", "parameters": CITY, "strict": False}
        async with self.connect(task) as client:
            answer = await client.responses.create(model=MODEL, input=task.prompt, tools=[offered])
        (call,) = (item for item in answer.output if item.type == "function_call")
        facts.tool, facts.arguments = call.name, json.loads(call.arguments)


class AnthropicMessages:
    def connect(self, task: Task) -> anthropic.AsyncAnthropic:
        return anthropic.AsyncAnthropic(base_url=task.base_url, api_key=task.key)

    def read(self, error: Any) -> dict[str, Any]:
        told = error.body["error"]
        return {
            "status": error.status_code,
            "code": error.type,
            "message": told["message"],
            "billing": told["billing"],
        }

    async def whole(self, task: Task, facts: Facts) -> None:
        async with self.connect(task) as client:
            answer = await client.messages.create(model=MODEL, max_tokens=8000, messages=[_user(task)])
        (block,) = answer.content
        assert block.type == "text"
        facts.text, facts.output_tokens = block.text, answer.usage.output_tokens

    async def stream(self, task: Task, facts: Facts) -> None:
        async with (
            self.connect(task) as client,
            client.messages.stream(model=MODEL, max_tokens=8000, messages=[_user(task)]) as stream,
        ):
            async for piece in stream.text_stream:
                facts.text += piece
            facts.output_tokens = (await stream.get_final_message()).usage.output_tokens

    async def tool(self, task: Task, facts: Facts) -> None:
        offered: Any = {"name": "weather", "input_schema": CITY}
        async with self.connect(task) as client:
            answer = await client.messages.create(model=MODEL, max_tokens=8000, messages=[_user(task)], tools=[offered])
        (call,) = (block for block in answer.content if block.type == "tool_use")
        facts.tool, facts.arguments = call.name, call.input


class PydanticAI:
    """An agent: it runs the tool by itself, and asks again with the result."""

    def __init__(self, model: Callable[[Task], Model]) -> None:
        self.model = model

    def read(self, error: Any) -> dict[str, Any]:
        body = getattr(error, "body", None)
        told = body.get("error", body) if isinstance(body, dict) else {}
        return {
            "status": getattr(error, "status_code", None),
            "code": told.get("code") or told.get("type"),
            "message": told.get("message"),
            "billing": told.get("billing"),
        }

    async def whole(self, task: Task, facts: Facts) -> None:
        result = await Agent(self.model(task)).run(task.prompt)
        facts.text, facts.output_tokens = result.output, result.usage.output_tokens

    async def stream(self, task: Task, facts: Facts) -> None:
        async with Agent(self.model(task)).run_stream(task.prompt) as result:
            async for piece in result.stream_text(delta=True, debounce_by=None):
                facts.text += piece
            facts.output_tokens = result.usage.output_tokens

    async def tool(self, task: Task, facts: Facts) -> None:
        agent = Agent(self.model(task))

        @agent.tool_plain
        def weather(city: str) -> str:
            facts.tool, facts.arguments = "weather", {"city": city}
            return "sunny"

        facts.text = (await agent.run(task.prompt)).output


class LangChain:
    def connect(self, task: Task) -> ChatOpenAI:
        return ChatOpenAI(model=MODEL, base_url=task.v1_url, api_key=SecretStr(task.key))

    read = OpenAIChat.read

    async def whole(self, task: Task, facts: Facts) -> None:
        answer: Any = await self.connect(task).ainvoke(task.prompt)
        facts.text, facts.output_tokens = answer.text, answer.usage_metadata["output_tokens"]

    async def stream(self, task: Task, facts: Facts) -> None:
        chunk: Any
        async for chunk in self.connect(task).astream(task.prompt, stream_usage=True):
            facts.text += chunk.text
            if chunk.usage_metadata:
                facts.output_tokens = chunk.usage_metadata["output_tokens"]

    async def tool(self, task: Task, facts: Facts) -> None:
        @langchain_tool
        def weather(city: str) -> str:
            """Tell the weather of a city."""
            return city

        answer: Any = await self.connect(task).bind_tools([weather]).ainvoke(task.prompt)
        (call,) = answer.tool_calls
        facts.tool, facts.arguments = call["name"], call["args"]


def _user(task: Task) -> Any:
    return {"role": "user", "content": task.prompt}


def _openai(task: Task) -> OpenAIProvider:
    return OpenAIProvider(base_url=task.v1_url, api_key=task.key)


PYTHON_CLIENTS: dict[str, Client] = {
    "openai chat": OpenAIChat(),
    "openai responses": OpenAIResponses(),
    "anthropic": AnthropicMessages(),
    "pydantic-ai openai chat": PydanticAI(lambda task: OpenAIChatModel(MODEL, provider=_openai(task))),
    "pydantic-ai openai responses": PydanticAI(lambda task: OpenAIResponsesModel(MODEL, provider=_openai(task))),
    "pydantic-ai anthropic": PydanticAI(
        lambda task: AnthropicModel(MODEL, provider=AnthropicProvider(base_url=task.base_url, api_key=task.key))
    ),
    "langchain-openai": LangChain(),
}
