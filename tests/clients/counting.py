"""A wire with a counter: passes bytes between clients and the server, and notes each request that goes by."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import httptools


class _Requests:
    """Reads one connection's requests as a server would; notes (key, path) of each."""

    def __init__(self, seen: list[tuple[str, str]]) -> None:
        self.seen = seen
        self.path = self.key = ""
        self.parser = httptools.HttpRequestParser(self)

    def on_url(self, url: bytes) -> None:
        self.path = url.decode()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() in (b"authorization", b"x-api-key"):
            self.key = value.decode().removeprefix("Bearer ")

    def on_headers_complete(self) -> None:
        self.seen.append((self.key, self.path))


class CountingWire:
    """Listens on a free port of 127.0.0.1 and passes everything on to `upstream_url`."""

    def __init__(self, upstream_url: str) -> None:
        self.upstream = urlsplit(upstream_url)
        self.seen: list[tuple[str, str]] = []
        self.url = ""
        self.connections: set[asyncio.Task[None]] = set()

    def paths(self, key: str) -> list[str]:
        """What was asked for with this key, in order."""
        return [path for sent_key, path in list(self.seen) if sent_key == key]

    async def serve(self) -> asyncio.Server:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests = _Requests(self.seen)
        onward_reader, onward_writer = await asyncio.open_connection(self.upstream.hostname, self.upstream.port)
        try:
            await asyncio.gather(
                _pass(reader, onward_writer, requests.parser), _pass(onward_reader, writer), return_exceptions=True
            )
        finally:
            onward_writer.close()
            writer.close()


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parser: httptools.HttpRequestParser | None = None
) -> None:
    while data := await reader.read(65_536):
        if parser is not None:
            parser.feed_data(data)
        writer.write(data)
        await writer.drain()
    if writer.can_write_eof():
        writer.write_eof()


@contextlib.contextmanager
def counting_wire(upstream_url: str) -> Iterator[CountingWire]:
    """In a thread of its own, so that it serves tests of any kind, and one process's as well as another's."""
    wire = CountingWire(upstream_url)
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(wire.serve())
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield wire
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        with contextlib.suppress(RuntimeError):
            for task in asyncio.all_tasks(loop):
                task.cancel()
            loop.run_until_complete(asyncio.sleep(0))
        loop.close()
