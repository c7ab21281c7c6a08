"""The official `openai` client against a running gateway: what its users see."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.gateway.world import World

HELLO: Any = [{"role": "user", "content": "hello [[tokens=12]]"}]
LONG: Any = [{"role": "user", "content": "hello [[tokens=5000 chunk_tokens=20]]"}]
WEATHER: Any = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


async def test_a_plain_call(world: World) -> None:
    await world.top_up("1.00")
    async with world.openai() as client:
        raw = await client.chat.completions.with_raw_response.create(model="demo-1", messages=HELLO)
        answer = raw.parse()
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12
    assert answer.choices[0].message.content
    assert raw.headers["x-bursar-currency"] == "CHF"
    assert answer._request_id == str((await world.only_charge())["hold_id"])


async def test_a_stream(world: World) -> None:
    await world.top_up("1.00")
    async with world.openai() as client:
        stream = await client.chat.completions.create(model="demo-1", messages=HELLO, stream=True)
        chunks = [chunk async for chunk in stream]
    assert len("".join(chunk.choices[0].delta.content or "" for chunk in chunks).split()) == 12
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    assert all(chunk.usage is None for chunk in chunks)
    assert (await world.only_charge())["output_tokens"] == 12


async def test_a_stream_with_usage(world: World) -> None:
    await world.top_up("1.00")
    async with world.openai() as client:
        stream = await client.chat.completions.create(
            model="demo-1", messages=HELLO, stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 12


@pytest.mark.parametrize("streams", [False, True])
async def test_a_tool_call(world: World, streams: bool) -> None:
    await world.top_up("1.00")
    messages: Any = [{"role": "user", "content": "the weather, please [[tool=weather]]"}]
    async with world.openai() as client:
        if streams:
            arguments = ""
            events = await client.chat.completions.create(
                model="demo-1", messages=messages, tools=[WEATHER], stream=True
            )
            async for chunk in events:
                for call in chunk.choices[0].delta.tool_calls or ():
                    arguments += (call.function and call.function.arguments) or ""
        else:
            answer = await client.chat.completions.create(model="demo-1", messages=messages, tools=[WEATHER])
            calls: Any = answer.choices[0].message.tool_calls
            arguments = calls[0].function.arguments
    assert arguments.startswith("{")
    charge = await world.only_charge()
    assert charge["cost_source"] == "PROVIDER_USAGE"
    assert charge["output_tokens"] > 0


@pytest.mark.parametrize("streams", [False, True])
async def test_a_402_is_one_request_and_its_billing_is_readable(world: World, streams: bool) -> None:
    async with world.openai() as client:
        with pytest.raises(openai.APIStatusError) as raised:
            await client.chat.completions.create(model="demo-1", messages=HELLO, stream=streams)
    error: Any = raised.value
    assert error.status_code == 402
    assert error.code == "insufficient_quota"
    assert error.body["billing"]["reason"] == "BALANCE_EXHAUSTED"
    assert error.body["billing"]["requestId"] == error.request_id
    await world.settled()
    assert len(world.records) == 1
    assert world.records[0].outcome == "BALANCE_EXHAUSTED"


async def test_money_that_ends_in_a_stream_is_raised_and_what_came_is_kept(world: World) -> None:
    await world.post(5_000_000)
    text: list[str] = []

    async def read(stream: Any) -> None:
        async for chunk in stream:
            text.append(chunk.choices[0].delta.content or "")

    async with world.openai(world.owner_key) as client:
        stream = await client.chat.completions.create(model="demo-1", messages=LONG, stream=True)
        with pytest.raises(openai.APIError) as raised:
            await read(stream)
    error: Any = raised.value
    assert error.code == "insufficient_quota"
    assert error.type == "insufficient_quota"
    assert error.body["billing"]["userAction"] == "TOP_UP_SELF"
    assert error.message == error.body["billing"]["messageEn"]
    assert len("".join(text)) > 3_000
    assert (await world.only_charge())["cost_source"] == "ESTIMATED"
    assert len(world.records) == 1


async def test_money_that_others_hold_is_retried_by_the_client_itself(world: World) -> None:
    await world.post(5_000_000)
    hold = await world.hold(4_900_000)
    async with world.openai(max_retries=1) as client:
        with pytest.raises(openai.RateLimitError) as raised:
            await client.chat.completions.create(model="demo-1", messages=HELLO)
    error: Any = raised.value
    assert error.body["billing"]["reason"] == "FUNDS_HELD"
    await world.settled()
    assert len(world.records) == 2
    await world.release(hold)


async def test_a_broken_stream_is_raised(world: World) -> None:
    await world.top_up("1.00")
    messages: Any = [{"role": "user", "content": "hello [[tokens=100 fault=truncate_after=5]]"}]
    async with world.openai() as client:
        stream = await client.chat.completions.create(model="demo-1", messages=messages, stream=True)
        with pytest.raises(openai.APIError) as raised:
            async for _ in stream:
                pass
    assert raised.value.code == "upstream_unavailable"


async def test_unknown_keys_and_models_are_the_clients_own_exceptions(world: World) -> None:
    async with world.openai("bur_wrong") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="demo-1", messages=HELLO)
    async with world.openai() as client:
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="nobody", messages=HELLO)
        with pytest.raises(openai.BadRequestError) as raised:
            await client.chat.completions.create(model="demo-1", messages=HELLO, extra_body={"hologram": 1})
        assert raised.value.code == "feature_not_priced"


async def test_the_list_of_models(world: World) -> None:
    async with world.openai() as client:
        models = [model.id async for model in client.models.list()]
    assert "gpt-4o-mini" in models
