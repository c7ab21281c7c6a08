"""What is counted, what is told in Prometheus' formats, and that it is the sum of all workers."""

from __future__ import annotations

import asyncio
import signal
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.metrics import FAMILIES, WorkerMetrics
from bursar.foundation.metrics_exposition import DatabaseSample, Exposition
from bursar.foundation.metrics_sharing import SharedMetrics, prepare_directory
from bursar.gateway.wiring import CallRecord
from bursar.ledger.engine import EngineStatistics, Ledger
from bursar.ledger.model import Granted
from tests.ledger.books_support import UNIT, Mandate, create_mandate

Told = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def record(**differences: Any) -> CallRecord:
    facts: dict[str, Any] = {
        "request_id": new_id(),
        "dialect": "chat_completions",
        "model": "demo-1",
        "upstream": "demo",
        "status": 200,
        "streamed": False,
        "outcome": "complete",
        "own_seconds": 0.0015,
        "total_seconds": 0.2,
    }
    return CallRecord(**(facts | differences))


async def told(exposition: Exposition, accept: str = "") -> Told:
    body, _ = await exposition.answer(accept)
    samples = [sample for family in parse_text(body.decode()) for sample in family.samples]
    return {(sample.name, frozenset(sample.labels.items())): sample.value for sample in samples}


def names_in(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def one(told: Told, name: str, **labels: str) -> float:
    return told[name, frozenset(labels.items())]


async def alone(metrics: WorkerMetrics) -> Told:
    return await told(Exposition(SharedMetrics(metrics)))


async def test_calls_are_counted_by_dialect_model_and_outcome() -> None:
    metrics = WorkerMetrics()
    for _ in range(3):
        metrics.on_finished(record())
    metrics.on_finished(record(dialect="messages", outcome="stopped", streamed=True))
    metrics.on_finished(record(model=None, status=402, outcome="BALANCE_EXHAUSTED"))
    metrics.on_finished(record(model=None, status=404, outcome="model_not_found"))
    found = await alone(metrics)
    calls = "bursar_calls_total"
    assert one(found, calls, dialect="chat_completions", model="demo-1", outcome="complete") == 3
    assert one(found, calls, dialect="messages", model="demo-1", outcome="stopped") == 1
    assert one(found, calls, dialect="chat_completions", model="", outcome="model_not_found") == 1
    assert one(found, "bursar_refusals_total", reason="BALANCE_EXHAUSTED") == 1
    assert len([name for name, _ in found if name == "bursar_refusals_total"]) == 1


async def test_times_fall_into_buckets() -> None:
    metrics = WorkerMetrics()
    for seconds in (0.0001, 0.001, 0.004, 60.0):
        metrics.on_finished(record(own_seconds=seconds, total_seconds=seconds * 10))
    found = await alone(metrics)
    own = "bursar_call_overhead_seconds"
    buckets = {
        le: one(found, f"{own}_bucket", dialect="chat_completions", le=le)
        for le in ("0.0002", "0.001", "0.005", "+Inf")
    }
    assert buckets == {"0.0002": 1, "0.001": 2, "0.005": 3, "+Inf": 4}
    assert one(found, f"{own}_count", dialect="chat_completions") == 4
    assert one(found, f"{own}_sum", dialect="chat_completions") == pytest.approx(60.0051)
    total = {"dialect": "chat_completions", "streamed": "false"}
    assert one(found, "bursar_call_seconds_bucket", le="0.01", **total) == 2
    assert one(found, "bursar_call_seconds_count", **total) == 4


async def test_models_are_told_apart_up_to_a_number() -> None:
    metrics = WorkerMetrics(most_models=3)
    for place in range(10):
        for _ in range(2):
            metrics.on_finished(record(model=f"model-{place}"))
    calls = {labels: value for (name, labels), value in (await alone(metrics)).items() if name == "bursar_calls_total"}
    models = {dict(labels)["model"]: value for labels, value in calls.items()}
    assert models == {"model-0": 2, "model-1": 2, "model-2": 2, "other": 14}


async def test_rooms_counters_are_looked_at_when_somebody_asks() -> None:
    metrics, statistics, outcomes = WorkerMetrics(), EngineStatistics(), Counter[str]()
    metrics.watch_ledger(statistics)
    metrics.watch_outcomes("bursar_notices", outcomes)
    metrics.watch("bursar_live_calls", lambda: 7)
    alert = metrics.alerting(lambda event, facts: None)
    statistics.commands, statistics.batches, statistics.commit_seconds, statistics.quarantined = 40, 4, 0.02, 1
    outcomes["SENT"] += 2
    alert("overrun", {})
    alert("overrun", {})
    found = await alone(metrics)
    assert one(found, "bursar_ledger_batch_commands_count") == 4
    assert one(found, "bursar_ledger_batch_commands_sum") == 40
    assert one(found, "bursar_ledger_commit_seconds_sum") == 0.02
    assert one(found, "bursar_ledger_quarantined_total") == 1
    assert one(found, "bursar_notices_total", outcome="SENT") == 2
    assert one(found, "bursar_live_calls") == 7
    assert one(found, "bursar_operator_alerts_total", event="overrun") == 2
    with pytest.raises(KeyError):
        metrics.watch("bursar_misspelt", lambda: 0)


async def test_an_alert_is_counted_and_passed_on() -> None:
    heard: list[Any] = []
    WorkerMetrics().alerting(lambda *alert: heard.append(alert))("overrun", {"count": 1})
    assert heard == [("overrun", {"count": 1})]


async def test_the_answer_has_the_format_that_is_asked_for() -> None:
    metrics = WorkerMetrics()
    metrics.on_finished(record())
    exposition = Exposition(SharedMetrics(metrics))
    body, content_type = await exposition.answer("application/openmetrics-text; version=1.0.0")
    assert content_type.startswith("application/openmetrics-text")
    names = {family.name for family in parse_openmetrics(body.decode())}  # type: ignore[no-untyped-call]
    assert FAMILIES.keys() | {"bursar_build_info"} == names
    _, content_type = await exposition.answer("")
    assert content_type.startswith("text/plain")


# --- several workers -------------------------------------------------------------------------------------------------


async def test_every_worker_tells_the_sum(tmp_path: Path) -> None:
    directory = tmp_path / "metrics"
    prepare_directory(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    workers = [WorkerMetrics() for _ in range(3)]
    shares = [SharedMetrics(metrics, directory, slot=slot) for slot, metrics in enumerate(workers)]
    for share in shares:
        await share.start()
    for number, metrics in enumerate(workers, start=1):
        metrics.watch("bursar_live_calls", lambda number=number: number)  # type: ignore[misc]
        for _ in range(number):
            metrics.on_finished(record())
    for share in shares:
        await share.summed()
    labels = {"dialect": "chat_completions", "model": "demo-1", "outcome": "complete"}
    for share in shares:
        found = await told(Exposition(share))
        assert one(found, "bursar_calls_total", **labels) == 6
        assert one(found, "bursar_call_overhead_seconds_count", dialect="chat_completions") == 6
        assert one(found, "bursar_live_calls") == 6
        assert one(found, "bursar_workers") == 3
    for share in shares:
        await share.stop()


async def test_no_number_that_was_told_is_ever_smaller_in_another_workers_answer(tmp_path: Path) -> None:
    """Else Prometheus would take it for a restart, and for a burst of calls."""
    workers = [WorkerMetrics() for _ in range(3)]
    shares = [SharedMetrics(metrics, tmp_path, slot=slot) for slot, metrics in enumerate(workers)]
    labels = {"dialect": "chat_completions", "model": "demo-1", "outcome": "complete"}
    last = 0.0
    for turn in range(30):
        for metrics in workers:
            metrics.on_finished(record())
        found = one(await told(Exposition(shares[turn % 3])), "bursar_calls_total", **labels)
        assert found >= last
        last = found
    assert last >= 60


async def test_workers_write_by_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bursar.foundation.metrics_sharing.WRITE_SECONDS", 0.01)
    one_worker, other = WorkerMetrics(), WorkerMetrics()
    share = SharedMetrics(one_worker, tmp_path, slot=0)
    await share.start()
    one_worker.on_finished(record())
    reader = SharedMetrics(other, tmp_path, slot=1)
    async with asyncio.timeout(10):
        while not (await reader.summed())["bursar_calls"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await share.stop()


_WORKER = """
import asyncio, sys
from pathlib import Path
from bursar.foundation.metrics import WorkerMetrics
from bursar.foundation.metrics_sharing import SharedMetrics
from types import SimpleNamespace
async def main():
    metrics = WorkerMetrics()
    share = SharedMetrics(metrics, Path(sys.argv[1]), slot=int(sys.argv[2]))
    metrics.watch("bursar_live_calls", lambda: 5)
    for _ in range(10):
        metrics.on_finished(SimpleNamespace(dialect="chat_completions", model="demo-1", status=200, streamed=False,
                                            outcome="complete", own_seconds=0.001, total_seconds=0.1))
    await share.start()
    print("ready", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@dataclass
class Process:
    """A worker in a process of its own."""

    process: subprocess.Popen[str]

    @classmethod
    def start(cls, directory: Path, slot: int) -> Process:
        command = [sys.executable, "-c", _WORKER, str(directory), str(slot)]
        started = cls(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        assert started.process.stdout is not None
        assert started.process.stdout.readline() == "ready\n"
        return started

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.communicate()


async def test_a_killed_workers_counts_stay_and_its_successor_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = SharedMetrics(WorkerMetrics(), tmp_path, slot=0)
    exposition = Exposition(reader)
    labels = {"dialect": "chat_completions", "model": "demo-1", "outcome": "complete"}
    first = Process.start(tmp_path, 1)
    assert one(await told(exposition), "bursar_calls_total", **labels) == 10
    first.kill()
    old = (tmp_path / "worker-1.json").stat().st_mtime
    monkeypatch.setattr("bursar.foundation.metrics_sharing.STALE_SECONDS", -1)
    found = await told(exposition)
    assert one(found, "bursar_calls_total", **labels) == 10
    assert one(found, "bursar_workers") == 1
    assert ("bursar_live_calls", frozenset()) not in found
    monkeypatch.undo()
    second = Process.start(tmp_path, 1)
    try:
        found = await told(exposition)
        assert one(found, "bursar_calls_total", **labels) == 20
        assert one(found, "bursar_live_calls") == 5
        assert (tmp_path / "worker-1.json").stat().st_mtime >= old
    finally:
        second.kill()
    assert names_in(tmp_path) == {"worker-0.json", "worker-1.json"}
    prepare_directory(tmp_path)
    assert names_in(tmp_path) == set()


# --- the database ----------------------------------------------------------------------------------------------------


async def test_open_holds_and_queued_notices_are_asked_of_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bursar.foundation.metrics_exposition.SAMPLE_SECONDS", -1)
    exposition = Exposition(SharedMetrics(WorkerMetrics()), DatabaseSample(database.ledger_pool))
    found = await told(exposition)
    assert one(found, "bursar_open_holds") == 0
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(UNIT)
    for _ in range(3):
        assert isinstance(await mandate.reserve(UNIT // 10), Granted)
    await ledger.stop()
    await database.ledger_pool.execute(
        "UPDATE hold SET expires_at = now() - interval '5 minutes'"
        " WHERE hold_id = (SELECT max(hold_id::text)::uuid FROM hold)"
    )
    await database.ledger_pool.execute(
        "INSERT INTO notice (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, channel, recipient,"
        " payload, next_attempt_at, created_at, updated_at)"
        " VALUES ($1, $2, 'exhausted', $1, $2, $2, 'email', 'a@example.org',"
        " '{}', now(), now() - interval '1 minute', now())",
        mandate.mandate_id,
        new_id(),
    )
    found = await told(exposition)
    assert one(found, "bursar_database_up") == 1
    assert one(found, "bursar_open_holds") == 3
    assert one(found, "bursar_overdue_holds") == 1
    assert one(found, "bursar_undelivered_notices") == 1
    assert 59 < one(found, "bursar_oldest_undelivered_notice_seconds") < 120


async def test_one_look_serves_all_who_ask(database: Database) -> None:
    sample = DatabaseSample(database.ledger_pool)
    first = await sample.look()
    assert await sample.look() is first


async def test_a_database_that_is_away_is_told_and_hides_nothing_else() -> None:
    class Away:
        async def fetchrow(self, _: str) -> None:
            raise asyncpg.InterfaceError("pool is closed")

    metrics = WorkerMetrics()
    metrics.on_finished(record())
    found = await told(Exposition(SharedMetrics(metrics), DatabaseSample(Away())))  # type: ignore[arg-type]
    assert one(found, "bursar_database_up") == 0
    assert ("bursar_open_holds", frozenset()) not in found
    assert one(found, "bursar_calls_total", dialect="chat_completions", model="demo-1", outcome="complete") == 1
