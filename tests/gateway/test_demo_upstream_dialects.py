"""The demo upstream's other dialects, driven by the official clients of OpenAI and Anthropic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.support.demo_upstream import shared_demo_upstream

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION: Any = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": None}
ANTHROPIC_TOOL: Any = {"name": "get_weather", "input_schema": SCHEMA}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with shared_demo_upstream(faults=True) as url:
        yield url


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0) as connected:
        yield connected


@pytest.fixture
async def claude(base_url: str) -> AsyncIterator[anthropic.AsyncAnthropic]:
    url = base_url.removesuffix("/v1")
    async with anthropic.AsyncAnthropic(base_url=url, api_key="any", max_retries=0) as connected:
        yield connected


# Responses ---------------------------------------------------------------------------------------------


async def test_responses_whole(client: openai.AsyncOpenAI) -> None:
    answer = await client.responses.create(
        model="demo-1", input="[[tokens=6 cached_tokens=1]] one two", instructions="three"
    )
    assert answer.output_text == "I am the demo model of"
    assert answer.status == "completed"
    assert answer.usage is not None
    assert (answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.total_tokens) == (3, 6, 9)
    assert answer.usage.input_tokens_details.cached_tokens == 1
    assert answer.instructions == "three"


async def test_responses_streamed(client: openai.AsyncOpenAI) -> None:
    async with client.responses.stream(model="demo-1", input="[[tokens=6]]") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "I am the demo model of"
    kinds = [event.type for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds.count("response.output_text.delta") == 6
    assert kinds[-1] == "response.completed"
    numbers = [event.sequence_number for event in events if hasattr(event, "sequence_number")]
    assert numbers == sorted(set(numbers))
    assert final.usage is not None
    assert final.usage.output_tokens == 6


@pytest.mark.parametrize("stream", [False, True])
async def test_responses_obey_the_limit(client: openai.AsyncOpenAI, stream: bool) -> None:
    asked: dict[str, Any] = {"model": "demo-1", "input": "[[tokens=60]]", "max_output_tokens": 16}
    if stream:
        events = [event async for event in await client.responses.create(**asked, stream=True)]
        assert events[-1].type == "response.incomplete"
        answer = events[-1].response
    else:
        answer = await client.responses.create(**asked)
    assert answer.status == "incomplete"
    assert answer.incomplete_details.reason == "max_output_tokens"
    assert answer.usage.output_tokens == 16


async def test_responses_call_a_function_and_read_its_output(client: openai.AsyncOpenAI) -> None:
    called = await client.responses.create(model="demo-1", input="get_weather please", tools=[FUNCTION])
    call: Any = called.output[0]
    assert (call.type, call.name, call.arguments) == ("function_call", "get_weather", '{"city":"demo"}')
    async with client.responses.stream(model="demo-1", input="get_weather please", tools=[FUNCTION]) as stream:
        final: Any = await stream.get_final_response()
    assert final.output[0].arguments == call.arguments
    after = await client.responses.create(
        model="demo-1",
        tools=[FUNCTION],
        input=[
            {"role": "user", "content": "get_weather please"},
            {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
        ],
    )
    assert after.output_text == "The tool answered: sunny"


async def test_responses_fail_in_their_own_shape(client: openai.AsyncOpenAI) -> None:
    stream = await client.responses.create(model="demo-1", input="[[tokens=5 fault=error_after=2]]", stream=True)
    last: Any = [event async for event in stream][-1]
    assert (last.type, last.response.error.code) == ("response.failed", "server_error")


# Embeddings --------------------------------------------------------------------------------------------


async def test_embeddings_are_deterministic_unit_vectors(client: openai.AsyncOpenAI) -> None:
    packed = await client.embeddings.create(model="demo-embed-1", input=["one two", "three"], dimensions=16)
    plain = await client.embeddings.create(
        model="demo-embed-1", input=["one two", "three"], dimensions=16, encoding_format="float"
    )
    assert packed.usage.prompt_tokens == 3
    for a, b in zip(packed.data, plain.data, strict=True):
        assert a.embedding == pytest.approx(b.embedding, abs=1e-6)
        assert sum(number * number for number in b.embedding) == pytest.approx(1)
    assert plain.data[0].embedding != plain.data[1].embedding


async def test_embeddings_of_tokens_and_with_a_reported_usage(client: openai.AsyncOpenAI) -> None:
    tokens = await client.embeddings.create(model="demo-embed-1", input=[[1, 2, 3], [4]])
    assert (len(tokens.data), tokens.usage.prompt_tokens) == (2, 4)
    told = await client.embeddings.create(model="demo-embed-1", input="[[input_tokens=900]] x")
    assert told.usage.total_tokens == 900
    with pytest.raises(openai.BadRequestError):
        await client.embeddings.create(model="demo-embed-1", input=[])


# Messages ----------------------------------------------------------------------------------------------


def ask(content: str, **more: Any) -> dict[str, Any]:
    return {"model": "demo-1", "max_tokens": 100, "messages": [{"role": "user", "content": content}], **more}


async def test_messages_whole(claude: anthropic.AsyncAnthropic) -> None:
    answer = await claude.messages.create(**ask("[[tokens=6 cached_tokens=1]] one two", system="three"))
    assert answer.content[0].text == "I am the demo model of"
    assert answer.stop_reason == "end_turn"
    usage = answer.usage
    assert (usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens) == (2, 1, 6)


async def test_messages_streamed(claude: anthropic.AsyncAnthropic) -> None:
    async with claude.messages.stream(**ask("[[tokens=60]]", max_tokens=7)) as stream:
        pieces = [text async for text in stream.text_stream]
        final: Any = await stream.get_final_message()
    assert len(pieces) == 7
    assert final.content[0].text == "".join(pieces)
    assert (final.stop_reason, final.usage.output_tokens) == ("max_tokens", 7)


async def test_messages_call_a_tool_and_read_its_result(claude: anthropic.AsyncAnthropic) -> None:
    called: Any = await claude.messages.create(**ask("get_weather please", tools=[ANTHROPIC_TOOL]))
    assert (called.stop_reason, called.content[0].input) == ("tool_use", {"city": "demo"})
    async with claude.messages.stream(**ask("hello", tools=[ANTHROPIC_TOOL], tool_choice={"type": "any"})) as stream:
        final: Any = await stream.get_final_message()
    assert final.content[0].input == {"city": "demo"}
    result = {"type": "tool_result", "tool_use_id": called.content[0].id, "content": "sunny"}
    talk: list[Any] = [
        {"role": "user", "content": "get_weather please"},
        {"role": "assistant", "content": called.content},
        {"role": "user", "content": [result]},
    ]
    after: Any = await claude.messages.create(model="demo-1", max_tokens=50, tools=[ANTHROPIC_TOOL], messages=talk)
    assert after.content[0].text == "The tool answered: sunny"


async def test_messages_count_tokens(claude: anthropic.AsyncAnthropic) -> None:
    counted = await claude.messages.count_tokens(model="demo-1", messages=[{"role": "user", "content": "a b c"}])
    assert counted.input_tokens == 3


async def test_messages_fail_in_their_own_shape(claude: anthropic.AsyncAnthropic) -> None:
    with pytest.raises(anthropic.RateLimitError) as limited:
        await claude.messages.create(**ask("[[fault=429]]"))
    assert limited.value.body["error"]["type"] == "rate_limit_error"  # type: ignore[index]
    with pytest.raises(anthropic.BadRequestError, match="credit balance is too low"):
        await claude.messages.create(**ask("[[fault=insufficient_quota]]"))
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        await claude.post("/v1/messages", body={"model": "x", "messages": []}, cast_to=object)
    with pytest.raises(anthropic.APIStatusError, match="asked to fail"):
        async with claude.messages.stream(**ask("[[tokens=5 fault=error_after=2]]")) as stream:
            await stream.until_done()
