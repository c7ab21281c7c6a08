"""Rates beside money: requests a minute, concurrent calls, the most that may be held at once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from bursar.gateway.rates import RateKeeper, Subject
from bursar.identity.key_store import create_key
from bursar.identity.principal import NO_RATES, Rates
from tests.gateway.scripted import DONE, USAGE, chunk, stream
from tests.gateway.world import ScriptedWorld, World, eventually

KEY, MANDATE = UUID(int=1), UUID(int=2)


class Time:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def a_key(calls_per_minute: int | None = None, concurrent_calls: int | None = None) -> Subject:
    return Subject("key", KEY, Rates(calls_per_minute, concurrent_calls))


def test_no_more_than_so_many_in_any_minute() -> None:
    time = Time()
    keeper = RateKeeper(time)
    for second in (0.0, 20.0, 40.0):
        time.seconds = 100.0 + second
        assert keeper.enter([a_key(3)]) is None
    for second, wait in ((40.0, 20), (41.5, 19), (59.9, 1)):
        time.seconds = 100.0 + second
        no = keeper.enter([a_key(3)])
        assert no is not None
        assert no.retry_after_seconds == wait
    time.seconds = 160.0
    assert keeper.enter([a_key(3)]) is None
    assert keeper.enter([a_key(3)]) is not None


def test_no_more_than_so_many_at_once() -> None:
    keeper, subjects = RateKeeper(Time()), [a_key(None, 2)]
    assert keeper.enter(subjects) is None
    assert keeper.enter(subjects) is None
    assert keeper.enter(subjects) is not None
    keeper.leave(subjects)
    assert keeper.enter(subjects) is None
    assert keeper.enter(subjects) is not None


def test_who_is_refused_for_one_counts_for_none() -> None:
    keeper = RateKeeper(Time())
    mandate = Subject("mandate", MANDATE, Rates(2))
    both = [a_key(1), mandate]
    assert keeper.enter(both) is None
    no = keeper.enter(both)
    assert no is not None
    assert no.what.startswith("This key may make 1 calls a minute")
    assert keeper.enter([mandate]) is None
    no = keeper.enter([mandate])
    assert no is not None
    assert no.what.startswith("This mandate")


@pytest.mark.parametrize(("limit", "workers", "share"), [(10, 1, 10), (10, 2, 5), (10, 4, 3), (1, 8, 1)])
def test_each_worker_admits_its_share(limit: int, workers: int, share: int) -> None:
    keeper = RateKeeper(Time(), workers)
    admitted = [keeper.enter([a_key(limit)]) is None for _ in range(20)]
    assert admitted == [True] * share + [False] * (20 - share)


def test_what_has_no_limit_is_not_counted() -> None:
    keeper = RateKeeper(Time())
    for _ in range(5):
        assert keeper.enter([Subject("key", KEY, NO_RATES), Subject("mandate", MANDATE, Rates(held_nanos=5))]) is None
    assert keeper._counts == {}


# --- through the gateway ---------------------------------------------------------------------------------------------


async def refused(world: World, key: str | None = None, **more: Any) -> tuple[int, str]:
    """Of a call that must be refused: seconds to wait, and the message."""
    async with world.chat(key=key, **more) as response:
        body = await response.json()
    assert response.status == 429, body
    assert (body["error"]["type"], body["error"]["code"]) == ("rate_limit_error", "rate_limit_exceeded")
    assert "billing" not in body["error"]
    assert "x-should-retry" not in response.headers
    return int(response.headers["retry-after"]), body["error"]["message"]


async def test_requests_a_minute_of_a_mandate(world: World) -> None:
    await world.top_up("1.00")
    await world.change_settings(max_calls_per_minute=2)
    for _ in range(2):
        async with world.chat() as response:
            assert response.status == 200
    wait_seconds, message = await refused(world)
    assert 1 < wait_seconds <= 60
    assert "mandate may make 2 calls a minute" in message
    message_call = {"model": "demo-1", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    async with world.session.post(
        f"{world.url}/v1/messages", json=message_call, headers={"x-api-key": world.user_key}
    ) as response:
        body = await response.json()
    assert (response.status, body["error"]["type"]) == (429, "rate_limit_error")
    assert "billing" not in body["error"]
    assert len(await world.charges()) == 2
    await world.balance()


async def test_requests_a_minute_of_one_key(world: World) -> None:
    await world.top_up("1.00")
    _, key = await create_key(
        world.database, world.mandate_id, kind="user", name="n", created_by="t", user_id=world.user_id, rates=Rates(1)
    )
    async with world.chat(key=key) as response:
        assert response.status == 200
    _, message = await refused(world, key)
    assert "key may make 1 calls a minute" in message
    async with world.chat() as response:
        assert response.status == 200
    await world.settled()


async def test_concurrent_calls_and_a_call_that_ends_makes_room(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    await world.change_settings(max_concurrent_calls=1)
    going_on = asyncio.Event()
    provider.script = stream(chunk("Hi"), USAGE + DONE, until=going_on)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        await response.content.readuntil(b"\n\n")
        assert (await refused(world, model="gpt-4o-mini"))[0] == 1
        assert await world.open_holds() == 1
        going_on.set()
        await response.read()
    await eventually(lambda: not world.gateway.live_calls)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        assert response.status == 200
    assert await world.open_holds() <= 1
    await world.settled()


async def test_the_most_that_may_be_held(world: World) -> None:
    await world.top_up("1.00")
    await world.change_settings(max_held_nanos=300_000_000)
    others = await world.hold(299_999_990)
    assert (await refused(world))[0] == 1
    assert await world.open_holds() == 1
    await world.release(others)
    async with world.chat() as response:
        assert response.status == 200
    await world.settled()
    assert await world.open_holds() == 0


async def test_calls_that_begin_together_hold_no_more_than_they_may(scripted: ScriptedWorld) -> None:
    """Whoever runs found all the others' holds within the cap; the rest is told to come back, and holds nothing."""
    world, provider = scripted
    going_on = asyncio.Event()
    provider.script = stream(chunk("Hi"), USAGE + DONE, until=going_on)
    call: Any = {"model": "gpt-4o-mini", "stream": False, "max_tokens": 1000}
    await world.change_settings(max_held_nanos=1_200_000)  # Two calls and a half.
    statuses: list[int] = []

    async def one() -> None:
        async with world.chat(**call) as response:
            statuses.append(response.status)

    async with asyncio.TaskGroup() as group:
        for _ in range(12):
            group.create_task(one())
        # Everybody runs or was refused, and who was refused has given back what it held.
        await eventually(lambda: len(statuses) + len(provider.received) >= 12 and not world.gateway.open_settlements)
        async with world.database.as_mandate(world.mandate_id) as connection:
            held = await connection.fetchval("SELECT sum(amount_nanos) FROM hold WHERE state = 'PENDING'")
        going_on.set()
        assert (held or 0) <= 1_200_000
    assert 429 in statuses
    assert set(statuses) <= {200, 429}
    await world.balance()
