"""An upstream whose every byte a test decides, and that keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    path: str
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


def answer(body: bytes, *, status: str = "200 OK", content_type: str = "application/json", **headers: str) -> Script:
    """A whole answer."""

    async def write(writer: asyncio.StreamWriter) -> None:
        more = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\ncontent-length: {len(body)}\r\n{more}\r\n"
        writer.write(head.encode() + body)

    return write


def stream(*pieces: bytes, pause_seconds: float = 0.0, until: asyncio.Event | None = None) -> Script:
    """An event stream in these pieces; before the last one it waits for `until`."""

    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for place, piece in enumerate(pieces):
            if until is not None and place == len(pieces) - 1:
                await until.wait()
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
            await asyncio.sleep(pause_seconds)
        writer.write(b"0\r\n\r\n")

    return write


def chat_body(content: str = "Hi.", **usage: Any) -> bytes:
    message = {"role": "assistant", "content": content}
    counts = {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12, **usage}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "c", "object": "chat.completion", "choices": [choice], "usage": counts}).encode()


def chunk(content: str | None = None, **fields: Any) -> bytes:
    choices = [] if content is None else [{"index": 0, "delta": {"content": content}, "finish_reason": None}]
    data = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices, **fields}
    return b"data: " + json.dumps(data).encode() + b"\n\n"


DONE = b"data: [DONE]\n\n"
USAGE = chunk(None, usage={"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12})


@dataclass
class ScriptedUpstream:
    url: str = ""
    script: Script = field(default_factory=lambda: answer(chat_body()))
    received: list[Received] = field(default_factory=list)
    by_writer: dict[asyncio.StreamWriter, str] = field(default_factory=dict)
    """The path that was asked for last, by connection: for a script that serves several."""
    cut: int = 0
    """How many connections ended before the script was through."""

    @property
    def last(self) -> Received:
        return self.received[-1]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                exact = dict(line.split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                kept = {name.lower(): value for name, value in exact.items()}
                self.received.append(Received(head[0].split()[1], kept, body))
                self.by_writer[writer] = self.last.path
                watch = asyncio.create_task(reader.read(1))
                work = asyncio.create_task(self.script(writer))
                await asyncio.wait((watch, work), return_when=asyncio.FIRST_COMPLETED)
                if not work.done():
                    self.cut += 1
                    work.cancel()
                    return
                work.result()
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.by_writer.pop(writer, None)
            writer.close()


@asynccontextmanager
async def scripted_upstream() -> AsyncIterator[ScriptedUpstream]:
    upstream = ScriptedUpstream()
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0)
    upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        server.close()
