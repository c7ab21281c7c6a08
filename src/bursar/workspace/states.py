"""What a run can be, and how it ends. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

ThreadKind = Literal["agent", "chat"]
RunStatus = Literal["RUNNING", "PARKED", "FINISHED", "STOPPED", "FAILED", "INTERRUPTED"]
"""PARKED for lack of money, FAILED through a fault, INTERRUPTED with its worker: these three can go on."""


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How a run ended, or stands still."""

    status: RunStatus
    billing: Mapping[str, Any] | None = None
    error_code: str | None = None
    error_message: str | None = None
    retry_after_seconds: int | None = None
