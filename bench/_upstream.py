"""The cheapest upstream there is: one canned chat completion, or one canned stream of 20 chunks, at once.

`python -m bench._upstream` prints its port and ends with its standard input. It stands in for the demo upstream
where a bench must not pay for composing answers; what it sends is shaped like OpenAI's.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import cast

import orjson
import uvloop

PROMPT_TOKENS = 10
COMPLETION_TOKENS = 20
CHUNKS = 20


def _json_answer() -> bytes:
    message = {"role": "assistant", "content": " ".join(["word"] * COMPLETION_TOKENS), "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    body = orjson.dumps(
        {
            "id": "chatcmpl-bench",
            "object": "chat.completion",
            "created": 1,
            "model": "bench",
            "choices": [choice],
            "usage": _usage(),
        }
    )
    return b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)


def _usage() -> dict[str, int]:
    total = PROMPT_TOKENS + COMPLETION_TOKENS
    return {"prompt_tokens": PROMPT_TOKENS, "completion_tokens": COMPLETION_TOKENS, "total_tokens": total}


def _stream_answer() -> bytes:
    common = {"id": "chatcmpl-bench", "object": "chat.completion.chunk", "created": 1, "model": "bench"}

    def chunk(delta: dict[str, str], finish: str | None) -> bytes:
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return orjson.dumps(common | {"choices": choices, "usage": None})

    events = [chunk({"role": "assistant", "content": ""}, None)]
    events += [chunk({"content": " word"}, None) for _ in range(CHUNKS)]
    events += [chunk({}, "stop"), orjson.dumps(common | {"choices": [], "usage": _usage()}), b"[DONE]"]
    framed = [b"data: %b\n\n" % event for event in events]
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%b\r\n" % (len(event), event) for event in framed) + b"0\r\n\r\n"


JSON_ANSWER = _json_answer()
STREAM_ANSWER = _stream_answer()


class Canned(asyncio.Protocol):
    """Knows just enough HTTP for requests with a content-length."""

    def __init__(self) -> None:
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = self.buffer[:end].lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.buffer) < end + 4 + length:
                return
            body = self.buffer[end + 4 : end + 4 + length]
            self.buffer = self.buffer[end + 4 + length :]
            streamed = b'"stream":true' in body or b'"stream": true' in body
            self.transport.write(STREAM_ANSWER if streamed else JSON_ANSWER)


async def main() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", int(sys.argv[1]) if sys.argv[1:] else 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    ended = asyncio.Event()

    def read_stdin() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            ended.set()

    loop.add_reader(sys.stdin.fileno(), read_stdin)
    await ended.wait()


if __name__ == "__main__":
    uvloop.run(main())
