"""Many mandates run out of money within a minute: are all told, and what does that cost the calls of the others?

    python -m bench.notices [--mandates 10000] [--seconds 60] [--pairs 7] [--quiet-seconds 12]

One `bursar serve` as in service (a worker, the messenger, the embedded PostgreSQL), and a mail server. One mandate's
callers keep it at work without a pause: for `--quiet-seconds` undisturbed, then for `--seconds` while that many other
mandates are refused for an empty pool, evenly spread, each for the first time and with a key of its own; then
undisturbed again. A pair is a busy stretch and the mean of the quiet ones around it.

Printed for each pair: the callers' own calls a second, and all calls that the gateway answered (a refusal is one, too);
how many mandates' mails were delivered, and how long after the last refusal. At the end the medians over all pairs,
each with a 95 % interval by order statistics.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from math import comb
from pathlib import Path
from typing import cast
from urllib.parse import urlsplit

import httptools
import orjson

from bench._load import MESSAGES, Load, measure
from bench._processes import Server, free_port, running, running_upstream
from bench.gateway import MODEL, PATH, ROOT_KEY, configuration, provision, until_ready
from bursar.foundation.database import Database, connect_database, prepared_addresses
from bursar.foundation.ids import new_id, new_mandate_id
from bursar.foundation.settings import load_settings
from bursar.identity.keys import make_key

CONCURRENCY = 32
CONNECTIONS = 16
TARGET = 0.90
LONGEST_WAIT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Pair:
    """Calls a second; `told` of how many mandates a mail was delivered within `told_seconds` of the last refusal."""

    quiet: float
    busy: float
    refused: float
    told: int
    told_seconds: float

    @property
    def callers(self) -> float:
        return self.busy / self.quiet

    @property
    def answered(self) -> float:
        return (self.busy + self.refused) / self.quiet


@asynccontextmanager
async def bursar(upstream_url: str) -> AsyncIterator[tuple[Server, str, Database]]:
    """A server on a throwaway database, a key of a full pool, and the database itself."""
    port = free_port()
    async with AsyncExitStack() as life:
        directory = Path(life.enter_context(tempfile.TemporaryDirectory(prefix="bursar-bench-")))
        await asyncio.to_thread(directory.chmod, 0o755)  # run as root, PostgreSQL's own user passes through it
        await asyncio.to_thread((directory / "bursar.toml").write_text, configuration(upstream_url))
        arguments = ["-c", "from bursar.cli import main; main()", "serve", "--port", str(port)]
        arguments += ["--data-dir", str(directory / "data"), "--config", str(directory / "bursar.toml")]
        sink_port = free_port()
        await life.enter_async_context(running("-m", "bench._mail_sink", str(sink_port), port=sink_port))
        environment = {"BURSAR_ROOT_KEY": ROOT_KEY, "BURSAR_MAIL_URL": f"smtp://127.0.0.1:{sink_port}"}
        server = await life.enter_async_context(
            running(*arguments, port=port, environment=environment, timeout_seconds=60)
        )
        await until_ready(server.url)
        key = await provision(server.url)
        settings = load_settings({"BURSAR_DATA_DIR": str(directory / "data")})
        addresses = await life.enter_async_context(prepared_addresses(settings))
        database = await life.enter_async_context(connect_database(addresses, app_pool_size=1, ledger_pool_size=1))
        yield server, key, database


async def empty_mandates(database: Database, count: int) -> list[str]:
    """Mandates with an empty pool, one finance contact and one key each; the keys."""
    mandates = [new_mandate_id() for _ in range(count)]
    keys = [make_key(mandate_id) for mandate_id in mandates]
    async with database.as_operator() as connection:
        await connection.execute(
            "INSERT INTO mandate (mandate_id, name, currency) SELECT unnest($1::uuid[]), 'Empty AG', 'CHF'", mandates
        )
        await connection.execute(
            "INSERT INTO billing_settings (mandate_id, notify_emails)"
            " SELECT unnest($1::uuid[]), ARRAY['finance@example.org']", mandates,
        )  # fmt: skip
        await connection.execute(
            "INSERT INTO identity_revision (mandate_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING", mandates
        )
        await connection.execute(
            "INSERT INTO api_key (mandate_id, key_id, secret_hash, prefix, kind, name, created_by)"
            " SELECT mandate_id, key_id, secret_hash, prefix, 'service', 'bench', 'bench'"
            " FROM unnest($1::uuid[], $2::uuid[], $3::bytea[], $4::text[])"
            " AS new (mandate_id, key_id, secret_hash, prefix)",
            mandates, [new_id() for _ in keys], [key.secret_hash for key in keys], [key.prefix for key in keys],
        )  # fmt: skip
    await database.ledger_pool.execute(
        "INSERT INTO account (mandate_id, account_id, kind) SELECT id, id, 'pool' FROM unnest($1::uuid[]) AS id",
        mandates,
    )
    return [key.text for key in keys]


class Refused(asyncio.Protocol):
    """Asks one call after the other, each with the next key when its time has come; counts what is refused for money.

    As cheap as the load generator, because it shares its cores with what is measured.
    """

    def __init__(self, host: str, due: deque[tuple[float, str]], statuses: list[int]) -> None:
        self._host = host
        self._due = due
        self._statuses = statuses
        self._parser = httptools.HttpResponseParser(self)
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(exc or ConnectionError("closed in between"))

    def on_message_complete(self) -> None:
        self._statuses.append(self._parser.get_status_code())
        asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        if not self._due:
            self.ended.set_result(None)
            self._transport.close()
            return
        at, key = self._due.popleft()
        wait = at - time.perf_counter()
        asyncio.get_running_loop().call_later(max(wait, 0.0), self._ask, key)

    def _ask(self, key: str) -> None:
        body = orjson.dumps({"model": MODEL, "messages": MESSAGES, "max_tokens": 20})
        head = (
            f"POST {PATH} HTTP/1.1\r\nhost: {self._host}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {key}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)


async def exhaust(url: str, keys: Sequence[str], seconds: float) -> None:
    """One refusal for each key, evenly spread. Raises `RuntimeError` where one was answered otherwise."""
    began = time.perf_counter()
    due = deque((began + seconds * place / len(keys), key) for place, key in enumerate(keys))
    parts = urlsplit(url)
    statuses: list[int] = []
    loop = asyncio.get_running_loop()

    def new() -> Refused:
        return Refused(parts.netloc, due, statuses)

    made = [await loop.create_connection(new, parts.hostname or "", parts.port or 80) for _ in range(CONNECTIONS)]
    await asyncio.gather(*(connection.ended for _, connection in made))
    if others := [status for status in statuses if status != 402]:
        raise RuntimeError(f"{len(others)} of {len(keys)} calls were not refused for money: {others[:5]}")


async def told(database: Database, expected: int) -> tuple[int, float]:
    """How many mandates were told so far, and how long it took until these were `expected`."""
    began = time.perf_counter()
    while True:
        done: int = await database.ledger_pool.fetchval("SELECT count(*) FROM notice WHERE state = 'SENT'")
        elapsed = time.perf_counter() - began
        if done >= expected or elapsed > LONGEST_WAIT_SECONDS:
            return done, elapsed
        await asyncio.sleep(0.5)


async def callers(url: str, key: str, seconds: float) -> float:
    """Calls a second of one mandate's callers. Raises `RuntimeError` if any of them failed."""
    seen = await measure(
        Load(url + PATH, CONCURRENCY, seconds, headers={"authorization": f"Bearer {key}"}, model=MODEL)
    )
    if seen.errors:
        raise RuntimeError(f"{seen.errors} calls failed: {seen.first_error}")
    return seen.calls_per_second


def interval(values: Sequence[float]) -> tuple[float, float]:
    """An interval around the median that holds it with at least 95 %, by order statistics; all there is, where few."""
    ordered, count = sorted(values), len(values)
    outside, rank = 0.0, 0
    while rank < count // 2 and outside + 2 * comb(count, rank) / 2**count <= 0.05:
        outside += 2 * comb(count, rank) / 2**count
        rank += 1
    place = max(rank - 1, 0)
    return ordered[place], ordered[count - 1 - place]


def summary(name: str, ratios: Sequence[float]) -> str:
    low, high = interval(ratios)
    return f"{name}: median {statistics.median(ratios):.3f}, 95 % interval {low:.3f} to {high:.3f}"


async def compare(server: Server, key: str, database: Database, options: argparse.Namespace) -> list[Pair]:
    await callers(server.url, key, 2.0)
    print("| pair | quiet/s | callers/s | refused/s | callers' ratio | all answered, ratio | told | seconds after |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    found: list[Pair] = []
    before = await callers(server.url, key, options.quiet_seconds)
    for number in range(options.pairs):
        keys = await empty_mandates(database, options.mandates)
        busy, _ = await asyncio.gather(
            callers(server.url, key, options.seconds), exhaust(server.url, keys, options.seconds)
        )
        done, after = await told(database, options.mandates * (number + 1))
        quiet = await callers(server.url, key, options.quiet_seconds)
        pair = Pair((before + quiet) / 2, busy, len(keys) / options.seconds, done - options.mandates * number, after)
        before = quiet
        found.append(pair)
        print(
            f"| {number + 1} | {pair.quiet:,.0f} | {pair.busy:,.0f} | {pair.refused:,.0f} | {pair.callers:.3f} "
            f"| {pair.answered:.3f} | {pair.told} of {len(keys)} | {pair.told_seconds:.1f} |",
            flush=True,
        )
    return found


async def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.notices", description="Calls while many mandates are told.")
    parser.add_argument("--mandates", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--quiet-seconds", type=float, default=12.0)
    options = parser.parse_args()
    async with running_upstream() as upstream, bursar(upstream.url) as (server, key, database):
        pairs = await compare(server, key, database, options)
    answered = [pair.answered for pair in pairs]
    print("\n" + summary("The callers' own calls", [pair.callers for pair in pairs]))
    print(summary("All calls that were answered, refusals among them", answered))
    everybody = all(pair.told == options.mandates for pair in pairs)
    met = everybody and statistics.median(answered) >= TARGET
    print(f"Every mandate told: {'yes' if everybody else 'NO'}. Target of {TARGET:.2f} {'met' if met else 'missed'}.")


if __name__ == "__main__":
    asyncio.run(main())
