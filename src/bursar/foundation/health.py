"""Whether this process can do its work, for /healthz and /readyz.

`/healthz` asks nothing: a process that answers lives, and restarting it would not bring a database back.
`/readyz` asks everything that a call needs, at once and with a time limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

Check = Callable[[], Awaitable[object]]

CHECK_TIMEOUT_SECONDS: Final = 2.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer of each check by name: `ok` or `failed`. Details are logged, not told to strangers."""

    checks: Mapping[str, str]

    @property
    def is_ready(self) -> bool:
        return all(answer == "ok" for answer in self.checks.values())

    @property
    def http_status(self) -> int:
        return 200 if self.is_ready else 503

    def to_body(self) -> dict[str, object]:
        return {"status": "ok" if self.is_ready else "unavailable", "checks": dict(self.checks)}


async def readiness(checks: Mapping[str, Check], *, timeout_seconds: float = CHECK_TIMEOUT_SECONDS) -> Readiness:
    """Run all checks side by side; one that raises or takes too long has failed."""
    answers = await asyncio.gather(*(_run(name, check, timeout_seconds) for name, check in checks.items()))
    return Readiness(dict(zip(checks, answers, strict=True)))


async def _run(name: str, check: Check, timeout_seconds: float) -> str:
    try:
        async with asyncio.timeout(timeout_seconds):
            await check()
    except Exception as error:
        _log.warning("not_ready", check=name, error=str(error) or type(error).__name__)
        return "failed"
    return "ok"
