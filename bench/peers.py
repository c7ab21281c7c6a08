"""`python -m bench.peers`: Bursar beside bare Python proxies and other gateways, in alternating rounds of one run.

The other gateways are started by a script that is not part of this project: `$BENCH_PEERS/peers.sh NAME start|stop`,
for `portkey`, `litellm` (without a database) and `litellm-db` (with its database and a budget; `pg.sh start|stop` and
`provision.py` stand beside). Without BENCH_PEERS, or where one does not start, it is left out, and the page says so.
Bursar bills every call: a durable hold before, a settlement after.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from bench._load import Measured, measure
from bench._plot import bars
from bench._processes import running_upstream
from bench._rounds import TARGET, Results, middle, run_bench, usual_load
from bench.gateway import MODEL, PATH, Side, start_bare, start_bursar

PEERS = Path(os.environ["BENCH_PEERS"]) if os.environ.get("BENCH_PEERS") else None
PICTURES = Path(os.environ["BENCH_PICTURES"]) if os.environ.get("BENCH_PICTURES") else None
UPSTREAM_PORT = 9100
"""Where the peers' configurations look for their provider."""
MASTER = {"authorization": "Bearer sk-peer-master"}
PORTKEY = {
    "x-portkey-provider": "openai",
    "x-portkey-custom-host": f"http://127.0.0.1:{UPSTREAM_PORT}/v1",
    "authorization": "Bearer sk-bench",
}


@dataclass(frozen=True, slots=True)
class Peer:
    name: str
    title: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)
    model: str = "fake"
    has_database: bool = False


OTHERS = (
    Peer("portkey", "Portkey", 4100, PORTKEY),
    Peer("litellm", "LiteLLM", 4001, MASTER),
    Peer("litellm-db", "LiteLLM, database and budget", 4002, has_database=True),
)
BARE = ("bare, same stack", "bare, aiohttp")
CELLS = ((False, 1), (True, 1), (False, 32), (True, 32))
Seen = dict[tuple[bool, int], Results]


async def _script(*command: str, timeout_seconds: float = 90) -> str:
    """What a script of the peers says. Raises `RuntimeError` where it fails."""
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_seconds,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-300:]}")
    return done.stdout


@contextlib.asynccontextmanager
async def started(peer: Peer, folder: Path) -> AsyncIterator[Side]:
    """A peer that runs; with its database, a key of its own with a budget far above what is spent."""
    run = str(folder / "peers.sh")
    async with contextlib.AsyncExitStack() as stack:
        if peer.has_database:
            await _script(str(folder / "pg.sh"), "start")
            stack.push_async_callback(_script, str(folder / "pg.sh"), "stop")
        stack.push_async_callback(_script, run, peer.name, "stop")
        await _script(run, peer.name, "start")
        headers = peer.headers
        if peer.has_database:
            provision = str(folder / "provision.py")
            key = await _script(sys.executable, provision, peer.name, "--budget", "1000000", "--key-only")
            headers = {"authorization": f"Bearer {key.strip().splitlines()[-1]}"}
        yield Side(peer.title, f"http://127.0.0.1:{peer.port}", headers)


async def measure_cell(sides: list[tuple[Side, str]], stream: bool, concurrency: int, seconds: float) -> list[Measured]:
    found = []
    for side, model in sides:
        load = replace(usual_load(concurrency, seconds, stream=stream), model=model)
        seen = await measure(replace(load, url=side.url + PATH, headers=side.headers))
        if seen.errors or not seen.calls:
            print(f"{side.name}: {seen.errors} errors: {seen.first_error}", file=sys.stderr)
        found.append(seen)
    return found


async def measure_all(sides: list[tuple[Side, str]], rounds: int, seconds: float) -> Seen:
    seen: Seen = {cell: {side.name: [] for side, _ in sides} for cell in CELLS}
    for number in range(rounds):
        order = sides if number % 2 == 0 else sides[::-1]
        for cell in CELLS:
            for (side, _), measured in zip(order, await measure_cell(order, *cell, seconds), strict=True):
                seen[cell][side.name].append(measured)
    return seen


def speed(seen: Seen, cell: tuple[bool, int], name: str) -> float:
    return middle(seen[cell], name, lambda each: each.calls_per_second)


def report(seen: Seen, names: list[str]) -> None:
    print(
        "| | JSON, calls/s | p50 ms | p99 ms | streams of 20 chunks/s | p50 ms | p99 ms | alone: JSON p50 ms | stream |"
    )
    print("|---|" + "---:|" * 8)
    for name in names:
        cells = []
        for cell in ((False, 32), (True, 32)):
            cells.append(f"{speed(seen, cell, name):,.0f}")
            cells.append(f"{middle(seen[cell], name, lambda each: each.p50_ms):.2f}")
            cells.append(f"{middle(seen[cell], name, lambda each: each.p99_ms):.2f}")
        cells += [f"{middle(seen[cell], name, lambda each: each.p50_ms):.2f}" for cell in ((False, 1), (True, 1))]
        print(f"| {name} | {' | '.join(cells)} |")


def verdicts(seen: Seen, names: list[str]) -> None:
    loaded = ((False, 32), (True, 32))

    def times(of: list[str]) -> float:
        """Bursar by the best of these, in the worse of the two cells."""
        return min(speed(seen, cell, "Bursar") / max(speed(seen, cell, name) for name in of) for cell in loaded)

    print("\n| target, concurrency 32, JSON and streams | measured | |\n|---|---:|---|")
    share = times([name for name in names if name in BARE])
    print(f"| at least 75 % of the best bare Python proxy | {share:.0%} | {TARGET[share >= 0.75]} |")
    for name, target in (("Portkey", 4), ("LiteLLM", 40)):
        if name in names:
            print(f"| at least {target} times {name} | {times([name]):.1f} | {TARGET[times([name]) >= target]} |")
    alone = ((False, 1), (True, 1))
    added_ms = max(
        middle(seen[cell], "Bursar", lambda each: each.p50_ms) - middle(seen[cell], BARE[0], lambda each: each.p50_ms)
        for cell in alone
    )
    print(f"| at most 1.2 ms added to the median at concurrency 1 | {added_ms:.2f} ms | {TARGET[added_ms <= 1.2]} |")


async def compare(rounds: int, seconds: float) -> None:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running_upstream(UPSTREAM_PORT))
        sides: list[tuple[Side, str]] = []
        for rival, title in (("same stack", BARE[0]), ("aiohttp", BARE[1])):
            side = await stack.enter_async_context(start_bare(upstream.url, rival))
            sides.append((replace(side, name=title), MODEL))
        sides.append((await stack.enter_async_context(start_bursar(upstream.url, name="Bursar")), MODEL))
        left_out = []
        for peer in OTHERS:
            try:
                if PEERS is None:
                    raise RuntimeError("BENCH_PEERS is not set")
                sides.append((await stack.enter_async_context(started(peer, PEERS)), peer.model))
            except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
                left_out.append(f"{peer.title} ({str(error).strip().splitlines()[-1][:120] if str(error) else 'late'})")
        print("## Bursar beside others\n")
        print(
            f"`python -m bench.peers --rounds {rounds} --seconds {seconds:g}`, one worker each, concurrency 32 and 1\n"
        )
        seen = await measure_all(sides, rounds, seconds)
    names = [side.name for side, _ in sides]
    report(seen, names)
    verdicts(seen, names)
    if left_out:
        print(f"\nNot measured: {', '.join(left_out)}.")
    if PICTURES is not None:
        groups = {name: [speed(seen, cell, name) for cell in ((False, 32), (True, 32))] for name in names}
        chart = bars("Calls a second at concurrency 32, one worker each", "/s", ("JSON", "streams"), groups)
        await asyncio.to_thread((PICTURES / "throughput.svg").write_text, chart)
        print("\n![Calls a second at concurrency 32](pictures/throughput.svg)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    run_bench(lambda: compare(options.rounds, options.seconds))


if __name__ == "__main__":
    main()
