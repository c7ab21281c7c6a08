"""Reserve+settle pairs a second on one hot pool: group commit beside one transaction per command, in the same run.

    python -m bench.ledger [--seconds 4] [--rounds 3]

The database is the embedded one with its durable settings (`fsync` and `synchronous_commit` on), in a directory of its
own. Both sides run the same statements; the other side commits each command by itself on eight connections, which is
what a ledger without group commit does. Rounds alternate, so that a change of the machine's speed hits both.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from bursar.foundation.database import Database, connect_database, prepared_addresses
from bursar.foundation.ids import new_id, new_mandate_id
from bursar.foundation.settings import load_settings
from bursar.ledger.engine import Ledger
from bursar.ledger.entry import Entry
from bursar.ledger.lane import Lane
from bursar.ledger.model import (
    Command,
    CostSource,
    Granted,
    Outcome,
    Post,
    Reserve,
    Settle,
    Settled,
    TransferKind,
)

CONCURRENCIES = (1, 32, 256, 1024)
CONNECTIONS = 8
Submit = Callable[[Command], Awaitable[Outcome]]


@dataclass(frozen=True, slots=True)
class Figures:
    pairs_per_second: float
    p50_ms: float
    p99_ms: float


class OneByOne:
    """Every command in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self._lanes: asyncio.Queue[Lane] = asyncio.Queue()
        self._all = [Lane(database.engine_pool, None, set(), waits=True) for _ in range(CONNECTIONS)]
        for lane in self._all:
            self._lanes.put_nowait(lane)

    async def submit(self, command: Command) -> Outcome:
        lane = await self._lanes.get()
        try:
            loop = asyncio.get_running_loop()
            result = await lane.run([Entry(command, loop.create_future(), loop.time())])
            return result.answered[0][1]
        finally:
            self._lanes.put_nowait(lane)

    async def close(self) -> None:
        for lane in self._all:
            await lane.close()


async def pairs(submit: Submit, mandate_id: UUID, concurrency: int, seconds: float) -> Figures:
    """Keep `concurrency` callers at it, each reserving and then settling; the time of a pair is both together."""
    times: list[float] = []
    until = time.perf_counter() + seconds

    async def caller() -> None:
        while (began := time.perf_counter()) < until:
            hold_id = new_id()
            granted = await submit(
                Reserve(
                    mandate_id=mandate_id,
                    hold_id=hold_id,
                    account_id=mandate_id,
                    payer="pool",
                    billing_model="PREPAY_MANDATE",
                    minimum_nanos=1_000_000,
                    desired_nanos=5_000_000,
                    input_bound_nanos=500_000,
                    user_id=mandate_id,
                    key_id=mandate_id,
                    model="gpt-5-mini",
                    upstream="openai",
                )
            )
            assert isinstance(granted, Granted), granted
            settled = await submit(
                Settle(
                    mandate_id=mandate_id,
                    hold_id=hold_id,
                    account_id=mandate_id,
                    transfer_id=new_id(),
                    actual_nanos=1_234_567,
                    cost_source=CostSource.PROVIDER_USAGE,
                    input_tokens=1000,
                    output_tokens=200,
                )
            )
            assert isinstance(settled, Settled), settled
            times.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(concurrency)))
    elapsed = time.perf_counter() - began
    cuts = statistics.quantiles(times, n=100)
    return Figures(len(times) / elapsed, cuts[49] * 1000, cuts[98] * 1000)


async def new_pool(database: Database, submit: Submit) -> UUID:
    mandate_id = new_mandate_id()
    async with database.as_operator() as connection:
        await connection.execute(
            "INSERT INTO mandate (mandate_id, name, currency) VALUES ($1, 'Bench', 'CHF')", mandate_id
        )
        await connection.execute("INSERT INTO billing_settings (mandate_id) VALUES ($1)", mandate_id)
    await submit(
        Post(
            mandate_id=mandate_id,
            transfer_id=new_id(),
            account_id=mandate_id,
            payer="pool",
            kind=TransferKind.TOP_UP,
            amount_nanos=10**18,
        )
    )
    return mandate_id


def median(figures: list[Figures]) -> Figures:
    return Figures(
        statistics.median(f.pairs_per_second for f in figures),
        statistics.median(f.p50_ms for f in figures),
        statistics.median(f.p99_ms for f in figures),
    )


async def compare(database: Database, seconds: float, rounds: int) -> None:
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    one_by_one = OneByOne(database)
    # A pool each: on a common one, every round would begin with what the other side has done to it.
    grouped_pool, single_pool = await new_pool(database, ledger.submit), await new_pool(database, ledger.submit)
    gc.freeze()
    print("| concurrency | group commit, pairs/s | p50 ms | p99 ms | one by one, pairs/s | p50 ms | p99 ms | ratio |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|")
    for concurrency in CONCURRENCIES:
        grouped, single = [], []
        for _ in range(rounds):
            grouped.append(await pairs(ledger.submit, grouped_pool, concurrency, seconds))
            single.append(await pairs(one_by_one.submit, single_pool, concurrency, seconds))
        ours, theirs = median(grouped), median(single)
        print(
            f"| {concurrency} | {ours.pairs_per_second:,.0f} | {ours.p50_ms:.2f} | {ours.p99_ms:.2f} "
            f"| {theirs.pairs_per_second:,.0f} | {theirs.p50_ms:.2f} | {theirs.p99_ms:.2f} "
            f"| {ours.pairs_per_second / theirs.pairs_per_second:.1f} |",
            flush=True,
        )
    await one_by_one.close()
    await ledger.stop()


async def run(directory: Path, seconds: float, rounds: int) -> None:
    settings = load_settings({"BURSAR_DATA_DIR": str(directory / "data")})
    async with (
        prepared_addresses(settings) as addresses,
        connect_database(addresses, app_pool_size=2, ledger_pool_size=16) as database,
    ):
        await compare(database, seconds, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        work = run(directory, arguments.seconds, arguments.rounds)
        try:
            import uvloop
        except ImportError:
            asyncio.run(work)
        else:
            uvloop.run(work)


if __name__ == "__main__":
    main()
