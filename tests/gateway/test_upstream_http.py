"""The upstream client against servers that answer byte by byte as told."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.gateway.upstream_http import (
    FaultReason,
    FaultStage,
    Target,
    UpstreamAnswer,
    UpstreamClient,
    UpstreamFault,
)

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
JSON = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


class Upstream:
    """A server on 127.0.0.1 that counts connections and keeps what it read."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.connections = 0
        self.target = Target.parse("http://127.0.0.1:1/v1/x")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await self.handler(reader, writer)
        writer.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
    return head, await reader.readexactly(length)


@contextlib.asynccontextmanager
async def upstream(handler: Handler) -> AsyncIterator[tuple[Upstream, UpstreamClient]]:
    served = Upstream(handler)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.target = Target.parse(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1/x?a=b")
    client = UpstreamClient(connect_timeout_seconds=2)
    try:
        yield served, client
    finally:
        await client.aclose()
        server.close()


def answering(*answers: bytes, then_close: bool = False) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()
        if not then_close:
            await reader.read()

    return handle


async def fetch(client: UpstreamClient, target: Target, timeout_seconds: float = 5) -> tuple[int, bytes]:
    answer = await client.send(target, (), b"hi", timeout_seconds=timeout_seconds)
    try:
        return answer.status, await answer.read()
    finally:
        answer.close()


async def test_sends_the_request_as_given() -> None:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.extend(await read_request(reader))
        writer.write(JSON)

    async with upstream(handle) as (served, client):
        answer = await client.send(served.target, [(b"authorization", b"Bearer k")], b"body")
        assert (answer.status, answer.content_type, await answer.read()) == (200, b"application/json", b"{}")
        answer.close()
    head = seen[0].split(b"\r\n")
    assert head[0] == b"POST /v1/x?a=b HTTP/1.1"
    assert b"authorization: Bearer k" in head
    assert b"accept-encoding: identity" in head
    assert f"host: 127.0.0.1:{served.target.origin.port}".encode() in head
    assert seen[1] == b"body"


async def test_keeps_the_connection_after_a_whole_answer() -> None:
    async with upstream(answering(JSON, JSON, JSON)) as (served, client):
        for _ in range(3):
            assert await fetch(client, served.target) == (200, b"{}")
        assert served.connections == 1


@pytest.mark.parametrize(
    ("answer", "body"),
    [
        (STREAM_HEAD + b"3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n", b"abcdefg"),
        (STREAM_HEAD + b"3\r\nabc\r\n0\r\ntrailer: content-type\r\n\r\n", b"abc"),
        (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + JSON, b"{}"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + JSON, b"{}"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b""),
        (b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ],
    ids=["chunked", "trailer", "early-hints", "continue", "empty", "no-content"],
)
async def test_reads_bodies_of_every_framing_and_reuses_the_connection(answer: bytes, body: bytes) -> None:
    async with upstream(answering(answer, answer)) as (served, client):
        assert (await fetch(client, served.target))[1] == body
        assert (await fetch(client, served.target))[1] == body
        assert served.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\n{}",
    ],
    ids=["connection-close", "until-close", "http-1.0"],
)
async def test_does_not_reuse_what_closes(answer: bytes) -> None:
    async with upstream(answering(answer, then_close=True)) as (served, client):
        assert await fetch(client, served.target) == (200, b"{}")
        assert await fetch(client, served.target) == (200, b"{}")
        assert served.connections == 2


async def test_an_answer_too_many_spoils_the_connection() -> None:
    async with upstream(answering(JSON + b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong")) as (served, client):
        assert await fetch(client, served.target) == (200, b"{}")
        assert await fetch(client, served.target) == (200, b"{}")
        assert served.connections == 2


async def test_bytes_nobody_asked_for_close_an_idle_connection() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(JSON)
        await asyncio.sleep(0.05)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nwrong")
        await reader.read()

    async with upstream(handle) as (served, client):
        assert await fetch(client, served.target) == (200, b"{}")
        await asyncio.sleep(0.15)
        assert await fetch(client, served.target) == (200, b"{}")
        assert served.connections == 2


@pytest.mark.parametrize(
    ("answer", "stage", "reason"),
    [
        (b"", FaultStage.HEAD, FaultReason.RESET),
        (b"HTTP/1.1 200 OK\r\n", FaultStage.HEAD, FaultReason.RESET),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", FaultStage.BODY, FaultReason.RESET),
        (STREAM_HEAD + b"3\r\nabc\r\n", FaultStage.BODY, FaultReason.RESET),
        (STREAM_HEAD + b"3\r\nabc\r\nzz\r\n", FaultStage.BODY, FaultReason.PROTOCOL),
        (b"SSH-2.0-OpenSSH\r\n\r\n", FaultStage.HEAD, FaultReason.PROTOCOL),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", FaultStage.HEAD, FaultReason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000, FaultStage.HEAD, FaultReason.TOO_LARGE),
    ],
    ids=["nothing", "half-head", "short", "half-stream", "bad-chunk", "not-http", "upgrade", "endless-head"],
)
async def test_a_broken_answer_is_a_fault(answer: bytes, stage: FaultStage, reason: FaultReason) -> None:
    async with upstream(answering(answer, then_close=True)) as (served, client):
        with pytest.raises(UpstreamFault) as caught:
            await fetch(client, served.target)
        assert (caught.value.stage, caught.value.reason, caught.value.sent) == (stage, reason, True)


async def test_what_arrived_before_a_break_is_delivered_first() -> None:
    async with upstream(answering(STREAM_HEAD + b"3\r\nabc\r\n", then_close=True)) as (served, client):
        answer = await client.send(served.target, (), b"")
        assert await answer.next_chunk() == b"abc"
        with pytest.raises(UpstreamFault):
            await answer.next_chunk()
        answer.close()


async def test_refused_means_nothing_was_sent() -> None:
    client = UpstreamClient()
    with pytest.raises(UpstreamFault) as caught:
        await client.send(Target.parse("http://127.0.0.1:1/"), (), b"")
    assert (caught.value.stage, caught.value.reason) == (FaultStage.CONNECT, FaultReason.REFUSED)
    assert not caught.value.sent


@pytest.mark.parametrize("answer", [b"", STREAM_HEAD + b"1\r\na\r\n"], ids=["head", "body"])
async def test_silence_is_a_fault(answer: bytes) -> None:
    async with upstream(answering(answer)) as (served, client):
        with pytest.raises(UpstreamFault) as caught:
            await fetch(client, served.target, timeout_seconds=0.1)
        assert caught.value.reason is FaultReason.TIMEOUT


async def test_a_slow_but_living_stream_is_no_silence() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD)
        for _ in range(8):
            await asyncio.sleep(0.05)
            writer.write(b"1\r\na\r\n")
        writer.write(b"0\r\n\r\n")

    async with upstream(handle) as (served, client):
        assert await fetch(client, served.target, timeout_seconds=0.25) == (200, b"a" * 8)


async def test_a_reset_on_a_used_connection_says_so() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(JSON)
        await read_request(reader)

    async with upstream(handle) as (served, client):
        await fetch(client, served.target)
        with pytest.raises(UpstreamFault) as caught:
            await fetch(client, served.target)
        assert caught.value.reused


async def test_a_slow_reader_slows_the_upstream_down() -> None:
    written = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal written
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 40000000\r\n\r\n")
        for _ in range(400):
            writer.write(b"x" * 100_000)
            await writer.drain()
            written += 100_000
        await reader.read()

    async with upstream(handle) as (served, client):
        answer = await client.send(served.target, (), b"", timeout_seconds=0.2)
        before = -1
        while before != written:
            before = written
            await asyncio.sleep(0.3)  # longer than the time-out: our own pause is no silence of theirs
        assert written < 20_000_000
        assert len(await answer.read()) == 40_000_000
        answer.close()


async def test_close_cuts_an_unfinished_answer_and_wakes_its_reader() -> None:
    cut = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        cut.set()

    async with upstream(handle) as (served, client):
        answer = await client.send(served.target, (), b"")
        reading = asyncio.ensure_future(answer.next_chunk())
        await asyncio.sleep(0)
        answer.close()
        answer.close()
        with pytest.raises(UpstreamFault) as caught:
            await reading
        assert caught.value.reason is FaultReason.CLOSED
        await asyncio.wait_for(cut.wait(), 5)


async def test_a_cancelled_send_cuts_the_connection() -> None:
    cut = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        cut.set()

    async with upstream(handle) as (served, client):
        sending = asyncio.ensure_future(client.send(served.target, (), b""))
        await asyncio.sleep(0.05)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(cut.wait(), 5)


async def test_a_body_above_the_limit_is_refused() -> None:
    async with upstream(answering(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 100)) as (served, client):
        answer = await client.send(served.target, (), b"")
        with pytest.raises(UpstreamFault) as caught:
            await answer.read(limit_bytes=99)
        assert caught.value.reason is FaultReason.TOO_LARGE


async def test_many_at_once_each_get_their_own() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await read_request(reader)
            await asyncio.sleep(0)
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async with upstream(handle) as (served, client):

        async def one(number: int) -> bytes:
            answer: UpstreamAnswer = await client.send(served.target, (), b"%d" % number)
            try:
                return await answer.read()
            finally:
                answer.close()

        for _ in range(3):
            assert await asyncio.gather(*map(one, range(50))) == [b"%d" % number for number in range(50)]
        assert served.connections <= 50


async def test_idle_connections_are_closed() -> None:
    closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(JSON)
        await reader.read()
        closed.set()

    async with upstream(handle) as (served, _):
        client = UpstreamClient(idle_timeout_seconds=0.1)
        await fetch(client, served.target)
        await asyncio.wait_for(closed.wait(), 5)
        await client.aclose()


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\nb", b"a\rb", b"a\0b"])
async def test_no_header_smuggles_a_line(value: bytes) -> None:
    with pytest.raises(ValueError, match="line break"):
        Target.parse("http://127.0.0.1/").head(b"POST", [(b"x", value)], 0)


@pytest.mark.parametrize(
    "url", ["ftp://x/", "x", "http://", "http://a b/", "http://u:p@x/", "http://x/\r\nq", "http://ä/"]
)
def test_targets_are_plain_http_urls(url: str) -> None:
    with pytest.raises(ValueError, match="URL"):
        Target.parse(url)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(1, 30), min_size=1, max_size=40))
def test_any_cut_of_the_bytes_gives_the_same_body(pieces: list[bytes], cuts: list[int]) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    wire = STREAM_HEAD + body + b"0\r\n\r\n"

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        rest = wire
        for cut in cuts:
            writer.write(rest[:cut])
            rest = rest[cut:]
            await asyncio.sleep(0)
        writer.write(rest)
        await reader.read()

    async def scenario() -> None:
        async with upstream(handle) as (served, client):
            assert await fetch(client, served.target) == (200, b"".join(pieces))

    asyncio.run(scenario())
