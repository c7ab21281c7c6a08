"""A cap through every dialect, before a call and in the middle of a stream; and a hold that outlives a long silence."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bursar.foundation.database import Database
from bursar.ledger.model import LimitScope, LimitSet, Period
from tests.gateway.scripted import DONE, USAGE, chunk, scripted_upstream
from tests.gateway.world import World, eventually, open_world, upstream

LONG = "hello [[tokens=5000 chunk_tokens=20]]"
ROUTES: dict[str, tuple[str, dict[str, Any]]] = {
    "chat completions": ("/v1/chat/completions", {"messages": [{"role": "user", "content": LONG}]}),
    "responses": ("/v1/responses", {"input": LONG}),
    "messages": ("/v1/messages", {"messages": [{"role": "user", "content": LONG}], "max_tokens": 20_000}),
    "embeddings": ("/v1/embeddings", {"input": LONG}),
}
STREAMING = [name for name in ROUTES if name != "embeddings"]


@pytest.fixture
async def both(database: Database, demo_url: str) -> AsyncIterator[World]:
    """With upstreams of either kind."""
    upstreams = [upstream(demo_url), upstream(demo_url, name="other", dialect="anthropic")]
    async with open_world(database, upstreams) as world:
        await world.top_up("10.00")
        yield world


async def cap(world: World, nanos: int, scope: LimitScope = "user", period: Period = "month") -> None:
    scope_id = {"user": str(world.user_id), "model": "demo-1", "mandate": str(world.mandate_id)}[scope]
    outcome = await world.ledger.create_limit(
        world.mandate_id, scope=scope, scope_id=scope_id, period=period, amount_nanos=nanos
    )
    assert isinstance(outcome, LimitSet), outcome


async def call(world: World, route: str, *, stream: bool, key: str | None = None) -> tuple[int, Any, bytes]:
    path, fields = ROUTES[route]
    body = {"model": "demo-1", **fields, **({"stream": True} if stream else {})}
    headers = {"authorization": f"Bearer {key or world.user_key}", "accept-language": "en"}
    async with world.session.post(world.url + path, json=body, headers=headers) as response:
        return response.status, response.headers, await response.read()


@pytest.mark.parametrize("route", ROUTES)
async def test_a_cap_says_which_how_much_when_it_resets_and_who_can_change_it(both: World, route: str) -> None:
    await cap(both, 10)
    status, headers, body = await call(both, route, stream=False)
    assert (status, headers["x-should-retry"]) == (402, "false")
    assert "retry-after" not in headers
    billing = json.loads(body)["error"]["billing"]
    assert (billing["reason"], billing["userAction"]) == ("LIMIT_REACHED", "CONTACT_MANDATE_ADMIN")
    limit = billing["limit"]  # Its amount is for those who may see the pool.
    assert (limit["scope"], limit["period"], limit.get("amount")) == ("user", "month", None)
    assert limit["resetsAt"].endswith("Z")
    assert billing["messageEn"] in json.loads(body)["error"]["message"]
    assert await both.charges() == []
    # Somebody else's calls are none of its business.
    assert (await call(both, route, stream=False, key=both.owner_key))[0] == 200
    assert await both.balance() < 10_000_000_000


@pytest.mark.parametrize("scope", ["mandate", "model"])
async def test_a_cap_for_all_tells_its_amount_to_those_who_may_see_it(both: World, scope: LimitScope) -> None:
    await cap(both, 10, scope, "day")
    for key, amount in ((both.user_key, None), (both.owner_key, "0.000000010")):
        status, _, body = await call(both, "chat completions", stream=False, key=key)
        billing = json.loads(body)["error"]["billing"]
        assert (status, billing["limit"]["scope"], billing["limit"].get("amount")) == (402, scope, amount)


@pytest.mark.parametrize("route", STREAMING)
async def test_a_cap_that_is_reached_in_the_middle_stops_the_stream(both: World, route: str) -> None:
    nanos = 12_000_000
    await cap(both, nanos)
    status, _, body = await call(both, route, stream=True)
    assert status == 200
    assert b'"LIMIT_REACHED"' in body
    charge = await both.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    assert nanos * 0.8 < charge["amount_nanos"] <= nanos
    assert await both.balance() == 10_000_000_000 - charge["amount_nanos"]


async def test_a_model_that_says_nothing_for_longer_than_a_hold_lives_keeps_it(database: Database) -> None:
    """As one that thinks for minutes: the hold is renewed while the call lives, and its usage is charged as usual."""
    said_enough = asyncio.Event()

    async def think(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        await said_enough.wait()
        for piece in (chunk("Hi"), USAGE, DONE):
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        writer.write(b"0\r\n\r\n")

    async with scripted_upstream() as provider:
        settings = upstream(provider.url, "gpt-*", timeout_seconds=60)
        async with open_world(database, [settings], configure={"hold_ttl_seconds": 3}) as world:
            await world.top_up("1.00")
            provider.script = think
            lived = "SELECT coalesce(max(extract(epoch FROM expires_at - created_at)), 0)::float8 FROM hold"
            async with world.chat(model="gpt-4o-mini", stream=True) as response:
                async with asyncio.timeout(60):
                    while True:
                        async with database.as_mandate(world.mandate_id) as connection:
                            if await connection.fetchval(lived) > 3 * 3:
                                break
                        await asyncio.sleep(0.1)
                assert await world.open_holds() == 1
                said_enough.set()
                assert (await response.read()).endswith(DONE)
            await eventually(lambda: not world.gateway.live_calls)
            assert (await world.only_charge())["cost_source"] == "PROVIDER_USAGE"
            assert await world.open_holds() == 0
