"""The floor: a reverse proxy whose server, too, stands straight on a uvloop protocol and httptools' parser.

Not a server for the open internet (no time-outs, no limits, no pipelining): it shows what is left to gain by
writing the server oneself, beside the kept ones in `bench.stack.proxies`.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any, cast

import httptools

from bench.stack.own_client import OwnClient, OwnTarget

TARGET = OwnTarget.parse(os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:9100") + "/v1/chat/completions")
FORWARDED = [(b"content-type", b"application/json"), (b"authorization", b"Bearer sk-bench")]
CLIENT = OwnClient()
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
JSON_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"


class FrontConnection(asyncio.Protocol):
    """One client connection; a task per request."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.body: list[bytes] = []
        self.task: asyncio.Task[Any] | None = None
        self.writable = asyncio.Event()
        self.writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        if self.task is not None:
            self.task.cancel()

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        body = b"".join(self.body)
        self.body.clear()
        self.task = asyncio.get_running_loop().create_task(self.answer(body))

    async def answer(self, body: bytes) -> None:
        upstream = await CLIENT.send(TARGET, FORWARDED, body)
        try:
            if not upstream.content_type.startswith(b"text/event-stream"):
                data = await upstream.read()
                self.transport.write(JSON_HEAD % len(data) + data)
                return
            head = STREAM_HEAD
            while chunk := await upstream.next_chunk():
                self.transport.write(head + b"%x\r\n%b\r\n" % (len(chunk), chunk))
                head = b""
                await self.writable.wait()
            self.transport.write(b"0\r\n\r\n")
        finally:
            upstream.close()


async def serve_raw(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(FrontConnection, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()
