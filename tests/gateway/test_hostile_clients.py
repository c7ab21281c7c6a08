"""Clients that are slow, endless, or many: each is cut off or served, and none leaves a hold behind."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator

import pytest

from bursar.gateway.impatience import MAX_HEAD_BYTES, ImpatientProtocol
from tests.gateway.scripted import DONE, USAGE, chunk, stream
from tests.gateway.world import ScriptedWorld, World, application, eventually, served

HEAD = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nauthorization: Bearer %b\r\ncontent-type: application/json\r\n"
)


@pytest.fixture
async def port(world: World, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """The gateway behind a server with little patience."""
    monkeypatch.setattr(ImpatientProtocol, "patience_seconds", 0.3)
    await world.top_up("1.00")
    async with served(application(world.gateway), ImpatientProtocol) as url:
        yield int(url.rpartition(":")[2])


async def talk(port: int, *pieces: bytes, again: bytes = b"") -> bytes:
    """Say these, then `again` for ever; what was answered until the server hung up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def say() -> None:
        try:
            for piece in pieces:
                writer.write(piece)
            while again:
                await asyncio.sleep(0.01)
                writer.write(again)
                await writer.drain()
        except ConnectionError:
            pass

    saying = asyncio.create_task(say())
    got = bytearray()
    try:
        async with asyncio.timeout(60):
            while piece := await reader.read(65_536):
                got += piece
    except ConnectionError:
        pass
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        writer.close()
    return bytes(got)


SLOW = {
    # what is said first                          and again and again    the answer
    "nothing at all": (b"", b"", b"HTTP/1.1 408"),
    "half a head": (b"POST /v1/chat/comp", b"", b"HTTP/1.1 408"),
    "a head that never ends": (HEAD, b"x-more: 1\r\n", b"HTTP/1.1 408"),
    "no body": (HEAD + b"content-length: 100\r\n\r\n", b"", b"HTTP/1.1 408"),
    "a body drop by drop": (HEAD + b"content-length: 100000\r\n\r\n{", b" ", b"HTTP/1.1 408"),
    "a head of any size": (HEAD, b"x-more: " + b"1" * MAX_HEAD_BYTES, b"HTTP/1.1 431"),
    "a giant body, announced": (HEAD + b"content-length: 9000000000\r\n\r\n", b" " * 65_536, b"HTTP/1.1 413"),
    "a giant body, in chunks": (
        HEAD + b"transfer-encoding: chunked\r\n\r\n",
        b"80000\r\n" + b" " * 0x80000 + b"\r\n",
        b"HTTP/1.1 413",
    ),
}


@pytest.mark.parametrize("name", SLOW)
async def test_who_is_too_slow_or_too_large_is_cut_off(world: World, port: int, name: str) -> None:
    first, again, answer = SLOW[name]
    first = first.replace(b"%b", world.user_key.encode())
    got = await talk(port, first, again=again)
    assert got[: len(answer)] in (answer, b"")  # Who goes on talking may find the connection reset before the answer.
    if not again or b"408" in answer:
        assert got.startswith(answer)
    await eventually(lambda: not world.gateway.live_calls)
    assert await world.open_holds() == 0
    assert await world.balance() == 1_000_000_000


async def test_a_request_in_two_pieces_and_the_next_on_the_same_connection_are_served(world: World, port: int) -> None:
    body = json.dumps({"model": "demo-1", "messages": [{"role": "user", "content": "hi"}]}).encode()
    head = HEAD.replace(b"%b", world.user_key.encode()) + b"content-length: %d\r\n\r\n" % len(body)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(2):
        writer.write(head + body[:10])
        await asyncio.sleep(0.02)
        writer.write(body[10:])
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert answer.startswith(b"http/1.1 200")
        length = next(int(line[15:]) for line in answer.split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(length)
    writer.close()
    assert len(await world.charges()) == 2


@pytest.mark.parametrize("many", [300, pytest.param(1000, marks=pytest.mark.simulate)])
async def test_many_idle_streams_are_kept_and_leave_nothing_behind(scripted: ScriptedWorld, many: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8 * many + 1000)), hard))
    world, provider = scripted
    await world.change_settings(client_gone="STOP")
    provider.script = stream(chunk("Hi"), USAGE + DONE, until=asyncio.Event())
    body = json.dumps(
        {"model": "gpt-4o-mini", "stream": True, "messages": [{"role": "user", "content": "hi"}]}
    ).encode()
    head = HEAD.replace(b"%b", world.user_key.encode()) + b"content-length: %d\r\n\r\n" % len(body)
    port = int(world.url.rpartition(":")[2])
    few = asyncio.Semaphore(50)

    async def begin() -> asyncio.StreamWriter:
        async with few:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head + body)
            await reader.readuntil(b"\n\n")
            return writer

    writers = await asyncio.gather(*(begin() for _ in range(many)))
    assert world.gateway.live_calls == many
    assert await world.open_holds() == many
    for writer in writers:
        writer.transport.abort()
    await world.settled()
    assert await world.open_holds() == 0
    assert len(await world.charges()) == many
    await world.balance()
