"""What one worker counts. Cheap enough for every call: a dictionary and two lists of integers, no lock, no file.

Rooms know nothing of metrics: they have plain counters, which the application hands over here to be looked at when
somebody asks. What is told under which name stands in the table `FAMILIES`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeAlias

Kind = Literal["counter", "gauge", "histogram", "summary"]
Labels: TypeAlias = tuple[str, ...]
Value: TypeAlias = float | list[float]
"""A number; of a histogram its buckets (not cumulative, the last one without a bound) and then its sum; of a summary
its count and its sum."""
Snapshot: TypeAlias = dict[str, dict[Labels, Value]]
"""By family and labels."""

OWN_SECONDS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 2.5)
TOTAL_SECONDS: Final = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
OTHER_MODELS: Final = "other"


@dataclass(frozen=True, slots=True)
class Family:
    """A metric: what is added up over workers (a gauge too, of those that live)."""

    name: str
    kind: Kind
    meaning: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


FAMILIES: Final[Mapping[str, Family]] = {
    family.name: family
    for family in (
        Family("bursar_calls", "counter", "Calls that have ended, with refused ones.", ("dialect", "model", "outcome")),
        Family("bursar_refusals", "counter", "Calls that were refused for lack of money, or by a cap.", ("reason",)),
        Family(
            "bursar_call_overhead_seconds", "histogram", "A call's time in the gateway, without the upstream's.",
            ("dialect",), OWN_SECONDS,
        ),
        Family(
            "bursar_call_seconds", "histogram", "A call's whole time, as its client saw it.",
            ("dialect", "streamed"), TOTAL_SECONDS,
        ),
        Family("bursar_live_calls", "gauge", "Calls that are being served."),
        Family("bursar_live_pages", "gauge", "Open pages that are told live."),
        Family("bursar_workspace_runs", "gauge", "Runs of the workspace that are running."),
        Family("bursar_open_settlements", "gauge", "Calls that have been answered and are not settled yet."),
        Family("bursar_kept_holds", "gauge", "Holds that workers keep alive for their calls."),
        Family("bursar_ledger_queue_commands", "gauge", "Commands that wait for the ledger."),
        Family("bursar_ledger_batch_commands", "summary", "Commands by batch: sum by count is a batch's size."),
        Family("bursar_ledger_commit_seconds", "summary", "Time of the commits of batches."),
        Family("bursar_ledger_batches_from_memory", "counter", "Commits decided without reading the books."),
        Family("bursar_ledger_refused_from_memory", "counter", "Reserves refused without asking the database."),
        Family("bursar_ledger_quarantined", "counter", "Commands that broke their batch and were put aside."),
        Family("bursar_notices", "counter", "Letters that channels were given, by how it ended.", ("outcome",)),
        Family("bursar_operator_alerts", "counter", "What an operator should look at, as in the log.", ("event",)),
        Family("bursar_pruned_rows", "counter", "Rows that were taken away by age."),
        Family("bursar_spans", "counter", "Traces' spans, by what became of them.", ("outcome",)),
        Family("bursar_workers", "gauge", "Worker processes that live."),
    )
}  # fmt: skip


class FinishedCall(Protocol):
    """What of a call matters here (`gateway.wiring.CallRecord`)."""

    @property
    def dialect(self) -> str: ...
    @property
    def model(self) -> str | None: ...
    @property
    def streamed(self) -> bool: ...
    @property
    def outcome(self) -> str: ...
    @property
    def own_seconds(self) -> float: ...
    @property
    def total_seconds(self) -> float: ...


class LedgerCounters(Protocol):
    """`ledger.engine.EngineStatistics`."""

    @property
    def commands(self) -> int: ...
    @property
    def batches(self) -> int: ...
    @property
    def batches_from_memory(self) -> int: ...
    @property
    def commit_seconds(self) -> float: ...
    @property
    def refused_from_memory(self) -> int: ...
    @property
    def quarantined(self) -> int: ...


Source: TypeAlias = Callable[[], Mapping[Labels, Value]]


class WorkerMetrics:
    """`on_finished` counts a call; `watch…` names what else is looked at; `snapshot` is all of it at this moment."""

    def __init__(self, *, most_models: int = 100, serves: bool = True) -> None:
        """At most `most_models` models are told apart. Only calls that were admitted name theirs, so that the names are
        those of models with a price; what comes after the first hundred counts as `other`. `serves` is false for a
        process that only counts beside the workers."""
        self._calls: dict[tuple[str, str | None, str], int] = {}
        self._own: dict[str, list[float]] = {}
        self._total: dict[tuple[str, bool], list[float]] = {}
        self._alerts: Counter[str] = Counter()
        self._sources: list[tuple[str, Source]] = []
        self._models: dict[str, str] = {}
        self._most_models = most_models
        self._serves = serves
        self._before: Snapshot = {}

    # --- counting ----------------------------------------------------------------------------------------------------

    def on_finished(self, record: FinishedCall) -> None:
        """Count a call that has ended. About a microsecond."""
        dialect = record.dialect
        key = (dialect, record.model, record.outcome)
        calls = self._calls
        if key in calls:
            calls[key] += 1
        else:
            self._first(key)
        seconds = record.own_seconds
        own = self._own.get(dialect)
        if own is None:
            own = self._own[dialect] = _empty(OWN_SECONDS)
        own[bisect_left(OWN_SECONDS, seconds)] += 1
        own[-1] += seconds
        seconds = record.total_seconds
        place = (dialect, record.streamed)
        total = self._total.get(place)
        if total is None:
            total = self._total[place] = _empty(TOTAL_SECONDS)
        total[bisect_left(TOTAL_SECONDS, seconds)] += 1
        total[-1] += seconds

    def _first(self, key: tuple[str, str | None, str]) -> None:
        """A key that is new, or whose model is one too many."""
        dialect, model, outcome = key
        if model is not None:
            if model not in self._models and len(self._models) >= self._most_models:
                model = OTHER_MODELS
            else:
                self._models[model] = model
        key = (dialect, model, outcome)
        self._calls[key] = self._calls.get(key, 0) + 1

    def alerting(self, alert: Callable[[str, Mapping[str, Any]], None]) -> Callable[[str, Mapping[str, Any]], None]:
        """`alert`, counted by its event."""

        def counted(event: str, facts: Mapping[str, Any]) -> None:
            self._alerts[event] += 1
            alert(event, facts)

        return counted

    # --- looking -----------------------------------------------------------------------------------------------------

    def watch(self, name: str, read: Callable[[], Value]) -> None:
        """A family without labels whose value `read` answers."""
        self.watch_labelled(name, lambda: {(): read()})

    def watch_labelled(self, name: str, read: Source) -> None:
        """A family with labels, all of its values at once."""
        if name not in FAMILIES:
            raise KeyError(f"no family {name}")
        self._sources.append((name, read))

    def watch_outcomes(self, name: str, outcomes: Mapping[str, int]) -> None:
        """A family with one label that is counted elsewhere, such as `Delivery.outcomes`."""
        self.watch_labelled(name, lambda: {(str(outcome),): count for outcome, count in outcomes.items()})

    def watch_ledger(self, statistics: LedgerCounters) -> None:
        """The counters of the ledger's engine."""
        batches = lambda: [float(statistics.batches), float(statistics.commands)]  # noqa: E731
        self.watch("bursar_ledger_batch_commands", batches)
        self.watch("bursar_ledger_commit_seconds", lambda: [float(statistics.batches), statistics.commit_seconds])
        self.watch("bursar_ledger_batches_from_memory", lambda: statistics.batches_from_memory)
        self.watch("bursar_ledger_refused_from_memory", lambda: statistics.refused_from_memory)
        self.watch("bursar_ledger_quarantined", lambda: statistics.quarantined)

    def go_on_from(self, before: Snapshot) -> None:
        """Take over what a predecessor had counted; its gauges died with it."""
        self._before = {name: values for name, values in before.items() if FAMILIES[name].kind != "gauge"}

    def snapshot(self) -> Snapshot:
        """Everything, now. Some tens of microseconds."""
        calls: dict[Labels, Value] = {}
        refusals: Counter[Labels] = Counter()
        for (dialect, model, outcome), count in self._calls.items():
            calls[dialect, model or "", outcome] = count
            if outcome.isupper():
                refusals[(outcome,)] += count
        found: Snapshot = {
            "bursar_calls": calls,
            "bursar_refusals": dict(refusals),
            "bursar_call_overhead_seconds": {(dialect,): list(own) for dialect, own in self._own.items()},
            "bursar_call_seconds": {
                (dialect, str(streamed).lower()): list(total) for (dialect, streamed), total in self._total.items()
            },
            "bursar_operator_alerts": {(event,): count for event, count in self._alerts.items()},
            "bursar_workers": {(): int(self._serves)},
        }
        for name, read in self._sources:
            found.setdefault(name, {}).update(read())
        return added(self._before, found) if self._before else found


def added(*snapshots: Snapshot) -> Snapshot:
    """The sum of what several workers have counted."""
    sums: Snapshot = {}
    for snapshot in snapshots:
        for name, values in snapshot.items():
            family = sums.setdefault(name, {})
            for labels, value in values.items():
                family[labels] = _plus(family.get(labels), value)
    return sums


def _plus(one: Value | None, other: Value) -> Value:
    if one is None:
        return other
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return [a + b for a, b in zip(one, other, strict=True)]
    if isinstance(one, list) or isinstance(other, list):
        return other
    return one + other


def _empty(bounds: tuple[float, ...]) -> list[float]:
    """A count for each bound, one for what is above them all, and the sum."""
    return [0.0] * (len(bounds) + 2)
