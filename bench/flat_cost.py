"""`python -m bench.flat_cost`: throughput on a full database beside that on an empty one, in alternating rounds.

Full: 100,000 mandates, 1,000,000 accounts, 10,000,000 transfers (about 7 GB; a few minutes to fill). Each Bursar has a
PostgreSQL of its own with the same settings. `--keep DIR` keeps the full one there, and takes it from there next time.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from bench._processes import running_upstream
from bench._rounds import TARGET, disk_megabytes, measure_rounds, middle, ratios, run_bench, spread, usual_load
from bench.gateway import start_bursar
from bursar.foundation.addresses import embedded_dsn
from bursar.foundation.database import prepared_addresses
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.embedded_cluster import SUPERUSER
from bursar.foundation.settings import load_settings

TARGET_SHARE = 0.90
ACCOUNTS, TRANSFERS = 10, 100
"""Of each mandate: a pool and six wallets beside the operator's three accounts; one top-up, the rest charges."""

# Triggers and foreign keys are for those who serve; a thousandth of the time without them and without indexes.
_BEFORE = "SET session_replication_role = replica; SET synchronous_commit = off; SET maintenance_work_mem = '512MB'"
_MANDATES = """
    CREATE UNLOGGED TABLE filling AS
        SELECT row_number() OVER (ORDER BY id) AS n, id FROM (
            SELECT gen_random_uuid() AS id FROM generate_series(1, {mandates})) AS made;
    INSERT INTO mandate (mandate_id, name, currency) SELECT id, 'Filling ' || n, 'CHF' FROM filling;
    INSERT INTO billing_settings (mandate_id) SELECT id FROM filling;
    INSERT INTO account (mandate_id, account_id, kind, credits_posted, debits_posted, version)
        SELECT id, CASE WHEN place = 0 THEN id ELSE md5(id::text || place)::uuid END,
               (ARRAY['pool', 'funding', 'revenue', 'overrun_loss'])[least(place, 4) + 1],
               CASE place WHEN 0 THEN 1000000000 WHEN 2 THEN {charges} * 1000 ELSE 0 END,
               CASE place WHEN 0 THEN {charges} * 1000 WHEN 1 THEN 1000000000 ELSE 0 END,
               CASE place WHEN 0 THEN {transfers} WHEN 1 THEN 1 WHEN 2 THEN {charges} ELSE 0 END
          FROM filling, generate_series(0, 3) AS place;
    INSERT INTO account (mandate_id, account_id, kind)
        SELECT id, md5(id::text || place)::uuid, 'wallet' FROM filling, generate_series(4, {accounts} - 1) AS place"""
_TRANSFERS = """
    INSERT INTO transfer (mandate_id, transfer_id, at, kind, debit_account_id, credit_account_id, debit_version,
                          credit_version, amount_nanos, hold_id, model, upstream, input_tokens, output_tokens,
                          cost_source, billing_model, usage_details)
        SELECT id, gen_random_uuid(), now() - interval '90 days' * random(),
               CASE j WHEN 1 THEN 'TOP_UP' ELSE 'CHARGE' END,
               CASE j WHEN 1 THEN md5(id::text || 1)::uuid ELSE id END,
               CASE j WHEN 1 THEN id ELSE md5(id::text || 2)::uuid END,
               j, j, CASE j WHEN 1 THEN 1000000000 ELSE 1000 END, CASE WHEN j > 1 THEN gen_random_uuid() END,
               'bench', 'bench', 10, 20, 'PROVIDER_USAGE', 'PREPAY_MANDATE',
               '{{"input_tokens": 10, "output_tokens": 20}}'::jsonb
          FROM filling, generate_series(1, {transfers}) AS j WHERE n BETWEEN $1 AND $2"""
_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
     WHERE tablename = 'transfer' AND indexname <> 'transfer_pkey'"""
_AT_ONCE = 10_000
"""Mandates whose transfers are written by one statement."""


async def fill(data_dir: Path, mandates: int) -> float:
    """Fill a new database; the seconds it took. What is in it already is left as it is."""
    settings = load_settings({"BURSAR_DATA_DIR": str(data_dir)})
    began = time.monotonic()
    async with prepared_addresses(settings):
        server = EmbeddedPostgres.start_or_join(data_dir)
        owner = await asyncpg.connect(embedded_dsn(server.address, user=SUPERUSER, database="bursar"))
        try:
            if await owner.fetchval("SELECT count(*) FROM mandate") < mandates:
                await _fill(owner, mandates)
        finally:
            await owner.close()
            server.stop()
    return time.monotonic() - began


async def _fill(connection: asyncpg.Connection[asyncpg.Record], mandates: int) -> None:
    def say(what: str) -> None:
        print(what, file=sys.stderr, flush=True)

    for setting in ("max_wal_size = '8GB'", "autovacuum = off"):
        await connection.execute(f"ALTER SYSTEM SET {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute(_BEFORE)
    sizes = {"mandates": mandates, "accounts": ACCOUNTS, "transfers": TRANSFERS, "charges": TRANSFERS - 1}
    await connection.execute(_MANDATES.format(**sizes))
    say(f"{mandates * ACCOUNTS:,} accounts")
    indexes = await connection.fetch(_INDEXES)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['indexname']}")
    for first in range(1, mandates + 1, _AT_ONCE):
        last = min(mandates, first + _AT_ONCE - 1)
        await connection.execute(_TRANSFERS.format(**sizes), first, last, timeout=3600)
        say(f"{last * TRANSFERS:,} transfers")
    for index in indexes:
        await connection.execute(index["indexdef"], timeout=3600)
        say(str(index["indexname"]))
    await connection.execute("DROP TABLE filling")
    for setting in ("max_wal_size", "autovacuum"):
        await connection.execute(f"ALTER SYSTEM RESET {setting}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute("VACUUM (FREEZE, ANALYZE)", timeout=3600)
    await connection.execute("CHECKPOINT", timeout=3600)


async def compare(directory: Path, mandates: int, rounds: int, seconds: float, concurrency: int) -> None:
    took_seconds = await fill(directory / "data", mandates)
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running_upstream())
        empty, full = [
            await stack.enter_async_context(start_bursar(upstream.url, name=name, data_dir=data_dir))
            for name, data_dir in (("empty", None), ("full", directory / "data"))
        ]
        size_gigabytes = await disk_megabytes(directory) / 1000
        print("## A full database beside an empty one\n")
        print(
            f"`python -m bench.flat_cost --rounds {rounds} --seconds {seconds:g}`: {mandates:,} mandates, "
            f"{mandates * ACCOUNTS:,} accounts, {mandates * TRANSFERS:,} transfers ({size_gigabytes:.1f} GB, made "
            f"ready in {took_seconds:.0f} s); concurrency {concurrency}\n"
        )
        print("| calls | empty, calls/s | full, calls/s | full : empty, median (range) |\n|---|---:|---:|---:|")
        shares = []
        for stream in (False, True):
            found = await measure_rounds([empty, full], usual_load(concurrency, seconds, stream=stream), rounds)
            by_round = ratios(found, "full", "empty")
            shares.append(statistics.median(by_round))
            cells = [f"{middle(found, side, lambda seen: seen.calls_per_second):,.0f}" for side in ("empty", "full")]
            print(f"| {'stream' if stream else 'JSON'} | {' | '.join(cells)} | {spread(by_round)} |", flush=True)
        print(f"\nAt least 90 % of an empty one: {min(shares):.0%}, {TARGET[min(shares) >= TARGET_SHARE]}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mandates", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--keep", type=Path, help="a directory for the full database")
    options = parser.parse_args()
    arguments = (options.mandates, options.rounds, options.seconds, options.concurrency)
    with contextlib.ExitStack() as stack:
        if options.keep is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bursar-bench-")))
        else:
            directory = options.keep.absolute()
            directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(0o755)
        run_bench(lambda: compare(directory, *arguments))


if __name__ == "__main__":
    main()
