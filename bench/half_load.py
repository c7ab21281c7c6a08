"""`python -m bench.half_load`: the slowest percent at half of the most that Bursar carries.

The most is measured first, by a closed loop at concurrency 128; then requests come at half that rate, at even
intervals, whatever the answers take (an open loop), and their time counts from when they were due.
"""

from __future__ import annotations

import argparse
import contextlib
from dataclasses import replace

from bench._load import measure
from bench._processes import running_upstream
from bench._rounds import TARGET, run_bench, usual_load
from bench.gateway import PATH, start_bursar

TARGET_P99_MS = 10.0
CONNECTIONS = 128


async def compare(rounds: int, seconds: float) -> None:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running_upstream())
        bursar = await stack.enter_async_context(start_bursar(upstream.url))
        print("## Latency at half of the maximum load\n")
        print(f"`python -m bench.half_load --rounds {rounds} --seconds {seconds:g}`\n")
        print("| calls | most, calls/s | offered, calls/s | answered, calls/s | p50 ms | p99 ms |")
        print("|---|---:|---:|---:|---:|---:|")
        worst = []
        for stream in (False, True):
            load = replace(
                usual_load(CONNECTIONS, seconds, stream=stream), url=bursar.url + PATH, headers=bursar.headers
            )
            seen = []
            for _ in range(rounds):
                most = (await measure(load)).calls_per_second
                half = await measure(replace(load, rate_per_second=most / 2))
                seen.append((half.p99_ms, most, half))
            p99_ms, most, half = sorted(seen, key=lambda each: each[0])[len(seen) // 2]
            worst.append(p99_ms)
            cells = [f"{most:,.0f}", f"{most / 2:,.0f}", f"{half.calls_per_second:,.0f}", f"{half.p50_ms:.2f}"]
            print(f"| {'stream' if stream else 'JSON'} | {' | '.join(cells)} | {p99_ms:.2f} |", flush=True)
        met = TARGET[max(worst) < TARGET_P99_MS]
        print(f"\nUnder {TARGET_P99_MS:g} ms (median of {rounds} rounds): {max(worst):.2f} ms, {met}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    run_bench(lambda: compare(options.rounds, options.seconds))


if __name__ == "__main__":
    main()
