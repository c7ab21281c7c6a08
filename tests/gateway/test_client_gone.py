"""A client that leaves, reads slowly, or never ends its request: what is charged, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import socket

from bursar.foundation.database import Database
from tests.gateway.scripted import DONE, USAGE, answer, chat_body, chunk, scripted_upstream, stream
from tests.gateway.world import (
    OUTPUT_NANOS,
    ScriptedWorld,
    World,
    application,
    eventually,
    open_world,
    served,
    upstream,
)

SLOW = "hi [[tokens=200 chunk_delay_ms=2 chunk_tokens=10]]"


async def test_drained_by_default(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat(SLOW, stream=True) as response:
        await response.content.readany()
        response.close()
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("DRAINED", 200)
    assert [record.outcome for record in world.records] == ["drained"]
    await world.balance()


async def test_stopped_at_once_where_the_mandate_wishes_it(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    await world.change_settings(client_gone="STOP")
    never = asyncio.Event()
    provider.script = stream(chunk("Hi there"), USAGE + DONE, until=never)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        await response.content.readany()
        response.close()
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("ESTIMATED", 2)
    await eventually(lambda: provider.cut == 1)
    assert world.alerts == []


async def test_stopped_before_the_first_byte(scripted: ScriptedWorld) -> None:
    """The upstream thinks; the client goes. Its input has gone upstream and is charged."""
    world, provider = scripted
    await world.change_settings(client_gone="STOP")

    async def think(writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    provider.script = think
    async with world.session as session:
        body = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]}
        call = asyncio.create_task(
            session.post(
                f"{world.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {world.user_key}"}
            )
        )
        await eventually(lambda: bool(provider.received))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("ESTIMATED", 0)
    await eventually(lambda: provider.cut == 1)


async def test_a_whole_answer_is_drained_too(world: World) -> None:
    await world.top_up("1.00")
    call = asyncio.create_task(world.openai().chat.completions.create(
        model="demo-1", messages=[{"role": "user", "content": "hi [[tokens=30 delay_ms=200]]"}]
    ))  # fmt: skip
    await eventually(lambda: len(world.ledger.liveness) == 1)
    call.cancel()
    await asyncio.gather(call, return_exceptions=True)
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("DRAINED", 30)


async def test_nothing_more_is_set_aside_for_a_client_that_has_gone(world: World) -> None:
    await world.top_up("1.00")
    async with world.chat("hi [[tokens=20000 chunk_tokens=100 chunk_delay_ms=1]]", stream=True) as response:
        await response.content.readany()
        response.close()
    charge = await world.only_charge()
    assert charge["cost_source"] == "ESTIMATED"
    assert charge["amount_nanos"] <= 4_096 * OUTPUT_NANOS + 1_000_000


async def test_a_client_that_reads_nothing_counts_as_gone(database: Database) -> None:
    big = chunk("word " * 2_000)
    async with scripted_upstream() as provider:
        provider.script = stream(*[big] * 2_000, USAGE + DONE)
        world_of = open_world(
            database,
            [upstream(provider.url, "gpt-*")],
            wire={"client_stall_seconds": 0.3},
        )
        async with world_of as world:
            await world.top_up("1000.00")
            body = b'{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}'
            with socket.socket() as lazy:
                lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                lazy.setblocking(False)
                loop = asyncio.get_running_loop()
                await loop.sock_connect(lazy, ("127.0.0.1", int(world.url.rpartition(":")[2])))
                head = (
                    f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {world.user_key}\r\n"
                    f"content-length: {len(body)}\r\n\r\n"
                )
                await loop.sock_sendall(lazy, head.encode() + body)
                await eventually(lambda: world.gateway.live_calls == 1)
                charge = await world.only_charge()
            assert charge["cost_source"] in ("DRAINED", "ESTIMATED")
            await world.balance()


async def test_a_request_that_never_ends_holds_nothing(world: World) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {world.user_key}\r\n"
    writer.write(f"{head}content-length: 1000\r\n\r\n{{".encode())
    await writer.drain()
    await asyncio.sleep(0.05)
    assert await world.open_holds() == 0
    writer.close()
    await world.settled()
    assert await world.charges() == []
    assert await reader.read() == b""


async def test_a_hundred_idle_streams_cost_nothing_but_their_holds(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    await world.top_up("100.00")
    go_on = asyncio.Event()
    provider.script = stream(chunk("Hi"), USAGE + DONE, until=go_on)

    async def one() -> bytes:
        async with world.chat(model="gpt-4o-mini", stream=True, max_tokens=50) as response:
            first = await response.content.readuntil(b"\n\n")
            started.append(first)
            return await response.read()

    started: list[bytes] = []
    calls = [asyncio.create_task(one()) for _ in range(100)]
    await eventually(lambda: len(started) == 100)
    assert world.gateway.live_calls == 100
    assert len(world.ledger.liveness) == 100
    go_on.set()
    assert set(await asyncio.gather(*calls)) == {DONE}
    assert len(await world.charges()) == 100
    assert len(world.ledger.liveness) == 0


async def test_the_settlement_waits_for_the_ledger(scripted: ScriptedWorld, database: Database) -> None:
    """The answer is there before the settlement, and the settlement comes however often the ledger fails."""
    world, provider = scripted
    provider.script = answer(chat_body())
    world.ledger_fails_for_settles(3)
    async with world.chat(model="gpt-4o-mini") as response:
        assert response.status == 200
    assert await world.open_holds() == 1
    charge = await world.only_charge()
    assert charge["cost_source"] == "PROVIDER_USAGE"
    assert await world.open_holds() == 0


async def test_closing_waits_for_live_calls_and_their_settlements(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    go_on = asyncio.Event()
    provider.script = stream(chunk("Hi"), USAGE + DONE, until=go_on)
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        await response.content.readuntil(b"\n\n")
        closing = asyncio.create_task(world.gateway.aclose(5))
        await asyncio.sleep(0.05)
        assert not closing.done()
        go_on.set()
        assert await response.read() == DONE
        await closing
    assert await world.open_holds() == 0
    assert (await world.only_charge())["cost_source"] == "PROVIDER_USAGE"


async def test_closing_cuts_what_does_not_end_and_charges_what_came(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    provider.script = stream(chunk("Hi there"), USAGE + DONE, until=asyncio.Event())
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        await response.content.readuntil(b"\n\n")
        await world.gateway.aclose(0.1, settle_seconds=60)
    assert await world.open_holds() == 0
    charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("ESTIMATED", 2)


async def test_a_hold_that_cannot_be_kept_stops_its_upstream(scripted: ScriptedWorld) -> None:
    world, provider = scripted
    provider.script = stream(chunk("Hi there"), USAGE + DONE, until=asyncio.Event())
    async with world.chat(model="gpt-4o-mini", stream=True) as response:
        await response.content.readuntil(b"\n\n")
        for call in list(world.ledger.liveness._calls.values()):
            world.ledger.liveness._lose(call, "test")
        assert b'"code":"ledger_unavailable"' in await response.read()
    await eventually(lambda: provider.cut == 1)
    assert (await world.only_charge())["cost_source"] == "ESTIMATED"


async def test_noticed_behind_any_asgi_server(world: World) -> None:
    """One that does not offer its connection: a task waits for the end."""
    await world.top_up("1.00")
    async with served(application(world.gateway), "httptools") as url:
        body = {"model": "demo-1", "stream": True, "messages": [{"role": "user", "content": SLOW}]}
        headers = {"authorization": f"Bearer {world.user_key}"}
        async with world.session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
            await response.content.readany()
            response.close()
        charge = await world.only_charge()
    assert (charge["cost_source"], charge["output_tokens"]) == ("DRAINED", 200)
