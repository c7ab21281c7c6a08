"""The upstream client: what it sends, how it reads bodies, which connections it keeps."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.gateway.upstream_http import Target, UpstreamAnswer, UpstreamClient, UpstreamFault
from tests.gateway.byte_upstream import JSON, STREAM_HEAD, answering, fetch, read_request, upstream


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


async def test_sends_only_what_it_was_told_and_keeps_no_cookie() -> None:
    heads: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append((await read_request(reader))[0])
            writer.write(b"HTTP/1.1 200 OK\r\nset-cookie: a=b; path=/\r\ncontent-length: 2\r\n\r\n{}")

    async with upstream(handle) as (served, client):
        await fetch(client, served.target)
        await fetch(client, served.target)
    for head in heads:
        names = {line.partition(b":")[0] for line in head.split(b"\r\n")[1:] if line}
        assert names == {b"host", b"accept-encoding", b"content-length"}


async def test_a_redirect_is_an_answer() -> None:
    answer = b"HTTP/1.1 307 Elsewhere\r\nlocation: /other\r\ncontent-length: 2\r\n\r\n{}"
    async with upstream(answering(answer)) as (served, client):
        assert await fetch(client, served.target) == (307, b"{}")


async def test_forward_proxies_of_the_environment_are_used_but_not_for_this_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        lines = (await read_request(reader))[0].split(b"\r\n")
        seen.extend(line for line in lines if line.startswith((b"POST", b"proxy-")))
        writer.write(JSON)

    async with upstream(handle) as (served, client):
        monkeypatch.setenv("http_proxy", f"http://u:p@127.0.0.1:{served.target.origin.port}")
        monkeypatch.setenv("no_proxy", "direct.invalid")
        assert await fetch(client, Target.parse("http://provider.invalid/v1/x")) == (200, b"{}")
        assert await fetch(client, served.target) == (200, b"{}")
        with pytest.raises(UpstreamFault):
            await fetch(client, Target.parse("http://direct.invalid/v1/x"))
    assert seen == [
        b"POST http://provider.invalid/v1/x HTTP/1.1",
        b"proxy-authorization: Basic dTpw",
        b"POST /v1/x?a=b HTTP/1.1",
    ]


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
    async with upstream(answering(JSON)) as (served, client):
        with pytest.raises(ValueError, match="header"):
            await client.send(served.target, [(b"x", value)], b"hi")


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
