"""`/metrics`: what the workers have counted, and what the database says, in Prometheus' formats."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import structlog
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from bursar.foundation.metrics import FAMILIES, Family, Labels, Snapshot, Value
from bursar.foundation.metrics_sharing import SharedMetrics

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

SAMPLE_SECONDS: Final = 5.0
"""How old a look at the database may be: the same for all who ask in the meantime."""
SAMPLE_TIMEOUT_SECONDS: Final = 2.0

_OVERDUE: Final = "expires_at < clock_timestamp() - interval '30 seconds'"
_SAMPLE: Final = f"""
    SELECT (SELECT count(*) FROM hold WHERE state = 'PENDING') AS open_holds,
           (SELECT count(*) FROM hold WHERE state = 'PENDING' AND {_OVERDUE}) AS overdue_holds,
           waiting.notices AS undelivered_notices, waiting.age AS oldest_undelivered_notice_seconds
      FROM (SELECT count(*) AS notices,
                   coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 AS age
              FROM notice WHERE state = 'QUEUED') AS waiting"""  # noqa: S608
_SAMPLED: Final[Mapping[str, str]] = {
    "open_holds": "Calls' money that is held, over all servers.",
    "overdue_holds": "Holds that should have been settled 30 seconds ago: more than zero means that no reaper works.",
    "undelivered_notices": "Notices that are queued.",
    "oldest_undelivered_notice_seconds": "Age of the oldest queued notice.",
}
"""By column: asked of the database, hence already of all workers and servers."""


class DatabaseSample:
    """A look at the database now and then. It is bounded in time, and a database that is away is a number, too."""

    def __init__(self, pool: Pool) -> None:
        """`pool` is `bursar_ledger`'s."""
        self._pool = pool
        self._found: Mapping[str, float] = {}
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def look(self) -> Mapping[str, float]:
        """By column of `_SAMPLED`; empty where the database does not answer."""
        async with self._looking:
            if time.monotonic() - self._looked_at > SAMPLE_SECONDS:
                self._found = await self._ask()
                self._looked_at = time.monotonic()
        return self._found

    async def _ask(self) -> Mapping[str, float]:
        try:
            async with asyncio.timeout(SAMPLE_TIMEOUT_SECONDS):
                row = await self._pool.fetchrow(_SAMPLE)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            log.warning("metrics_without_database", error=repr(error))
            return {}
        return dict(row) if row is not None else {}


class Exposition:
    """Answers `/metrics`."""

    def __init__(self, shared: SharedMetrics, database: DatabaseSample | None = None) -> None:
        self._shared = shared
        self._database = database

    async def answer(self, accept: str = "") -> tuple[bytes, str]:
        """The body and its content type, in the format that `accept` asks for."""
        summed = await self._shared.summed()
        sampled = await self._database.look() if self._database is not None else None
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once(lambda: _metrics(summed, sampled)))
        encode, content_type = choose_encoder(accept)
        return encode(registry), content_type


class _Once(Collector):
    def __init__(self, collect: Callable[[], Iterator[Metric]]) -> None:
        self._collect = collect

    def collect(self) -> Iterator[Metric]:
        return self._collect()


def _metrics(summed: Snapshot, sampled: Mapping[str, float] | None) -> Iterator[Metric]:
    for name, family in FAMILIES.items():
        yield _MAKERS[family.kind](family, summed.get(name, {}))
    if sampled is not None:
        yield GaugeMetricFamily("bursar_database_up", "Whether the database has answered.", value=int(bool(sampled)))
        for column, value in sampled.items():
            yield GaugeMetricFamily(f"bursar_{column}", _SAMPLED[column], value=value)
    build = GaugeMetricFamily("bursar_build_info", "The version that is running.", labels=["version"])
    build.add_metric([_own_version()], 1)
    yield build


def _counter(family: Family, values: Mapping[Labels, Value]) -> Metric:
    metric = CounterMetricFamily(family.name, family.meaning, labels=family.labels)
    for labels, value in sorted(values.items()):
        metric.add_metric(labels, _number(value))
    return metric


def _gauge(family: Family, values: Mapping[Labels, Value]) -> Metric:
    metric = GaugeMetricFamily(family.name, family.meaning, labels=family.labels)
    for labels, value in sorted(values.items()):
        metric.add_metric(labels, _number(value))
    return metric


def _summary(family: Family, values: Mapping[Labels, Value]) -> Metric:
    metric = SummaryMetricFamily(family.name, family.meaning, labels=family.labels)
    for labels, value in sorted(values.items()):
        if isinstance(value, list):
            metric.add_metric(labels, count_value=int(value[0]), sum_value=value[1])
    return metric


def _histogram(family: Family, values: Mapping[Labels, Value]) -> Metric:
    metric = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    bounds = [*(repr(float(bound)) for bound in family.bounds), "+Inf"]
    for labels, value in sorted(values.items()):
        if isinstance(value, list) and len(value) == len(bounds) + 1:
            metric.add_metric(labels, list(zip(bounds, accumulate(value[:-1]), strict=True)), value[-1])
    return metric


_MAKERS: Final[Mapping[str, Callable[[Family, Mapping[Labels, Any]], Metric]]] = {
    "counter": _counter,
    "gauge": _gauge,
    "histogram": _histogram,
    "summary": _summary,
}


def _number(value: Value) -> float:
    return value[0] if isinstance(value, list) else value


def _own_version() -> str:
    try:
        return version("bursar")
    except PackageNotFoundError:
        return "unknown"
