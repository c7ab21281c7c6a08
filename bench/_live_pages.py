"""Open pages, as a process of its own: connections to `GET …/live` that read and discard, and count what they are told.

Reads `{"url", "path", "keys", "pages"}` from its first line of standard input, says `ready` once every page has its
figures, and ends with its standard input, saying how many balances were told.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast
from urllib.parse import urlsplit

import orjson
import uvloop

AT_ONCE = 50


class Page(asyncio.Protocol):
    """One connection. `first` is set once it has been told anything."""

    told = 0
    lost = 0
    closing = False

    def __init__(self, request: bytes, first: asyncio.Event) -> None:
        self.request = request
        self.first = first

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self.request)

    def data_received(self, data: bytes) -> None:
        balances = data.count(b"event: balance")
        if balances:
            Page.told += balances
            self.first.set()

    def connection_lost(self, exc: Exception | None) -> None:
        Page.lost += not Page.closing
        self.first.set()


async def main() -> None:
    asked: dict[str, Any] = orjson.loads(await asyncio.to_thread(sys.stdin.buffer.readline))
    loop = asyncio.get_running_loop()
    parts = urlsplit(asked["url"])
    places = asyncio.Semaphore(AT_ONCE)

    async def open_page(number: int) -> asyncio.Transport:
        key = asked["keys"][number % len(asked["keys"])]
        lines = (f"GET {asked['path']} HTTP/1.1", f"host: {parts.netloc}", f"authorization: Bearer {key}", "", "")
        page = Page("\r\n".join(lines).encode(), asyncio.Event())
        async with places:
            transport, _ = await loop.create_connection(lambda: page, parts.hostname or "", parts.port or 80)
            await page.first.wait()
        return transport

    transports = await asyncio.gather(*map(open_page, range(asked["pages"])))
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)
    Page.closing = True
    for transport in transports:
        transport.close()
    print(orjson.dumps({"told": Page.told, "lost": Page.lost}).decode(), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
