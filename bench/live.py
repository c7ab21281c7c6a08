"""What open pages cost: the gateway's throughput with 1,000 live connections on its one worker beside none.

    python -m bench.live [--pages 1000] [--pairs 7] [--seconds 5]

All pages watch the mandate whose pool every call moves: the worst case, in which every page has news all the time. The
two sides of a pair are measured one right after the other, now one first, now the other; printed is each pair's ratio,
their median, and the interval that holds the median with 95 % certainty or as much as so few pairs allow (order
statistics). The pages are a process of their own on the same machine: what reading costs them is counted in.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from math import comb

import httpx
import orjson

from bench._processes import running_upstream
from bench.gateway import ROOT_KEY, Side, measure_side, start_bursar
from bursar.notices.live.hub import MOST_PER_CALLER

CONCURRENCY = 32
TARGET_RATIO = 0.90


@dataclass
class Told:
    balances: int = 0
    lost: int = 0


@contextlib.asynccontextmanager
async def open_pages(side: Side, path: str, keys: Sequence[str], pages: int, told: Told) -> AsyncIterator[None]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench._live_pages", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    asked = {"url": side.url, "path": path, "keys": list(keys), "pages": pages}
    process.stdin.write(orjson.dumps(asked) + b"\n")
    if (await process.stdout.readline()).strip() != b"ready":
        raise RuntimeError("the pages could not be opened")
    try:
        yield
    finally:
        output, _ = await process.communicate(b"")
        found = orjson.loads(output)
        told.balances += found["told"]
        told.lost += found["lost"]


async def prepare(side: Side, pages: int) -> tuple[str, list[str]]:
    """The path of the mandate's live figures, and as many keys as the pages need."""
    root = {"authorization": f"Bearer {ROOT_KEY}"}
    async with httpx.AsyncClient(base_url=side.url, headers=root, timeout=30) as api:
        (mandate,) = (await api.get("/api/mandates")).raise_for_status().json()["mandates"]
        path = f"/api/mandates/{mandate['id']}"
        keys = []
        for number in range(-(-pages // MOST_PER_CALLER)):
            made = await api.post(f"{path}/keys", json={"kind": "admin", "name": f"page {number}"})
            keys.append(str(made.raise_for_status().json()["key"]))
    return f"{path}/live", keys


def interval(ratios: Sequence[float]) -> tuple[float, float, float]:
    """Two of the ratios that hold the median between them, as narrow as at least 95 % certainty allows, and how
    certain that is; of few ratios the outermost."""
    ordered, count = sorted(ratios), len(ratios)
    for place in range(count // 2, -1, -1):
        outside = 2 * sum(comb(count, below) for below in range(place + 1)) / 2**count
        if place < count - 1 - place and (outside <= 0.05 or place == 0):
            return ordered[place], ordered[count - 1 - place], 1 - outside
    return ordered[0], ordered[-1], 0.0


async def compare(side: Side, path: str, keys: Sequence[str], pages: int, pairs: int, seconds: float) -> None:
    ratios: list[float] = []
    told = Told()
    print("| pair | alone, calls/s | with pages, calls/s | ratio | balances told |")
    print("|---:|---:|---:|---:|---:|")
    for number in range(pairs):
        seen = {}
        before = told.balances
        for watched in (False, True) if number % 2 == 0 else (True, False):
            around = open_pages(side, path, keys, pages, told) if watched else contextlib.nullcontext()
            async with around:
                seen[watched] = await measure_side(side, False, CONCURRENCY, seconds)
        ratios.append(seen[True].calls_per_second / seen[False].calls_per_second)
        print(
            f"| {number + 1} | {seen[False].calls_per_second:,.0f} | {seen[True].calls_per_second:,.0f} "
            f"| {ratios[-1]:.3f} | {told.balances - before:,} |",
            flush=True,
        )
    low, high, certainty = interval(ratios)
    median = statistics.median(ratios)
    print(f"\n{pages} pages: median {median:.3f}, {certainty:.0%} interval {low:.3f} to {high:.3f};", end=" ")
    print(f"target {TARGET_RATIO:.2f} {'met' if median >= TARGET_RATIO else 'missed'}. Connections lost: {told.lost}.")


async def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.live", description="What open pages cost the gateway.")
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    async with running_upstream() as upstream, start_bursar(upstream.url) as side:
        path, keys = await prepare(side, options.pages)
        await compare(side, path, keys, options.pages, options.pairs, options.seconds)


if __name__ == "__main__":
    asyncio.run(main())
