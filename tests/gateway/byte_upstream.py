"""A server that answers byte by byte as told, for tests of the upstream client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from bursar.gateway.upstream_http import Target, UpstreamClient

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
    start, _, rest = (await reader.readuntil(b"\r\n\r\n")).partition(b"\r\n")
    names = [line.partition(b":") for line in rest.split(b"\r\n")]
    head = b"\r\n".join([start, *(name.lower() + colon + value for name, colon, value in names)])
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
