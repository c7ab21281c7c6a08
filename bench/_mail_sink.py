"""The cheapest mail server there is: takes every letter at once, and forgets it.

`python -m bench._mail_sink PORT`; ends with its standard input.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import cast

import uvloop


class Sink(asyncio.Protocol):
    """Knows just enough SMTP for a client that waits for each answer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self.buffer = b""
        self.in_data = False
        self.transport.write(b"220 sink\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n.\r\n" if self.in_data else b"\r\n")) >= 0:
            line = self.buffer[:end]
            self.buffer = self.buffer[end + (5 if self.in_data else 2) :]
            self.transport.write(self.answer(line))

    def answer(self, line: bytes) -> bytes:
        if self.in_data:
            self.in_data = False
            return b"250 2.0.0 taken\r\n"
        verb = line[:4].upper()
        self.in_data = verb == b"DATA"
        return b"354 go on\r\n" if self.in_data else b"221 bye\r\n" if verb == b"QUIT" else b"250 ok\r\n"


async def main() -> None:
    loop = asyncio.get_running_loop()
    await loop.create_server(Sink, "127.0.0.1", int(sys.argv[1]))
    ended = asyncio.Event()

    def read_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            ended.set()

    loop.add_reader(sys.stdin.fileno(), read_stdin)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main())
