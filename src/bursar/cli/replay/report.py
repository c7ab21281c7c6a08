"""What a replay found: counts, money, percentiles, as a table for people and as JSON for programs. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bursar.foundation.money import format_amount


@dataclass(slots=True)
class Tally:
    """Counted while the calls come back."""

    calls: int = 0
    completed: int = 0
    streamed: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    expected_nanos: int = 0
    """What the completed calls cost by pricing alone, from the trace's token counts."""
    money_ended_at: datetime | None = None
    """The trace's time of the first call that was refused for lack of money."""
    own_seconds: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Report:
    tally: Tally
    cost_nanos: int
    currency: str
    notices: int
    seconds: float
    mandate_id: str

    @property
    def calls_per_second(self) -> float:
        return self.tally.calls / self.seconds if self.seconds else 0.0

    def gateway_millis(self) -> dict[str, float]:
        return {
            "p50": round(percentile(self.tally.own_seconds, 0.50) * 1000, 3),
            "p99": round(percentile(self.tally.own_seconds, 0.99) * 1000, 3),
        }

    def to_json(self) -> dict[str, Any]:
        ended = self.tally.money_ended_at
        return {
            "calls": self.tally.calls,
            "completed": self.tally.completed,
            "cost": format_amount(self.cost_nanos),
            "currency": self.currency,
            "expectedCost": format_amount(self.tally.expected_nanos),
            "refusals": dict(sorted(self.tally.refusals.items())),
            "moneyEndedAt": ended.isoformat().replace("+00:00", "Z") if ended is not None else None,
            "notices": self.notices,
            "callsPerSecond": round(self.calls_per_second, 1),
            "gatewayMillis": self.gateway_millis(),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Label and value, for a person."""
        tally, millis = self.tally, self.gateway_millis()
        rows = [
            ("calls", f"{tally.calls:,} ({tally.streamed:,} of them streamed)"),
            ("completed", f"{tally.completed:,}"),
            ("cost", f"{self.currency} {format_amount(self.cost_nanos)}"),
            ("expected from the trace alone", f"{self.currency} {format_amount(tally.expected_nanos)}"),
        ]
        rows += [(f"refused: {reason}", f"{count:,}") for reason, count in sorted(tally.refusals.items())]
        rows += [(f"failed: {fault}", f"{count:,}") for fault, count in sorted(tally.faults.items())]
        ended = tally.money_ended_at
        rows += [
            ("money ended at (time of the trace)", ended.isoformat(sep=" ") if ended else "it did not end"),
            ("mails to finance", f"{self.notices:,}"),
            ("calls per second", f"{self.calls_per_second:,.1f}"),
            ("the gateway's own part", f"{millis['p50']:.2f} ms median, {millis['p99']:.2f} ms at the 99th percentile"),
            ("mandate", self.mandate_id),
        ]
        return rows


def percentile(values: list[float], share: float) -> float:
    """Nearest rank; 0 where there is nothing."""
    if not values:
        return 0.0
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
