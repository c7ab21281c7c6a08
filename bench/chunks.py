"""`python -m bench.chunks`: how much later a stream's chunk arrives through Bursar than straight from the upstream.

The upstream writes into every chunk when it was sent; the reader, a process on the same clock, subtracts. Straight and
through Bursar by turns.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import statistics
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from bench._processes import free_port
from bench._rounds import TARGET, run_bench
from bench.gateway import MODEL, PATH, Side, start_bursar

TARGET_MS = 0.2
CHUNK = b'{"id":"c","object":"chat.completion.chunk","created":1,"model":"bench","choices":[%b],"usage":%b}'
DELTA = b'{"index":0,"delta":{"content":"sent at %d ns "},"finish_reason":null}'
USAGE = b'{"prompt_tokens":10,"completion_tokens":%d,"total_tokens":%d}'
_SENT = re.compile(rb"sent at (\d+) ns")


@contextlib.asynccontextmanager
async def ticking_upstream(chunks: int, pause_seconds: float) -> AsyncIterator[str]:
    """Answers every request with so many chunks, in this process: its clock is the reader's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
                writer.write(
                    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
                )
                for _ in range(chunks):
                    await asyncio.sleep(pause_seconds)
                    _write(writer, CHUNK % (DELTA % time.perf_counter_ns(), b"null"))
                _write(writer, CHUNK % (b"", USAGE % (8 * chunks, 10 + 8 * chunks)))
                _write(writer, b"[DONE]")
                writer.write(b"0\r\n\r\n")
        writer.close()

    port = free_port()
    server = await asyncio.start_server(serve, "127.0.0.1", port)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.close()


def _write(writer: asyncio.StreamWriter, data: bytes) -> None:
    event = b"data: " + data + b"\n\n"
    writer.write(b"%x\r\n%b\r\n" % (len(event), event))


async def ages_ms(side: Side) -> list[float]:
    """One stream: how old each of its chunks was when it arrived."""
    parts = urlsplit(side.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Tick."}], "stream": True, "max_tokens": 4096}
    sent = json.dumps(body).encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in side.headers.items())
    head = f"POST {PATH} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n{headers}"
    writer.write(f"{head}content-length: {len(sent)}\r\n\r\n".encode() + sent)
    ages: list[float] = []
    while b"[DONE]" not in (data := await reader.read(65_536)):
        now = time.perf_counter_ns()
        if not data:
            raise RuntimeError(f"{side.name}: the stream ended before its end")
        if b"HTTP/1.1 " in data and b"HTTP/1.1 200" not in data:
            raise RuntimeError(f"{side.name}: {data[:300]!r}")
        ages += [(now - int(stamp)) / 1e6 for stamp in _SENT.findall(data)]
    writer.close()
    return ages


async def compare(rounds: int, chunks: int, streams: int) -> None:
    async with ticking_upstream(chunks, 0.005) as url, start_bursar(url) as bursar:
        straight = Side("straight", url)
        print("## A stream's chunk\n")
        print(f"`python -m bench.chunks --rounds {rounds} --chunks {chunks} --streams {streams}`, a chunk every 5 ms\n")
        print("| streams at once | straight, median ms | through Bursar, median ms | added, median of rounds, ms |")
        print("|---:|---:|---:|---:|")
        added_by_one = 0.0
        for at_once in (1, streams):
            medians: dict[str, list[float]] = {"straight": [], "bursar": []}
            for number in range(rounds):
                for side in (straight, bursar) if number % 2 == 0 else (bursar, straight):
                    found = await asyncio.gather(*(ages_ms(side) for _ in range(at_once)))
                    medians[side.name].append(statistics.median(age for ages in found for age in ages))
            added = statistics.median(
                through - direct for through, direct in zip(medians["bursar"], medians["straight"], strict=True)
            )
            added_by_one = added if at_once == 1 else added_by_one
            cells = [f"{statistics.median(medians[name]):.3f}" for name in ("straight", "bursar")]
            print(f"| {at_once} | {' | '.join(cells)} | {added:+.3f} |", flush=True)
        print(f"\nUnder {TARGET_MS} ms for one stream: {added_by_one:.3f} ms, {TARGET[added_by_one < TARGET_MS]}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=200)
    parser.add_argument("--streams", type=int, default=16)
    options = parser.parse_args()
    run_bench(lambda: compare(options.rounds, options.chunks, options.streams))


if __name__ == "__main__":
    main()
