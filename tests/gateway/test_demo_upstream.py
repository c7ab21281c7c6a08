"""The demo upstream, driven by the official OpenAI client as an application would."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionToolParam

from tests.support.demo_upstream import shared_demo_upstream

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
            "required": ["city", "days", "unit"],
        },
    },
}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    with shared_demo_upstream(faults=False) as url:
        yield url


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0) as connected:
        yield connected


async def ask(client: openai.AsyncOpenAI, content: str, **more: Any) -> Any:
    return await client.chat.completions.create(model="demo-1", messages=[{"role": "user", "content": content}], **more)


@pytest.mark.parametrize(
    ("prompt", "opening"),
    [
        ("Who are you?", "I am the demo model of Bursar: no AI"),
        ("Wer bist du?", "Ich bin das Demo-Modell von Bursar: keine KI"),
    ],
)
async def test_admits_to_be_a_demo_in_the_prompts_language(
    client: openai.AsyncOpenAI, prompt: str, opening: str
) -> None:
    answer = await ask(client, prompt)
    text = answer.choices[0].message.content
    assert text.startswith(opening)
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, len(text.split()))
    assert (await ask(client, prompt)).choices[0].message.content == text


async def test_counts_every_word_of_every_message(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(
        model="demo-1",
        messages=[
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "one two three"},
            {"role": "assistant", "content": "four"},
            {"role": "user", "content": [{"type": "text", "text": "[[tokens=2]] five six"}]},
        ],
    )
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens, answer.usage.total_tokens) == (8, 2, 10)


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
async def test_obeys_the_length_limit(client: openai.AsyncOpenAI, limit: str) -> None:
    answer = await ask(client, "[[tokens=500]]", **{limit: 7})
    assert (answer.choices[0].finish_reason, answer.usage.completion_tokens) == ("length", 7)
    assert len(answer.choices[0].message.content.split()) == 7


async def test_streams_the_same_text_and_usage_only_when_asked(client: openai.AsyncOpenAI) -> None:
    whole = await ask(client, "hello [[chunk_tokens=4]]")
    for asked in (True, False):
        stream = await ask(client, "hello [[chunk_tokens=4]]", stream=True, stream_options={"include_usage": asked})
        chunks = [chunk async for chunk in stream]
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
        assert text == whole.choices[0].message.content
        usages = [chunk.usage for chunk in chunks if chunk.usage]
        assert usages == ([whole.usage] if asked else [])
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"


async def test_reports_the_usage_it_was_told(client: openai.AsyncOpenAI) -> None:
    answer = await ask(client, "[[tokens=3 input_tokens=4808 cached_tokens=800 reasoning_tokens=64]]")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4808, 67)
    assert answer.usage.prompt_tokens_details.cached_tokens == 800
    assert answer.usage.completion_tokens_details.reasoning_tokens == 64


async def test_several_choices_cost_several_answers(client: openai.AsyncOpenAI) -> None:
    answer = await ask(client, "[[tokens=5]]", n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    assert answer.usage.completion_tokens == 15
    stream = await ask(client, "[[tokens=5]]", n=3, stream=True)
    seen = [(choice.index, choice.finish_reason) async for chunk in stream for choice in chunk.choices]
    assert {index for index, reason in seen if reason == "stop"} == {0, 1, 2}


@pytest.mark.parametrize(
    ("prompt", "choice"),
    [("call get_weather please", "auto"), ("hello", "required"), ("[[tool=get_weather]]", "auto")],
)
async def test_calls_a_tool_that_is_asked_for(client: openai.AsyncOpenAI, prompt: str, choice: str) -> None:
    answer = await ask(client, prompt, tools=[WEATHER], tool_choice=choice)
    call = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"demo","days":1,"unit":"C"}')
    stream = await ask(client, prompt, tools=[WEATHER], tool_choice=choice, stream=True)
    deltas = [chunk.choices[0].delta.tool_calls[0] async for chunk in stream if chunk.choices[0].delta.tool_calls]
    assert deltas[0].function.name == "get_weather"
    assert "".join(delta.function.arguments for delta in deltas) == call.function.arguments


async def test_answers_in_words_without_need_of_a_tool_or_after_it_answered(client: openai.AsyncOpenAI) -> None:
    plain = await ask(client, "hello", tools=[WEATHER])
    assert plain.choices[0].message.tool_calls is None
    called = await ask(client, "call get_weather", tools=[WEATHER])
    after = await client.chat.completions.create(
        model="demo-1",
        tools=[WEATHER],
        messages=[
            {"role": "user", "content": "call get_weather"},
            called.choices[0].message,
            {"role": "tool", "tool_call_id": called.choices[0].message.tool_calls[0].id, "content": "sunny"},
        ],
    )
    assert after.choices[0].message.content == "The tool answered: sunny"


async def test_waits_as_told(client: openai.AsyncOpenAI) -> None:
    loop = asyncio.get_running_loop()
    start = loop.time()
    stream = await ask(client, "[[tokens=3 delay_ms=60 chunk_delay_ms=40]]", stream=True)
    first = loop.time()
    assert len([chunk async for chunk in stream]) == 5
    assert first - start >= 0.06
    assert loop.time() - first >= 0.08


async def test_lists_its_models(client: openai.AsyncOpenAI) -> None:
    assert "demo-1" in [model.id async for model in client.models.list()]


@pytest.mark.parametrize("content", ["[[tokns=3]]", "[[tokens=many]]", "[[fault=earthquake]]"])
async def test_refuses_a_directive_that_does_not_exist(client: openai.AsyncOpenAI, content: str) -> None:
    with pytest.raises(openai.BadRequestError):
        await ask(client, content)


async def test_a_body_that_is_none_of_the_api_is_refused(client: openai.AsyncOpenAI) -> None:
    for body in ({}, {"model": "x", "messages": []}, {"model": "x", "messages": [{"content": 3}]}):
        with pytest.raises(openai.BadRequestError):
            await client.post("/chat/completions", body=body, cast_to=object)


async def test_ends_with_the_process_that_started_it() -> None:
    """Its parent is killed without a chance to say so."""
    parent = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        "import asyncio\n"
        "from bursar.gateway.demo_upstream import running_demo_upstream\n"
        "async def main():\n"
        "    async with running_demo_upstream() as url:\n"
        "        print(url, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n",
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    base_url = (await parent.stdout.readline()).decode().strip()
    client = openai.AsyncOpenAI(base_url=base_url, api_key="any", max_retries=0)
    assert await ask(client, "hello")
    parent.kill()
    await parent.wait()
    for _ in range(200):
        try:
            await ask(client, "hello")
        except openai.APIConnectionError:
            return
        await asyncio.sleep(0.05)
    pytest.fail("it outlived its parent")
