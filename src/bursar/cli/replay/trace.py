"""Reading a trace: when each call came, and how many tokens went in and out. Pure but for opening the file."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

COLUMNS: Final = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
"""Of the traces in Azure/AzurePublicDataset."""


class TraceError(ValueError):
    """A trace that cannot be read; the message names the line."""


@dataclass(frozen=True, slots=True)
class TraceCall:
    at: datetime
    after_seconds: float
    """Since the trace's first call."""
    input_tokens: int
    output_tokens: int


def read_trace(path: Path) -> list[TraceCall]:
    """All calls, in the order of their time. Raises `TraceError` or `OSError`."""
    with path.open(newline="", encoding="utf-8-sig") as lines:
        calls = sorted(_calls(lines), key=lambda call: call.at)
    if not calls:
        raise TraceError(f"{path}: no calls in it")
    first = calls[0].at
    return [
        TraceCall(call.at, (call.at - first).total_seconds(), call.input_tokens, call.output_tokens) for call in calls
    ]


def _calls(lines: Iterable[str]) -> Iterator[TraceCall]:
    reader = csv.DictReader(lines)
    missing = [column for column in COLUMNS if column not in (reader.fieldnames or ())]
    if missing:
        raise TraceError(f"line 1: no column {', '.join(missing)}")
    for row in reader:
        try:
            at = _time(row["TIMESTAMP"])
            tokens = int(row["ContextTokens"]), int(row["GeneratedTokens"])
        except (TypeError, ValueError) as error:
            raise TraceError(f"line {reader.line_num}: {error}") from error
        if min(tokens) < 0:
            raise TraceError(f"line {reader.line_num}: tokens must not be negative")
        yield TraceCall(at, 0.0, *tokens)


def _time(text: str) -> datetime:
    """The traces write seven decimals of a second, one more than Python keeps."""
    whole, _, fraction = text.strip().partition(".")
    digits = fraction[:6] if fraction[:6].isdigit() else ""
    at = datetime.fromisoformat(f"{whole}.{digits.ljust(6, '0')}" if digits else whole)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
