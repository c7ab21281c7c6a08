"""Several sides measured in alternating rounds, so that a noisy moment of the machine hits all of them."""

from __future__ import annotations

import asyncio
import statistics
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from bench._load import Load, Measured, measure
from bench.gateway import MODEL, PATH, Side

TARGET = {True: "met", False: "**missed**"}
Results = dict[str, list[Measured]]


async def measure_rounds(sides: Sequence[Side], load: Load, rounds: int) -> Results:
    """`load` (its URL and headers are the side's own) on each side, `rounds` times, every other time backwards."""
    found: Results = {side.name: [] for side in sides}
    for number in range(rounds):
        for side in sides if number % 2 == 0 else reversed(sides):
            headers = {**load.headers, **side.headers}
            seen = await measure(replace(load, url=side.url + PATH, headers=headers))
            if seen.errors or not seen.calls:
                print(f"{side.name}: {seen.errors} errors: {seen.first_error}", file=sys.stderr)
            found[side.name].append(seen)
    return found


def usual_load(concurrency: int, seconds: float, *, stream: bool = False) -> Load:
    return Load("", concurrency, seconds, stream=stream, model=MODEL)


def ratios(found: Results, side: str, other: str) -> list[float]:
    """Round by round, the throughput of one side by that of another."""
    pairs = zip(found[side], found[other], strict=True)
    return [one.calls_per_second / two.calls_per_second for one, two in pairs]


def middle(found: Results, side: str, what: Callable[[Measured], float]) -> float:
    return statistics.median(what(seen) for seen in found[side])


def spread(values: Sequence[float]) -> str:
    """A median with its range."""
    return f"{statistics.median(values):.3f} ({min(values):.3f}–{max(values):.3f})"


def run_bench(work: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await work()

    uvloop.run(main())


async def disk_megabytes(directory: Path) -> float:
    def size() -> int:
        return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())

    return await asyncio.to_thread(size) / 1e6
