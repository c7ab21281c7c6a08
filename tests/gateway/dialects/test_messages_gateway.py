"""All dialects through the whole gateway: each has a hold, a charge, and its own way of stopping."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai
import pytest

from bursar.foundation.database import Database
from tests.gateway.world import INPUT_NANOS, OUTPUT_NANOS, World, open_world, upstream

ENOUGH_FOR_A_PART = 400 * OUTPUT_NANOS
LONG = "hello [[tokens=2000]]"


@pytest.fixture
async def both(database: Database, demo_url: str) -> AsyncIterator[World]:
    """One demo upstream that speaks as OpenAI and as Anthropic."""
    upstreams = [upstream(demo_url), upstream(demo_url, name="claude", dialect="anthropic")]
    async with open_world(database, upstreams) as world:
        yield world


def claude(world: World) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=world.url, api_key=world.user_key)


def message(content: str = "hello [[tokens=20]]", max_tokens: int = 3000) -> Any:
    return {"model": "demo-1", "max_tokens": max_tokens, "messages": [{"role": "user", "content": content}]}


async def test_every_dialect_is_charged_what_its_usage_says(both: World) -> None:
    await both.top_up("1.00")
    gpt = both.openai()
    async with claude(both) as client:
        await client.messages.create(**message())
        async with client.messages.stream(**message()) as stream:
            await stream.get_final_message()
        await client.messages.count_tokens(model="demo-1", messages=message()["messages"])
    await gpt.responses.create(model="demo-1", input="hello [[tokens=20]]")
    async for _ in await gpt.responses.create(model="demo-1", input="hello [[tokens=20]]", stream=True):
        pass
    await gpt.embeddings.create(model="demo-1", input=["one two", "three"])
    answer = INPUT_NANOS + 20 * OUTPUT_NANOS
    charges = await both.charges()
    assert [each["amount_nanos"] for each in charges] == [answer, answer, 0, answer, answer, 3 * INPUT_NANOS]
    assert {each["cost_source"] for each in charges} == {"PROVIDER_USAGE"}
    assert [each["upstream"] for each in charges] == ["claude"] * 3 + ["demo"] * 3
    assert both.alerts == []
    assert await both.open_holds() == 0


async def test_a_stream_of_messages_is_stopped_when_the_money_ends(both: World) -> None:
    await both.top_up("1.00")
    await both.drain_to(ENOUGH_FOR_A_PART)
    pieces: list[str] = []

    async def read() -> None:
        async with claude(both) as client, client.messages.stream(**message(LONG)) as stream:
            async for piece in stream.text_stream:
                pieces.append(piece)

    with pytest.raises(anthropic.APIStatusError) as caught:
        await read()
    assert caught.value.type == "billing_error"
    assert len("".join(pieces)) > 500
    charge = await both.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    assert 0 < charge["amount_nanos"] <= ENOUGH_FOR_A_PART
    assert 0 <= await both.balance() < 100 * OUTPUT_NANOS


async def test_a_response_is_stopped_with_its_own_id_and_the_next_number(both: World) -> None:
    await both.top_up("1.00")
    await both.drain_to(ENOUGH_FOR_A_PART)
    stream = await both.openai().responses.create(model="demo-1", input=LONG, stream=True)
    events: list[Any] = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.failed")
    assert events[-1].response.id == events[0].response.id
    assert events[-1].response.error.code == "insufficient_quota"
    charge = await both.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    assert 0 < charge["amount_nanos"] <= ENOUGH_FOR_A_PART


async def test_without_money_only_what_is_free_runs(both: World) -> None:
    async with claude(both) as client:
        assert (await client.messages.count_tokens(model="demo-1", messages=message()["messages"])).input_tokens > 0
        with pytest.raises(anthropic.PaymentRequiredError) as caught:
            await client.messages.create(**message())
    body: Any = caught.value.body
    assert body["error"]["billing"]["reason"] == "BALANCE_EXHAUSTED"
    for call in (
        both.openai().responses.create(model="demo-1", input="hello"),
        both.openai().embeddings.create(model="demo-1", input="hello"),
    ):
        with pytest.raises(openai.APIStatusError, match="402"):
            await call
    assert [each["amount_nanos"] for each in await both.charges()] == [0]
