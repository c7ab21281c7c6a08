"""The same random streams over real connections: cut by a real upstream, read by clients that leave at any moment,
several at once. What arrived is what was sent, what was charged is what was used, and no hold is left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from random import Random

import pytest

from bursar.foundation.database import Database
from bursar.ledger.verify import verify
from bursar.pricing.tokens import count_tokens
from tests.gateway.fuzzing import Made, cut, make
from tests.gateway.scripted import Script, ScriptedUpstream, scripted_upstream
from tests.gateway.test_meter import PRICED
from tests.gateway.world import World, open_world, upstream


@dataclass
class Wire:
    world: World
    provider: ScriptedUpstream


@pytest.fixture
async def wire(database: Database) -> AsyncIterator[Wire]:
    async with scripted_upstream() as provider:
        both = [upstream(provider.url, "gpt-*"), upstream(provider.url, "gpt-*", name="other", dialect="anthropic")]
        async with open_world(database, both) as world:
            await world.top_up("1000.00")
            yield Wire(world, provider)


def sending(made: Made, random: Random) -> Script:
    pieces = cut(random, made.stream)
    breaks_after = random.randrange(len(pieces) + 1) if random.random() < 0.1 else None
    flushes = frozenset(random.sample(range(len(pieces) + 1), k=min(len(pieces), 4)))

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for place, piece in enumerate(pieces):
            if place == breaks_after:
                writer.transport.abort()
                return
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if place in flushes:
                await writer.drain()
                await asyncio.sleep(0)
        writer.write(b"0\r\n\r\n")

    return write


async def ask(world: World, made: Made, leaves_after: int | None) -> bytes | None:
    """The body of the answer, without its chunks' frames; `None` where the client has left before its end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(world.url.rpartition(":")[2]))
    body = made.tongue.body
    head = f"POST {made.tongue.dialect.route} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {world.user_key}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    try:
        if leaves_after is not None:
            await reader.read(leaves_after)
            return None
        await reader.readuntil(b"\r\n\r\n")
        got = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            got += (await reader.readexactly(size + 2))[:-2]
        return got
    finally:
        writer.transport.abort()


async def fuzz(wire: Wire, seed: str, rounds: int) -> None:
    world, provider = wire.world, wire.provider
    for number in range(rounds):
        random = Random(f"{seed}/{number}")
        made = [one for one in (make(random) for _ in range(3)) if one.stream]
        scripts = {one.tongue.dialect.upstream_path: sending(one, random) for one in made}
        made = list({one.tongue.dialect.upstream_path: one for one in made}.values())

        async def by_path(writer: asyncio.StreamWriter, scripts: dict[str, Script] = scripts) -> None:
            path = provider.by_writer[writer]
            await scripts[path.removeprefix("/v1")](writer)

        provider.script = by_path
        leaving = [random.randrange(1, 3_000) if random.random() < 0.4 else None for _ in made]
        got = await asyncio.gather(*(ask(world, one, after) for one, after in zip(made, leaving, strict=True)))
        await world.settled()
        assert await world.open_holds() == 0, f"seed {seed}/{number}"
        for one, arrived in zip(made, got, strict=True):
            if arrived is not None and b"upstream_unavailable" not in arrived and not one.garbled:
                assert arrived == one.stream, f"seed {seed}/{number}"


async def test_streams_over_real_connections(wire: Wire) -> None:
    await fuzz(wire, "wire", 40)
    await check_books(wire.world)


@pytest.mark.simulate
async def test_thousands_of_streams_over_real_connections(wire: Wire) -> None:
    await fuzz(wire, "long wire", 5_000)
    await check_books(wire.world)


async def check_books(world: World) -> None:
    charges = await world.charges()
    assert charges
    assert {charge["cost_source"] for charge in charges} >= {"PROVIDER_USAGE", "ESTIMATED"}
    assert await verify(world.database.ledger_pool, world.mandate_id) == []
    await world.balance()


async def test_a_client_may_leave_after_any_byte_and_the_answer_is_charged(wire: Wire) -> None:
    """Before the head, within it, in any event: the upstream is read to its end, and its usage is charged."""
    world, provider = wire.world, wire.provider
    made = next(one for n in range(1_000) if (one := make(Random(n))).reports and not one.garbled and one.texts[3:])
    output = count_tokens("".join(made.texts), PRICED.facts.family)
    places = [1, 2, 50, 150, 200, 250, 300, 400, len(made.stream)]
    for place in places:
        provider.script = sending(Made(made.tongue, made.stream, made.ends, made.texts, True, False), Random("whole 7"))
        await ask(world, made, place)
        await world.settled()
    charges = await world.charges()
    assert len(charges) == len(places)
    assert {charge["cost_source"] for charge in charges} <= {"DRAINED", "PROVIDER_USAGE"}
    assert {charge["output_tokens"] for charge in charges} == {output}
    await world.balance()
