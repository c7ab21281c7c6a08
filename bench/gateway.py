"""`python -m bench.gateway`: calls through Bursar beside a bare reverse proxy of the same HTTP stack, in one run.

Both stand in front of the same canned upstream (`bench._upstream`); Bursar bills every call (a durable hold before,
a settlement after) on its embedded PostgreSQL. Measured in pairs, now one first, now the other, so that a noisy
moment of the machine hits both; given are medians, and the median of the pairs' ratios with its range. With
`--against aiohttp` the other side is a bare proxy of the aiohttp server and client.

What runs already is measured with `--bare URL` and `--bursar URL --header "authorization: Bearer bur_…"`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from bench._load import Load, Measured, measure
from bench._processes import Server, free_port, running, running_upstream

ROOT_KEY = "burroot_bench_only_0123456789abcdef0123456789abcdef"
MODEL = "bench"
PATH = "/v1/chat/completions"
CELLS = [(stream, concurrency) for stream in (False, True) for concurrency in (1, 32, 128)]
TARGET_SHARE = 0.75
TARGET_ADDED_MS = 1.2
RIVALS = {"same stack": ("bench.bare_proxy",), "aiohttp": ("bench.stack.proxies", "aiohttp + aiohttp")}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two that are compared; `server` only where the bench started it."""

    name: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    server: Server | None = None
    data_dir: Path | None = None
    """Of a Bursar that the bench started."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One measurement of each side, one right after the other."""

    bare: Measured
    bursar: Measured

    @property
    def share(self) -> float:
        return self.bursar.calls_per_second / self.bare.calls_per_second

    @property
    def added_ms(self) -> float:
        return self.bursar.p50_ms - self.bare.p50_ms


def configuration(upstream_url: str) -> str:
    """Bursar's TOML for the bench: one upstream, one priced model."""
    return (
        f'[[upstreams]]\nname = "bench"\ndialect = "openai"\nbase_url = "{upstream_url}/v1"\n'
        f'api_key = "sk-bench"\nmodels = ["{MODEL}"]\n\n'
        f'[[pricing.models]]\nmodel = "{MODEL}"\ncurrency = "CHF"\n'
        'input_per_million = "1.00"\noutput_per_million = "4.00"\n'
    )


async def until_ready(url: str) -> None:
    """It listens before its database is up; `/readyz` tells when calls are served."""
    async with httpx.AsyncClient(base_url=url, timeout=60) as api:
        for _ in range(600):
            with contextlib.suppress(httpx.TransportError):
                if (await api.get("/readyz")).is_success:
                    return
            await asyncio.sleep(0.1)
    raise RuntimeError("bursar did not become ready within a minute")


async def provision(url: str) -> str:
    """Make a mandate with a full pool by the management API; return a key of a user of it."""
    root = {"authorization": f"Bearer {ROOT_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=root, timeout=30) as api:

        async def post(path: str, body: Mapping[str, object], **headers: str) -> dict[str, str]:
            answer = await api.post(f"/api/mandates{path}", json=body, headers=headers)
            if answer.is_error:
                raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text}")
            made: dict[str, str] = answer.json()
            return made

        mandate = (await post("", {"name": "Bench", "currency": "CHF", "billingModel": "PREPAY_MANDATE"}))["id"]
        await post(f"/{mandate}/top-ups", {"amount": "1000000", "reference": "bench"}, **{"Idempotency-Key": "bench"})
        person = {"email": "bench@example.com", "displayName": "Bench", "role": "member"}
        user = (await post(f"/{mandate}/users", person))["id"]
        return (await post(f"/{mandate}/keys", {"kind": "user", "userId": user, "name": "bench"}))["key"]


@contextlib.asynccontextmanager
async def start_bursar(
    upstream_url: str, *, workers: int = 1, name: str = "bursar", data_dir: Path | None = None
) -> AsyncIterator[Side]:
    """Start `bursar serve` with money, a priced model and a key; without a `data_dir` on a throwaway database."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as made:
        directory = Path(made)
        await asyncio.to_thread(directory.chmod, 0o755)  # run as root, PostgreSQL's own user passes through it
        data_dir = data_dir or directory / "data"
        config = directory / "bursar.toml"
        await asyncio.to_thread(config.write_text, configuration(upstream_url))
        arguments = ["-c", "from bursar.cli import main; main()", "serve"]
        arguments += ["--port", str(port), "--workers", str(workers)]
        arguments += ["--data-dir", str(data_dir), "--config", str(config)]
        environment = {"BURSAR_ROOT_KEY": ROOT_KEY}
        async with running(*arguments, port=port, environment=environment, timeout_seconds=60) as server:
            await until_ready(server.url)
            key = await provision(server.url)
            yield Side(name, server.url, {"authorization": f"Bearer {key}"}, server, data_dir)


@contextlib.asynccontextmanager
async def start_bare(upstream_url: str, rival: str) -> AsyncIterator[Side]:
    """Start the proxy that bills nothing."""
    port = free_port()
    arguments = ("-m", *RIVALS[rival], str(port))
    async with running(*arguments, port=port, environment={"BENCH_UPSTREAM": upstream_url}) as server:
        yield Side(f"bare ({rival})", server.url, {}, server)


async def measure_side(side: Side, stream: bool, concurrency: int, seconds: float) -> Measured:
    load = Load(side.url + PATH, concurrency, seconds, stream=stream, headers=side.headers, model=MODEL)
    seen = await measure(load)
    if seen.errors or not seen.calls:
        print(f"{side.name}: {seen.errors} errors at concurrency {concurrency}: {seen.first_error}", file=sys.stderr)
    return seen


async def measure_pairs(
    bare: Side, bursar: Side, stream: bool, concurrency: int, *, pairs: int, seconds: float
) -> list[Pair]:
    """Alternate which side goes first."""
    found = []
    for number in range(pairs):
        order = (bare, bursar) if number % 2 == 0 else (bursar, bare)
        seen = {side.name: await measure_side(side, stream, concurrency, seconds) for side in order}
        found.append(Pair(seen[bare.name], seen[bursar.name]))
    return found


def row(stream: bool, concurrency: int, pairs: list[Pair]) -> str:
    """One line of the table."""
    shares = [pair.share for pair in pairs]
    cells = [
        "stream" if stream else "JSON",
        str(concurrency),
        f"{statistics.median(pair.bare.calls_per_second for pair in pairs):,.0f}",
        f"{statistics.median(pair.bursar.calls_per_second for pair in pairs):,.0f}",
        f"{statistics.median(shares):.0%} ({min(shares):.0%}–{max(shares):.0%})",
        f"{statistics.median(pair.bare.p50_ms for pair in pairs):.2f}",
        f"{statistics.median(pair.bursar.p50_ms for pair in pairs):.2f}",
        f"{statistics.median(pair.added_ms for pair in pairs):+.2f}",
        f"{statistics.median(pair.bursar.p99_ms for pair in pairs):.2f}",
        str(sum(pair.bursar.errors for pair in pairs)),
    ]
    return "| " + " | ".join(cells) + " |"


COLUMNS = (
    *("calls", "concurrency", "bare/s", "bursar/s", "share"),
    *("bare p50 ms", "bursar p50 ms", "added ms", "bursar p99 ms", "errors"),
)
HEAD = "| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|"


def verdict(results: dict[tuple[bool, int], list[Pair]]) -> str:
    """How the targets were met: the share under load, the added time at concurrency 1."""
    shares = [statistics.median(pair.share for pair in results[cell]) for cell in results if cell[1] > 1]
    added = [statistics.median(pair.added_ms for pair in results[cell]) for cell in results if cell[1] == 1]
    judged = (
        ("Least share of the bare proxy's throughput under load", f"{min(shares):.0%}", min(shares) >= TARGET_SHARE),
        ("Most added to the median at concurrency 1", f"{max(added):.2f} ms", max(added) <= TARGET_ADDED_MS),
    )
    lines = [f"{what}: {figure}; target {'met' if met else 'missed'}." for what, figure, met in judged]
    return "\n".join(lines)


async def compare(bare: Side, bursar: Side, *, pairs: int, seconds: float) -> None:
    """Measure every cell and print as it comes."""
    print(HEAD, flush=True)
    results = {}
    for stream, concurrency in CELLS:
        found = await measure_pairs(bare, bursar, stream, concurrency, pairs=pairs, seconds=seconds)
        results[stream, concurrency] = found
        print(row(stream, concurrency, found), flush=True)
    print("\n" + verdict(results))
    if bursar.server is not None:
        print(f"Memory of bursar with its database's processes: {bursar.server.resident_megabytes():.0f} MB.")


def external(name: str, url: str, headers: list[str]) -> Side:
    pairs = (header.split(":", 1) for header in headers)
    return Side(name, url.rstrip("/"), {key.strip(): value.strip() for key, value in pairs})


async def main() -> None:
    print("## Gateway: calls through Bursar beside a bare proxy\n")
    parser = argparse.ArgumentParser(prog="bench.gateway", description="Bursar beside a bare reverse proxy.")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--workers", type=int, default=1, help="of Bursar")
    parser.add_argument("--against", choices=sorted(RIVALS), default="same stack")
    parser.add_argument("--bare", help="URL of a proxy that runs already")
    parser.add_argument("--bursar", help="URL of a Bursar that runs already")
    parser.add_argument("--header", action="append", default=[], help="for --bursar: `name: value`")
    options = parser.parse_args()
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running_upstream())
        bare, bursar = (
            external("bare", options.bare, [])
            if options.bare
            else await stack.enter_async_context(start_bare(upstream.url, options.against)),
            external("bursar", options.bursar, options.header)
            if options.bursar
            else await stack.enter_async_context(start_bursar(upstream.url, workers=options.workers)),
        )
        await compare(bare, bursar, pairs=options.pairs, seconds=options.seconds)


if __name__ == "__main__":
    asyncio.run(main())
