"""The gateway of one worker: from an HTTP request to an admitted call and its answer. Every route of it is metered."""

from __future__ import annotations

import asyncio
import time
from typing import Final
from uuid import UUID

import structlog

from bursar.foundation.ids import new_id
from bursar.gateway.admission import Admission, Admitted, Asked, Refused
from bursar.gateway.asgi import (
    ADMITTED,
    AsgiApp,
    Client,
    ClientGone,
    Receive,
    RequestHead,
    Scope,
    Send,
    read_body,
    send_answer,
)
from bursar.gateway.call import Call
from bursar.gateway.callers import CallParty, identify
from bursar.gateway.dialects.seam import Dialect, ErrorAnswer, FaultKind, GatewayFault
from bursar.gateway.health import UpstreamHealth
from bursar.gateway.held_caps import left_to_hold, too_much_held
from bursar.gateway.rates import RateKeeper, Subject
from bursar.gateway.relay import relay
from bursar.gateway.settlements import Settlements, Ticket
from bursar.gateway.wiring import CallRecord, Configuration, GatewayWiring

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS: Final = 30.0
CANCEL_SECONDS: Final = 5.0
"""What calls that are cut may take to end, so that their settlements have begun."""


class Gateway:
    """`handler(dialect)` serves one route; `reconfigure` swaps prices and upstreams; `aclose` lets calls end."""

    def __init__(self, wiring: GatewayWiring) -> None:
        self.wiring = wiring
        self.configuration = wiring.configuration
        self._admission = Admission(wiring)
        self._settlements = Settlements(wiring.ledger, wiring.alert)
        self._rates = RateKeeper(time.monotonic, wiring.workers)
        self._live: set[asyncio.Task[object]] = set()

    @property
    def health(self) -> UpstreamHealth:
        """What this worker has seen of the upstreams."""
        return self.wiring.health

    @property
    def live_calls(self) -> int:
        """Calls that are being served."""
        return len(self._live)

    @property
    def open_settlements(self) -> int:
        """Calls that have their answer and wait for the ledger."""
        return len(self._settlements)

    def reconfigure(self, configuration: Configuration) -> None:
        """New prices, upstreams and limits, from the next call on."""
        self.configuration = configuration

    async def aclose(self, timeout_seconds: float = SHUTDOWN_SECONDS, *, settle_seconds: float | None = None) -> None:
        """Wait for live calls, then for every settlement (as long, unless said otherwise).

        Call it before the ledger is stopped.
        """
        if self._live:
            await asyncio.wait(tuple(self._live), timeout=timeout_seconds)
        for task in tuple(self._live):
            task.cancel()
        if self._live:
            await asyncio.wait(tuple(self._live), timeout=CANCEL_SECONDS)
        await self._settlements.drain(timeout_seconds if settle_seconds is None else settle_seconds)
        await self.wiring.client.aclose()

    def handler(self, dialect: Dialect) -> AsgiApp:
        """The ASGI application of one dialect's route."""

        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._live.add(task)
            entered: list[Subject] = []
            try:
                await self._serve(dialect, scope, receive, send, entered)
            finally:
                self._live.discard(task)
                self._rates.leave(entered)

        return serve

    async def _serve(
        self, dialect: Dialect, scope: Scope, receive: Receive, send: Send, entered: list[Subject]
    ) -> None:
        hold_id = new_id()
        head = RequestHead(scope)
        began_seconds = time.perf_counter()  # The event loop's own clock is one of whole milliseconds.
        try:
            admitted = await self._admit(dialect, head, receive, hold_id, entered)
            while True:
                if (told := scope.get(ADMITTED)) is not None:
                    told(hold_id)
                call = Call(self.wiring, self._admission, dialect, admitted)
                stall_seconds = self.wiring.client_stall_seconds
                client = Client(scope, receive, send, stall_seconds=stall_seconds, on_gone=call.client_gone)
                await relay(call, client, self._settlements)
                if not call.goes_elsewhere:
                    break
                hold_id = new_id()
                admitted = await self._reserve(self._admission.elsewhere(call.asked, hold_id))
        except ClientGone:
            return
        except Exception as error:
            answer, outcome = self._no(dialect, error, hold_id)
            await send_answer(send, answer)
            self._record(dialect, head, None, hold_id, answer.status, outcome, began_seconds)
            return
        outcome = call.ending.value if call.ending is not None else "upstream_error"
        self._record(dialect, head, call, hold_id, client.status, outcome, began_seconds)

    async def _admit(
        self, dialect: Dialect, head: RequestHead, receive: Receive, hold_id: UUID, entered: list[Subject]
    ) -> Admitted:
        """Raises `GatewayFault`, `Refused`, `ClientGone`. Who takes part in rates from here on is `entered`."""
        configuration = self.configuration
        party = await identify(self.wiring.identities, head)
        self._enter(party, entered)
        body = await read_body(head, receive, configuration.max_body_bytes)
        return await self._reserve(self._admission.understand(dialect, configuration, party, head, body, hold_id))

    async def _reserve(self, asked: Asked) -> Admitted:
        admitted = await self._admission.reserve(asked)
        if admitted.asked.may_hold_nanos is not None:
            await self._look_again(admitted)
        return admitted

    def _enter(self, party: CallParty, entered: list[Subject]) -> None:
        subjects = party.limited
        if not subjects:
            return
        if (no := self._rates.enter(subjects)) is not None:
            message = f"{no.what}; try again in {no.retry_after_seconds} s."
            raise GatewayFault(FaultKind.RATE_LIMITED, message, retry_after_seconds=no.retry_after_seconds)
        entered.extend(subjects)

    async def _look_again(self, admitted: Admitted) -> None:
        """Whether what is held is still within its cap with this call's hold in it; if not, the hold is given back."""
        asked = admitted.asked
        party, mandate_id = asked.party, asked.party.mandate.mandate_id
        try:
            left_nanos = await left_to_hold(self.wiring.database, mandate_id, party.limited)
            if left_nanos is not None and left_nanos < 0:
                raise too_much_held()
        except BaseException:
            ticket = Ticket(
                mandate_id, party.account_id, asked.hold_id, asked.request.model, asked.routes[0].upstream.name
            )
            self._settlements.settle(ticket, None)
            raise

    def _no(self, dialect: Dialect, error: Exception, hold_id: UUID) -> tuple[ErrorAnswer, str]:
        if isinstance(error, Refused):
            return dialect.refusal(error.refusal), str(error.reason)
        if not isinstance(error, GatewayFault):
            log.error("admission_failed", request_id=str(hold_id), exc_info=error)
            error = GatewayFault(FaultKind.INTERNAL, "The gateway failed; nothing was charged.")
        return dialect.fault(error, str(hold_id)), error.kind.code

    def _record(
        self,
        dialect: Dialect,
        head: RequestHead,
        call: Call | None,
        hold_id: UUID,
        status: int,
        outcome: str,
        began_seconds: float,
    ) -> None:
        total_seconds = time.perf_counter() - began_seconds
        self.wiring.on_finished(
            CallRecord(
                request_id=hold_id,
                dialect=dialect.name,
                model=call.asked.request.model if call is not None else None,
                upstream=call.route.upstream.name if call is not None else None,
                status=status,
                streamed=call is not None and call.asked.request.stream,
                outcome=outcome,
                own_seconds=total_seconds - (call.upstream_seconds if call is not None else 0.0),
                total_seconds=total_seconds,
                mandate_id=call.asked.party.mandate.mandate_id if call is not None else None,
                usage=call.meter.reported_usage if call is not None else None,
                trace_parent=head.get(b"traceparent"),
            )
        )
