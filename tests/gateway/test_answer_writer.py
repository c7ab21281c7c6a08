"""Heads of answers go out with the first of their bodies, and wait for none that is long in coming."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from bursar.gateway.impatience import JOINED_BYTES, AnswerWriter

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


class Recorded:
    """A transport that keeps each write by itself."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.writes.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


def new_writer() -> tuple[AnswerWriter, Recorded]:
    transport = Recorded()
    return AnswerWriter(cast(Any, transport), asyncio.get_running_loop()), transport


async def test_a_head_and_its_body_are_one_write() -> None:
    writer, transport = new_writer()
    for _ in range(2):
        writer.write(HEAD)
        writer.write(b"{}")
    writer.write(b"more")
    await asyncio.sleep(0)
    assert transport.writes == [HEAD + b"{}", HEAD + b"{}", b"more"]


async def test_a_head_waits_for_no_body() -> None:
    writer, transport = new_writer()
    writer.write(HEAD)
    await asyncio.sleep(0)
    assert transport.writes == [HEAD]
    writer.write(b"{}")
    assert transport.writes == [HEAD, b"{}"]


async def test_a_large_body_is_not_copied() -> None:
    writer, transport = new_writer()
    body = b"x" * (JOINED_BYTES + 1)
    writer.write(HEAD)
    writer.write(body)
    assert transport.writes == [HEAD, body]
    assert transport.writes[1] is body


async def test_an_interim_answer_is_sent_at_once() -> None:
    writer, transport = new_writer()
    writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert transport.writes == [b"HTTP/1.1 100 Continue\r\n\r\n"]


async def test_closing_sends_the_head_first() -> None:
    writer, transport = new_writer()
    writer.write(HEAD)
    writer.close()
    assert writer.is_closing()
    await asyncio.sleep(0)
    assert transport.writes == [HEAD]
