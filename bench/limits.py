"""`python -m bench.limits`: what spending limits cost. One Bursar, two mandates: one without limits, one with 10,000 of
them, of which four apply to its calls (mandate in total, user by month, key by day, model by week). Measured in pairs.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx

from bench._processes import running_upstream
from bench._rounds import TARGET, measure_rounds, middle, ratios, run_bench, spread, usual_load
from bench.gateway import MODEL, ROOT_KEY, Side, start_bursar
from bursar.foundation.addresses import OWNER, embedded_dsn
from bursar.foundation.embedded import EmbeddedPostgres

TARGET_SHARE = 0.97
_OTHERS = """
    INSERT INTO spending_limit (mandate_id, limit_id, scope, scope_id, period, amount_nanos)
    SELECT $1, gen_random_uuid(), (ARRAY['user', 'key'])[1 + n % 2], gen_random_uuid()::text,
           (ARRAY['day', 'week', 'month', 'total'])[1 + n % 4], 1000000000
      FROM generate_series(1, $2::int) AS n"""


async def limited_mandate(url: str, owner: asyncpg.Connection[asyncpg.Record], limits: int) -> dict[str, str]:
    """A mandate with money, a user's key and so many limits; the headers of its calls."""
    root = {"authorization": f"Bearer {ROOT_KEY}"}
    async with httpx.AsyncClient(base_url=url, headers=root, timeout=60) as api:

        async def post(path: str, body: Mapping[str, object], **headers: str) -> Any:
            answer = await api.post(f"/api/mandates{path}", json=body, headers=headers)
            if answer.is_error:
                raise RuntimeError(f"POST {path}: {answer.status_code} {answer.text}")
            return answer.json()

        mandate = (await post("", {"name": "Limits", "currency": "CHF", "billingModel": "PREPAY_MANDATE"}))["id"]
        await post(f"/{mandate}/top-ups", {"amount": "1000000", "reference": "bench"}, **{"Idempotency-Key": "limits"})
        person = {"email": "limits@example.com", "displayName": "Limits", "role": "member"}
        user = (await post(f"/{mandate}/users", person))["id"]
        key = await post(f"/{mandate}/keys", {"kind": "user", "userId": user, "name": "bench"})
        if limits:
            await owner.execute(_OTHERS, UUID(mandate), limits - 4)
            applying = (
                ("mandate", None, "total"),
                ("user", user, "month"),
                ("key", key["id"], "day"),
                ("model", MODEL, "week"),
            )
            for scope, scope_id, period in applying:
                limit = {"scope": scope, "period": period, "amount": "1000000"}
                await post(f"/{mandate}/limits", limit | ({"scopeId": scope_id} if scope_id else {}))
            await owner.execute("ANALYZE spending_limit")
        return {"authorization": f"Bearer {key['key']}"}


@contextlib.asynccontextmanager
async def owner_of(data_dir: Path) -> Any:
    """A connection to the embedded database of a Bursar that runs, as its owner."""
    server = EmbeddedPostgres.start_or_join(data_dir)
    connection = await asyncpg.connect(embedded_dsn(server.address, user=OWNER, database="bursar"))
    try:
        yield connection
    finally:
        await connection.close()
        server.stop()


async def compare(limits: int, pairs: int, seconds: float, concurrency: int) -> None:
    async with contextlib.AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(running_upstream())
        bursar = await stack.enter_async_context(start_bursar(upstream.url))
        assert bursar.data_dir is not None
        owner = await stack.enter_async_context(owner_of(bursar.data_dir))
        plain = Side("without limits", bursar.url, await limited_mandate(bursar.url, owner, 0))
        limited = Side("with limits", bursar.url, await limited_mandate(bursar.url, owner, limits))
        print(f"## {limits:,} limits in a mandate, four of them applying\n")
        print(f"`python -m bench.limits --pairs {pairs} --seconds {seconds:g}`, JSON, concurrency {concurrency}\n")
        found = await measure_rounds([plain, limited], usual_load(concurrency, seconds), pairs)
        print("| without limits, calls/s | with limits, calls/s | with : without, median (range) | p50 ms | p50 ms |")
        print("|---:|---:|---:|---:|---:|")
        by_pair = ratios(found, "with limits", "without limits")
        speeds = [f"{middle(found, side.name, lambda seen: seen.calls_per_second):,.0f}" for side in (plain, limited)]
        times = [f"{middle(found, side.name, lambda seen: seen.p50_ms):.2f}" for side in (plain, limited)]
        print(f"| {' | '.join(speeds)} | {spread(by_pair)} | {' | '.join(times)} |")
        share = statistics.median(by_pair)
        print(f"\nAt most 3 % of throughput: {1 - share:.1%}, {TARGET[share >= TARGET_SHARE]}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limits", type=int, default=10_000)
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--concurrency", type=int, default=32)
    options = parser.parse_args()
    run_bench(lambda: compare(options.limits, options.pairs, options.seconds, options.concurrency))


if __name__ == "__main__":
    main()
