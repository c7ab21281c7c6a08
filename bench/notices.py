"""Many mandates run out of money at once: are all told, and how much does that cost the calls of the others?

    python -m bench.notices [--mandates 10000] [--seconds 60] [--pairs 7]

Each pair of runs keeps one hot pool at work (reserve, settle; 64 callers) for `--seconds`: once undisturbed, and once
while that many empty mandates are refused, evenly spread, with the rider, the worker that delivers and the one that
observes in the same process and on the same database, as in service. Printed is the ratio of the two throughputs, its
median over all pairs with the range of the middle half, and whether every mandate's mail was delivered (to a maildir).
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

from bench.ledger import new_pool, pairs
from bursar.foundation.database import Database, connect_database, prepared_addresses
from bursar.foundation.ids import new_id, new_mandate_id
from bursar.foundation.settings import load_settings
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Rejected, Reserve
from bursar.notices.delivery import open_delivery
from bursar.notices.observing import Observer
from bursar.notices.rider import NoticeRider

CALLERS = 64
LONGEST_WAIT_SECONDS = 120.0


async def empty_mandates(database: Database, count: int) -> Sequence[UUID]:
    made = [new_mandate_id() for _ in range(count)]
    async with database.as_operator() as connection:
        await connection.execute(
            "INSERT INTO mandate (mandate_id, name, currency) SELECT unnest($1::uuid[]), 'Empty', 'CHF'", made
        )
        await connection.execute(
            "INSERT INTO billing_settings (mandate_id, notify_emails)"
            " SELECT unnest($1::uuid[]), ARRAY['finance@example.org']", made,
        )  # fmt: skip
    await database.ledger_pool.execute(
        "INSERT INTO account (mandate_id, account_id, kind) SELECT id, id, 'pool' FROM unnest($1::uuid[]) AS id", made
    )
    return made


async def exhaust(ledger: Ledger, mandates: Sequence[UUID], seconds: float) -> None:
    """One refusal for each, evenly spread; those that are late are caught up with."""
    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for place, mandate_id in enumerate(mandates):
            wait = began + seconds * place / len(mandates) - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            group.create_task(_refused(ledger, mandate_id))


async def _refused(ledger: Ledger, mandate_id: UUID) -> None:
    outcome = await ledger.submit(
        Reserve(
            mandate_id=mandate_id,
            hold_id=new_id(),
            account_id=mandate_id,
            payer="pool",
            billing_model="PREPAY_MANDATE",
            minimum_nanos=1_000_000,
            desired_nanos=5_000_000,
        )
    )
    assert isinstance(outcome, Rejected), outcome


async def told(database: Database, mandates: Sequence[UUID]) -> tuple[int, float]:
    """How many were told, and how long after the last refusal it took."""
    began = time.perf_counter()
    while True:
        done: int = await database.ledger_pool.fetchval(
            "SELECT count(DISTINCT mandate_id) FROM notice WHERE mandate_id = ANY ($1) AND state = 'SENT'",
            list(mandates),
        )
        elapsed = time.perf_counter() - began
        if done == len(mandates) or elapsed > LONGEST_WAIT_SECONDS:
            return done, elapsed
        await asyncio.sleep(0.5)


async def compare(database: Database, directory: Path, mandates: int, seconds: float, rounds: int) -> None:
    ledger = Ledger(database.engine_pool, rider=NoticeRider())
    delivery = open_delivery(
        database.ledger_pool,
        mail_url=f"maildir:{directory / 'mail'}",
        mail_from="Bursar <bursar@localhost>",
        public_url="http://127.0.0.1:8402",
    )
    observer = Observer(database.ledger_pool)
    for part in (ledger, delivery, observer):
        await part.start()
    hot = await new_pool(database, ledger.submit)
    ratios: list[float] = []
    print("| pair | quiet, pairs/s | while exhausted, pairs/s | ratio | told | seconds after the last |")
    print("|---:|---:|---:|---:|---:|---:|")
    for number in range(rounds):
        empty = await empty_mandates(database, mandates)
        quiet = await pairs(ledger.submit, hot, CALLERS, seconds)
        busy, _ = await asyncio.gather(pairs(ledger.submit, hot, CALLERS, seconds), exhaust(ledger, empty, seconds))
        done, after = await told(database, empty)
        ratios.append(busy.pairs_per_second / quiet.pairs_per_second)
        print(
            f"| {number + 1} | {quiet.pairs_per_second:,.0f} | {busy.pairs_per_second:,.0f} | {ratios[-1]:.3f} "
            f"| {done} of {mandates} | {after:.1f} |",
            flush=True,
        )
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else (ratios[0],) * 3
    print(f"\nmedian {statistics.median(ratios):.3f}, the middle half from {low:.3f} to {high:.3f}")
    for part in (observer, delivery, ledger):
        await part.stop()


async def run(directory: Path, mandates: int, seconds: float, rounds: int) -> None:
    settings = load_settings({"BURSAR_DATA_DIR": str(directory / "data")})
    async with (
        prepared_addresses(settings) as addresses,
        connect_database(addresses, app_pool_size=2, ledger_pool_size=16) as database,
    ):
        await compare(database, directory, mandates, seconds, rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mandates", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bursar-bench-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        work = run(directory, arguments.mandates, arguments.seconds, arguments.pairs)
        try:
            import uvloop
        except ImportError:
            asyncio.run(work)
        else:
            uvloop.run(work)


if __name__ == "__main__":
    main()
