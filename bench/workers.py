"""`python -m bench.workers`: two workers beside one, each over a database of its own, in alternating rounds.

The load generator, the upstream and PostgreSQL need cores as well: how many all of them had beside the workers is said
with the figures, since two workers can only be faster where there is a core for the second one.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics

from bench._processes import running_upstream
from bench._rounds import TARGET, measure_rounds, middle, ratios, run_bench, spread, usual_load
from bench.gateway import start_bursar

TARGET_TIMES = 1.6


async def compare(rounds: int, seconds: float, concurrency: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running_upstream())
        one, two = [
            await stack.enter_async_context(start_bursar(upstream.url, workers=count, name=name))
            for count, name in ((1, "one"), (2, "two"))
        ]
        print("## Two workers over one database beside one\n")
        print(f"`python -m bench.workers --rounds {rounds} --seconds {seconds:g}`, concurrency {concurrency}\n")
        print("| calls | one worker/s | two workers/s | two : one, median (range) |\n|---|---:|---:|---:|")
        times = []
        for stream in (False, True):
            found = await measure_rounds([one, two], usual_load(concurrency, seconds, stream=stream), rounds)
            by_round = ratios(found, "two", "one")
            times.append(statistics.median(by_round))
            cells = [f"{middle(found, side, lambda seen: seen.calls_per_second):,.0f}" for side in ("one", "two")]
            print(f"| {'stream' if stream else 'JSON'} | {' | '.join(cells)} | {spread(by_round)} |", flush=True)
        print(
            f"\nAt least {TARGET_TIMES} times as much where the load generator leaves the cores: "
            f"{min(times):.2f}, {TARGET[min(times) >= TARGET_TIMES]}. This machine has {os.cpu_count()} cores for load "
            "generator, upstream, PostgreSQL and workers together."
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--concurrency", type=int, default=64)
    options = parser.parse_args()
    run_bench(lambda: compare(options.rounds, options.seconds, options.concurrency))


if __name__ == "__main__":
    main()
