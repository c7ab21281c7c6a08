"""How calls end: the one place that settles or releases a hold, after the client has its answer.

A settlement is a task of its own that nobody can cancel with the call it belongs to. It is tried until the ledger takes
it; at shutdown it is waited for. Until it is through, the hold is kept alive, so that the reaper stays away.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import chain, repeat
from typing import Final, NamedTuple
from uuid import UUID

import structlog

from bursar.foundation.ids import new_id
from bursar.gateway.meter import Charge
from bursar.gateway.wiring import Alert, Books
from bursar.ledger.engine import LedgerUnavailable
from bursar.ledger.entry import CommandQuarantined
from bursar.ledger.model import Rejected, Release, Settle, Settled

log = structlog.get_logger(__name__)

PAUSES_SECONDS: Final = (0.05, 0.2, 0.5, 1.0, 2.0)
"""Before trying again; the last one for ever. If the hold runs out meanwhile, the settle becomes an adjustment."""


class Ticket(NamedTuple):
    """A hold that has to be resolved, and the call it belongs to."""

    mandate_id: UUID
    account_id: UUID
    hold_id: UUID
    model: str
    upstream: str | None

    def facts(self) -> dict[str, str | None]:
        """For logs and alerts."""
        return {
            "request_id": str(self.hold_id),
            "mandate_id": str(self.mandate_id),
            "model": self.model,
            "upstream": self.upstream,
        }


class Settlements:
    def __init__(self, ledger: Books, alert: Alert) -> None:
        self._ledger = ledger
        self._alert = alert
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def settle(self, ticket: Ticket, charge: Charge | Callable[[], Awaitable[Charge]] | None) -> None:
        """Begin to settle a hold at `charge` (or what it turns out to be), or to release it where there is none."""
        task = asyncio.get_running_loop().create_task(self._conclude(ticket, charge))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _conclude(self, ticket: Ticket, charge: Charge | Callable[[], Awaitable[Charge]] | None) -> None:
        try:
            if callable(charge):
                charge = await charge()
            if charge is not None and charge.alert is not None:
                self._alert(charge.event, {"why": charge.alert, **ticket.facts()})
            await self._carry_out(_command(ticket, charge), ticket)
        except Exception as error:
            # The hold stays: the reaper settles it.
            self._alert("settlement_failed", {"error": repr(error), **ticket.facts()})
            log.exception("settlement_failed", **ticket.facts())
        finally:
            self._ledger.liveness.let_go(ticket.hold_id)

    async def _carry_out(self, command: Settle | Release, ticket: Ticket) -> None:
        for pause_seconds in chain(PAUSES_SECONDS, repeat(PAUSES_SECONDS[-1])):
            try:
                outcome = await self._ledger.submit(command)
            except CommandQuarantined as error:
                self._alert("settlement_quarantined", {"error": str(error), **ticket.facts()})
                return
            except LedgerUnavailable as error:
                log.warning("settlement_delayed", error=str(error), **ticket.facts())
                await asyncio.sleep(pause_seconds)
            else:
                if isinstance(outcome, Rejected):
                    self._alert("settlement_rejected", {"reason": str(outcome.reason), **ticket.facts()})
                elif isinstance(outcome, Settled) and outcome.overrun_nanos:
                    self._alert("overrun", {"overrun_nanos": outcome.overrun_nanos, **ticket.facts()})
                return

    async def drain(self, timeout_seconds: float) -> None:
        """Wait for all that is under way. What does not get done in time is left to the reaper, with an alert."""
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=timeout_seconds)
        if self._tasks:
            self._alert("settlements_left", {"count": len(self._tasks)})
            for task in self._tasks:
                task.cancel()


def _command(ticket: Ticket, charge: Charge | None) -> Settle | Release:
    if charge is None:
        return Release(mandate_id=ticket.mandate_id, hold_id=ticket.hold_id, account_id=ticket.account_id)
    usage = charge.usage
    return Settle(
        mandate_id=ticket.mandate_id,
        hold_id=ticket.hold_id,
        account_id=ticket.account_id,
        transfer_id=new_id(),
        actual_nanos=charge.actual_nanos,
        cost_source=charge.cost_source,
        upstream=ticket.upstream,
        input_tokens=usage.input_tokens,
        cached_input_tokens=usage.cached_input_tokens,
        output_tokens=usage.output_tokens,
        usage_details=usage.counts(),
    )
