"""`python -m bench.stack [--rounds 3] [--seconds 1.5] [--only WORD]`: bare proxies of all candidate stacks, in turns.

Each round starts every candidate once, so that a noisy minute of the machine hits all alike; medians of the rounds
are printed as a markdown table: calls per second, and microseconds of CPU per call of the whole process tree.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import statistics
import sys
from collections import defaultdict

from bench._load import Load, measure
from bench._processes import free_port, running, running_upstream
from bench.stack.proxies import KINDS

CELLS = [(stream, concurrency) for stream in (False, True) for concurrency in (1, 32, 128)]
Samples = dict[tuple[str, bool, int], list[tuple[float, float, float]]]


async def measure_kind(kind: str, upstream: str, seconds: float, samples: Samples) -> None:
    port = free_port()
    arguments = ("-m", "bench.stack.proxies", kind, str(port))
    async with running(*arguments, port=port, environment={"BENCH_UPSTREAM": upstream}) as server:
        await measure(Load(f"{server.url}/v1/chat/completions", 8, 0.3))
        for stream, concurrency in CELLS:
            load = Load(f"{server.url}/v1/chat/completions", concurrency, seconds, stream=stream, warm_seconds=0)
            before = server.cpu_seconds()
            seen = await measure(load)
            cpu = (server.cpu_seconds() - before) / max(1, seen.calls) * 1e6
            if seen.errors:
                print(f"{kind}: {seen.errors} errors, {seen.first_error}", file=sys.stderr)
            samples[kind, stream, concurrency].append((seen.calls_per_second, seen.p50_ms, cpu))


def table(kinds: list[str], samples: Samples) -> str:
    heads = [f"{'stream' if stream else 'JSON'} c={concurrency}" for stream, concurrency in CELLS]
    lines = ["| server + client | " + " | ".join(heads) + " |", "|---" * (1 + len(CELLS)) + "|"]
    for kind in kinds:
        cells = []
        for stream, concurrency in CELLS:
            rate, p50, cpu = (
                statistics.median(column) for column in zip(*samples[kind, stream, concurrency], strict=True)
            )
            cells.append(f"{p50:.2f} ms, {cpu:.0f} µs" if concurrency == 1 else f"{rate:,.0f}/s, {cpu:.0f} µs")
        lines.append(f"| {kind} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.stack")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5)
    parser.add_argument("--only", default="", help="candidates whose name contains this")
    options = parser.parse_args()
    missing = {name for name in ("granian", "pyreqwest") if importlib.util.find_spec(name) is None}
    kinds = [kind for kind in KINDS if options.only in kind and not any(name in kind for name in missing)]
    samples: Samples = defaultdict(list)
    async with running_upstream() as upstream:
        for round_number in range(options.rounds):
            print(f"round {round_number + 1} of {options.rounds}", file=sys.stderr)
            for kind in kinds:
                await measure_kind(kind, upstream.url, options.seconds, samples)
    print(table(kinds, samples))


if __name__ == "__main__":
    asyncio.run(main())
