"""The replay itself: a throwaway mandate, the demo upstream, a gateway on a free port, and the trace's calls.

Everything between is real: HTTP, keys, prices, holds, settlements, notices. Only the model is a demo, and mails go to a
local maildir.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

import aiohttp

from bursar.app import Worker, running_parts
from bursar.billing.money_in import post_money
from bursar.billing.settings import change_settings
from bursar.cli.replay.asking import ASKINGS, Asking
from bursar.cli.replay.calls import Caller
from bursar.cli.replay.report import Report, Tally
from bursar.cli.replay.trace import TraceCall, read_trace
from bursar.foundation.clock import SystemClock
from bursar.foundation.database import Database, prepared_addresses
from bursar.foundation.settings import Settings, UpstreamSettings
from bursar.gateway.demo_upstream.process import running_demo_upstream
from bursar.gateway.wiring import CallRecord
from bursar.identity.key_store import create_key
from bursar.identity.mandates import Mandate, change_mandate, create_mandate
from bursar.ledger.model import TransferKind
from bursar.pricing.catalogue import Catalogue, ExchangeRateMissing
from bursar.pricing.model import PriceUsed
from bursar.worker import new_server

ACTOR: Final = "replay"
FINANCE: Final = "finance@replay.invalid"
DEFAULT_DIALECT: Final = "chat_completions"
AT_ONCE: Final = 128
"""Calls in flight at most, where the trace's own pace is not kept."""

_CHARGED: Final = """
    SELECT coalesce(sum(CASE WHEN debit_account_id = $1 THEN amount_nanos ELSE -amount_nanos END), 0)::bigint
      FROM transfer WHERE mandate_id = $1 AND kind IN ('CHARGE', 'LATE_ADJUSTMENT')"""
_MAILS: Final = "SELECT count(*) FROM notice WHERE mandate_id = $1 AND state = 'SENT'"
_UNSENT: Final = "SELECT count(*) FROM notice WHERE mandate_id = $1 AND state NOT IN ('SENT', 'CANCELLED')"


async def replay(
    settings: Settings,
    trace: Path,
    model: str,
    pool_nanos: int,
    speed: float,
    *,
    dialect: str = DEFAULT_DIALECT,
    show_progress: bool,
) -> Report:
    """Run the trace. Raises `TraceError`, `ModelNotPriced`, `KeyError` for an unknown dialect, and whatever stops a
    start."""
    asking = ASKINGS[dialect]
    calls = await asyncio.to_thread(read_trace, trace)
    price = _price(settings, model)
    tally = Tally()

    def finished(record: CallRecord) -> None:
        if record.status == 200:
            tally.own_seconds.append(record.own_seconds)

    async with running_demo_upstream() as upstream_url, prepared_addresses(settings) as addresses:
        own = _own_settings(settings, model, asking, upstream_url)
        async with running_parts(own, addresses, on_finished=finished) as worker, _served(worker) as url:
            mandate, key = await _throwaway(worker, price.currency, pool_nanos)
            began = time.monotonic()
            await _run(calls, Caller(url, key, model, asking, price, tally), speed, show_progress=show_progress)
            seconds = time.monotonic() - began
            return await _conclude(worker, mandate, tally, seconds)


def _price(settings: Settings, model: str) -> PriceUsed:
    """The model's price in the installation's currency, or in its own where no exchange rate is configured."""
    catalogue, now = Catalogue.from_settings(settings.pricing), SystemClock().now()
    try:
        return catalogue.price(model, None, now, currency=settings.currency).price
    except ExchangeRateMissing as missing:
        return catalogue.price(model, None, now, currency=missing.source).price


def _own_settings(settings: Settings, model: str, asking: Asking, upstream_url: str) -> Settings:
    upstream = UpstreamSettings(name="demo", dialect=asking.upstream_dialect, base_url=upstream_url, models=(model,))
    mail = settings.data_dir / "replay-mail"
    return replace(settings, upstreams=(upstream,), mail_url=f"maildir:{mail}", demo=False)


@asynccontextmanager
async def _served(worker: Worker) -> AsyncIterator[str]:
    """The gateway on a free port of this machine, until the end of the block."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(1024)
        server = new_server(worker.app)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            await serving


async def _throwaway(worker: Worker, currency: str, pool_nanos: int) -> tuple[Mandate, str]:
    database = worker.database
    mandate = await create_mandate(database, name="Replay", currency=currency, language="en")
    await change_settings(database, mandate.mandate_id, {"notify_emails": (FINANCE,)})
    await post_money(database, worker.ledger, mandate.mandate_id, TransferKind.TOP_UP, pool_nanos, actor=ACTOR)
    _, key = await create_key(database, mandate.mandate_id, kind="service", name=ACTOR, created_by=ACTOR)
    return mandate, key


async def _run(calls: list[TraceCall], caller: Caller, speed: float, *, show_progress: bool) -> None:
    """At the trace's pace times `speed`, whatever the answers take; with `speed` 0 as fast as they come back."""
    places = asyncio.Semaphore(AT_ONCE)
    began = time.monotonic()
    progress = asyncio.create_task(_progress(caller.tally, len(calls))) if show_progress else None
    timeout = aiohttp.ClientTimeout(total=None, sock_read=120)
    connector = aiohttp.TCPConnector(limit=0)
    try:
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session, asyncio.TaskGroup() as group:
            for number, call in enumerate(calls):
                if speed:
                    await asyncio.sleep(max(0.0, began + call.after_seconds / speed - time.monotonic()))
                else:
                    await places.acquire()
                task = group.create_task(caller.make(session, call, streamed=number % 3 == 0))
                if not speed:
                    task.add_done_callback(lambda _: places.release())
    finally:
        if progress is not None:
            progress.cancel()
            _print_progress(caller.tally, len(calls))


async def _progress(tally: Tally, total: int) -> None:
    """A line that is written over on a terminal; elsewhere a line for every tenth of the trace."""
    told = 0
    while True:
        if sys.stderr.isatty():
            _print_progress(tally, total, end="\r")
        elif tally.calls * 10 // total > told:
            told = tally.calls * 10 // total
            _print_progress(tally, total)
        await asyncio.sleep(0.5)


def _print_progress(tally: Tally, total: int, end: str = "\n") -> None:
    refused = sum(tally.refusals.values())
    text = f"{tally.calls:,} of {total:,} calls, {tally.completed:,} completed, {refused:,} refused "
    print(text, end=end, file=sys.stderr, flush=True)


async def _conclude(worker: Worker, mandate: Mandate, tally: Tally, seconds: float) -> Report:
    """Wait for the last settlements and mails, count, and close the throwaway mandate."""
    database = worker.database
    await _until(lambda: _nothing_open(worker), 30)
    await _until(lambda: _nothing_unsent(database, mandate), 10)
    async with database.as_mandate(mandate.mandate_id) as connection:
        cost = await connection.fetchval(_CHARGED, mandate.mandate_id)
        notices = await connection.fetchval(_MAILS, mandate.mandate_id)
    await change_mandate(database, mandate.mandate_id, status="closed")
    return Report(tally, cost, mandate.currency, notices, seconds, str(mandate.mandate_id))


async def _nothing_open(worker: Worker) -> bool:
    return worker.gateway.live_calls == 0 and worker.gateway.open_settlements == 0


async def _nothing_unsent(database: Database, mandate: Mandate) -> bool:
    async with database.as_mandate(mandate.mandate_id) as connection:
        return bool(await connection.fetchval(_UNSENT, mandate.mandate_id) == 0)


async def _until(condition: Callable[[], Awaitable[bool]], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            return
        await asyncio.sleep(0.05)
