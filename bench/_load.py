"""A load generator. Closed loop: every connection sends its next request when its answer has ended. With a rate it is
an open one: requests are due at even intervals, and one that has to wait for a free connection waits from when it was
due, so that a slow answer does not hide what came behind it.

`measure(Load(...))` runs it in a process of its own and returns what was seen. It costs about a tenth of what a
Python proxy costs, so it takes little from what it measures; the same machine's cores are shared all the same.
Every answer is checked: status 200, and `[DONE]` in the last bytes of a stream.
"""

from __future__ import annotations

import asyncio
import sys
import time
from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

import httptools
import orjson
import uvloop

MESSAGES = [{"role": "user", "content": "Say hello."}]


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked of a server; `body` is JSON."""

    url: str
    concurrency: int
    seconds: float
    stream: bool = False
    warm_seconds: float = 0.3
    headers: Mapping[str, str] = field(default_factory=dict)
    model: str = "bench"
    body: Mapping[str, Any] | None = None
    rate_per_second: float | None = None

    def request(self) -> bytes:
        body: dict[str, Any] = {"model": self.model, "messages": MESSAGES, "max_tokens": 20}
        if self.stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        data = orjson.dumps({**body, **(self.body or {})})
        parts = urlsplit(self.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {"host": parts.netloc, "content-type": "application/json", **self.headers}
        lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join([*lines, f"content-length: {len(data)}", "", ""]).encode() + data


@dataclass(frozen=True, slots=True)
class Measured:
    """Latencies in milliseconds; `first_ms` is the time to the first byte. `errors` are not among `calls`."""

    calls: int
    errors: int
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    first_ms: float
    first_error: str = ""


class Totals:
    """What all connections of a run gather."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.request = load.request()
        self.since = self.until = 0.0
        self.latencies = array("d")
        self.firsts = array("d")
        self.errors = 0
        self.first_error = ""
        self.connected = 0

    def fail(self, why: str) -> None:
        self.errors += 1
        self.first_error = self.first_error or why


class Connection(asyncio.Protocol):
    """One user who asks again and again."""

    def __init__(self, totals: Totals) -> None:
        self.totals = totals
        self.parser = httptools.HttpResponseParser(self)
        self.started = self.first = 0.0
        self.tail = b""
        self.due = 0.0
        """With a rate: when this connection's next request is due."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        load = self.totals.load
        if load.rate_per_second is None:
            self.ask()
            return
        self.due = time.perf_counter() + self.totals.connected / load.rate_per_second
        self.totals.connected += 1
        self.wait()

    def wait(self) -> None:
        """Ask when the next request is due; at once where that is past."""
        pause = self.due - time.perf_counter()
        asyncio.get_running_loop().call_later(max(0.0, pause), self.ask)

    def ask(self) -> None:
        if self.transport.is_closing():
            return
        self.started = self.due or time.perf_counter()
        self.first = 0.0
        self.tail = b""
        self.transport.write(self.totals.request)

    def data_received(self, data: bytes) -> None:
        if not self.first:
            self.first = time.perf_counter()
        self.parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self.totals.until:
            self.totals.fail(f"connection lost: {exc}")

    def on_body(self, body: bytes) -> None:
        self.tail = body if len(body) > 16 else self.tail[-64:] + body

    def on_message_complete(self) -> None:
        now = time.perf_counter()
        totals = self.totals
        if totals.since <= now < totals.until:
            if self.parser.get_status_code() != 200:
                totals.fail(f"status {self.parser.get_status_code()}: {self.tail[:300]!r}")
            elif totals.load.stream and b"[DONE]" not in self.tail:
                totals.fail(f"stream without its end: {self.tail[-100:]!r}")
            else:
                totals.latencies.append(now - self.started)
                totals.firsts.append(self.first - self.started)
        if now >= totals.until:
            return
        # Not from within the parser: the answer's last bytes are still being fed.
        if totals.load.rate_per_second is None:
            asyncio.get_running_loop().call_soon(self.ask)
        else:
            self.due += totals.load.concurrency / totals.load.rate_per_second
            self.wait()


async def run(load: Load) -> Measured:
    """Produce the load in this process's event loop."""
    loop = asyncio.get_running_loop()
    totals = Totals(load)
    totals.since = time.perf_counter() + load.warm_seconds
    totals.until = totals.since + load.seconds
    parts = urlsplit(load.url)
    connections = [
        (await loop.create_connection(lambda: Connection(totals), parts.hostname or "", parts.port or 80))[0]
        for _ in range(load.concurrency)
    ]
    await asyncio.sleep(totals.until - time.perf_counter() + 0.05)
    for transport in connections:
        transport.abort()
    latencies, firsts = sorted(totals.latencies), sorted(totals.firsts)
    return Measured(
        calls=len(latencies),
        errors=totals.errors,
        calls_per_second=len(latencies) / load.seconds,
        p50_ms=_at(latencies, 0.50),
        p99_ms=_at(latencies, 0.99),
        first_ms=_at(firsts, 0.50),
        first_error=totals.first_error,
    )


def _at(seconds: list[float], share: float) -> float:
    return seconds[min(len(seconds) - 1, int(len(seconds) * share))] * 1000 if seconds else float("nan")


async def measure(load: Load) -> Measured:
    """Produce the load from a process of its own. Raise RuntimeError if that fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench._load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate(orjson.dumps(asdict(load)))
    if process.returncode:
        raise RuntimeError("the load generator failed")
    return Measured(**orjson.loads(output.replace(b"NaN", b"null")))


if __name__ == "__main__":
    result = uvloop.run(run(Load(**orjson.loads(sys.stdin.buffer.read()))))
    sys.stdout.buffer.write(orjson.dumps(asdict(result)))
