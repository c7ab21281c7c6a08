"""The upstream client when an upstream breaks off, is silent, or is to be stopped."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from bursar.gateway.upstream_http import FaultReason, FaultStage, Target, UpstreamClient, UpstreamFault
from tests.gateway.byte_upstream import JSON, STREAM_HEAD, answering, fetch, read_request, upstream


@pytest.mark.parametrize(
    ("answer", "stage", "reason"),
    [
        (b"", FaultStage.HEAD, FaultReason.RESET),
        (b"HTTP/1.1 200 OK\r\n", FaultStage.HEAD, FaultReason.RESET),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc", FaultStage.BODY, FaultReason.RESET),
        (STREAM_HEAD + b"3\r\nabc\r\n", FaultStage.BODY, FaultReason.RESET),
        (b"SSH-2.0-OpenSSH\r\n\r\n", FaultStage.HEAD, FaultReason.PROTOCOL),
        (b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n", FaultStage.HEAD, FaultReason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nx: " + b"a" * 100_000, FaultStage.HEAD, FaultReason.TOO_LARGE),
    ],
    ids=["nothing", "half-head", "short", "half-stream", "not-http", "upgrade", "endless-head"],
)
async def test_a_broken_answer_is_a_fault(answer: bytes, stage: FaultStage, reason: FaultReason) -> None:
    async with upstream(answering(answer, then_close=True)) as (served, client):
        with pytest.raises(UpstreamFault) as caught:
            await fetch(client, served.target)
        assert (caught.value.stage, caught.value.reason, caught.value.sent) == (stage, reason, True)


async def test_a_body_that_cannot_be_parsed_ends_with_a_fault_and_not_in_silence() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(STREAM_HEAD + b"3\r\nabc\r\n")
        await asyncio.sleep(0.02)
        writer.write(b"zz\r\n")
        await reader.read()

    async with upstream(handle) as (served, client):
        answer = await client.send(served.target, (), b"")
        assert await answer.next_chunk() == b"abc"
        with pytest.raises(UpstreamFault) as caught:
            await asyncio.wait_for(answer.next_chunk(), 5)
        answer.close()
        assert (caught.value.stage, caught.value.reason) == (FaultStage.BODY, FaultReason.PROTOCOL)


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
    await client.aclose()


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


@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_nothing_is_sent_twice(method: bytes) -> None:
    requests = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal requests
        await read_request(reader)
        requests += 1
        writer.write(JSON)
        await read_request(reader)
        requests += 1

    async with upstream(handle) as (served, client):
        await fetch(client, served.target)
        with pytest.raises(UpstreamFault) as caught:
            await client.send(served.target, (), b"hi", method=method)
        assert (caught.value.stage, caught.value.reason) == (FaultStage.HEAD, FaultReason.RESET)
        assert (caught.value.reused, requests, served.connections) == (True, 2, 1)


async def test_an_upstream_that_does_not_read_is_silent_too() -> None:
    cut = asyncio.Event()
    arrived = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        await asyncio.sleep(0.6)
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(1 << 20):
                arrived += len(part)
        cut.set()

    async with upstream(handle) as (served, _):
        client = UpstreamClient(connect_timeout_seconds=0.2)
        with pytest.raises(UpstreamFault) as caught:
            await client.send(served.target, (), b"x" * 50_000_000, timeout_seconds=0.2)
        await client.aclose()
        assert (caught.value.stage, caught.value.reason) == (FaultStage.HEAD, FaultReason.TIMEOUT)
        await asyncio.wait_for(cut.wait(), 5)
        assert arrived < 50_000_000


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
