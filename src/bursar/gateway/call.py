"""One admitted call while it runs: its meter, its hold, how it will have ended. No bytes travel here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from bursar.gateway.admission import Admission, Admitted, Refused, exact_bound, ledger_unavailable
from bursar.gateway.callers import unknown_key
from bursar.gateway.dialects.seam import Dialect, FaultKind, GatewayFault
from bursar.gateway.health import State, Verdict
from bursar.gateway.meter import Charge, Ending, Meter
from bursar.gateway.settlements import Ticket
from bursar.gateway.sse import EventTooLarge
from bursar.gateway.upstream_http import UpstreamAnswer
from bursar.gateway.upstream_target import UpstreamFault
from bursar.gateway.upstreams import Route
from bursar.gateway.wiring import GatewayWiring
from bursar.identity.authenticator import IdentityUnavailable
from bursar.ledger.engine import LedgerUnavailable
from bursar.ledger.model import SHORTAGES, Extend, Granted, Outcome, Reason, Rejected
from bursar.pricing.quote import RequestBound

log = structlog.get_logger(__name__)

FORBIDDEN: Final = 403
TRIES: Final = 3
"""How often a running call asks a ledger that cannot be reached for its next slice."""


class Call:
    """State that the parts of the relay share. `ending` `None` means that nothing is charged."""

    def __init__(self, wiring: GatewayWiring, admission: Admission, dialect: Dialect, admitted: Admitted) -> None:
        asked = admitted.asked
        self.wiring = wiring
        self.dialect = dialect
        self.asked = asked
        self.admitted = admitted
        self.meter = Meter(
            asked.request, asked.priced, admitted.quote, admitted.granted.amount_nanos, dialect.read_event
        )
        self.request_id = str(asked.hold_id)
        self.route: Route = asked.routes[0]
        self.answer: UpstreamAnswer | None = None
        self.opening: asyncio.Task[object] | None = None
        """The task that waits for the head of the answer."""
        self.ending: Ending | None = None
        self.stopped = False
        """Whether the upstream was cut by us."""
        self.why_stopped: Refused | GatewayFault | None = None
        """What the client is told about that, if anything."""
        self.goes_elsewhere = False
        """Whether the call is to be made anew, at another upstream's price: nobody has run it yet."""
        self.charge: Charge | None = None
        self.upstream_seconds = 0.0
        """What of the call's time was spent waiting for the upstream, or for the client to take a stream."""
        self._admission = admission
        self._entered: int | None = None
        """What the upstream's circuit let the call in with."""
        self._input_bound: RequestBound | None = None

    # --- stopping ----------------------------------------------------------------------------------------------------

    def stop(self, why: Refused | GatewayFault | None) -> None:
        """Cut the upstream at once; whoever reads it gets a fault. Safe to call at any time, and twice."""
        if not self.stopped:
            self.stopped = True
            self.why_stopped = why
            if self.opening is not None:
                self.opening.cancel()
        if self.answer is not None:
            self.answer.close()

    def client_gone(self) -> None:
        """The client left: by the mandate's wish the answer is read to its end within the hold, or stopped."""
        if self.asked.party.mandate.client_gone == "STOP":
            self.stop(None)

    def hold_lost(self) -> None:
        """The hold can no longer be kept: nobody would be left to charge what comes."""
        self.stop(ledger_unavailable(1))

    # --- the upstream's health ---------------------------------------------------------------------------------------

    def enter(self, route: Route) -> bool:
        """Take a route, where the circuit of its upstream allows it."""
        health = self.wiring.health
        entered = route.circuit(health).enter(health.now())
        if entered is not None:
            self.route, self._entered = route, entered
        return entered is not None

    def leave(self, verdict: Verdict) -> None:
        """The attempt has come to this; once its answer has begun, `note` may add to it."""
        if self._entered is not None:
            health = self.wiring.health
            self._changed(self.route.circuit(health).leave(self._entered, verdict, health.now()), verdict)

    def _note(self, verdict: Verdict) -> None:
        if self._entered is not None:
            health = self.wiring.health
            self._changed(self.route.circuit(health).note(self._entered, verdict, health.now()), verdict)

    def _changed(self, state: State | None, verdict: Verdict) -> None:
        if state is State.CLOSED:
            log.info("upstream_is_well_again", upstream=self.route.upstream.name)
        elif state is State.OPEN and verdict is Verdict.FAULT:
            self.wiring.alert("upstream_taken_out", self.ticket().facts())

    def broke_off(self, fault: UpstreamFault | EventTooLarge) -> None:
        """The upstream's answer never came, or not to its end."""
        if self.answer is not None:
            self._note(Verdict.FAULT)
        self.wiring.alert("upstream_broke_off", {"error": str(fault), **self.ticket().facts()})

    def complaint(self, status: int, code: str) -> GatewayFault:
        """The upstream does not like our account with it: the operator hears why, the client only that it is down.

        A 403 does not speak for all calls: it may be about the model that this one asked for.
        """
        if status != FORBIDDEN:
            self._note(Verdict.ACCOUNT)
        self.wiring.alert("upstream_rejects_our_account", {"status": status, "code": code, **self.ticket().facts()})
        return GatewayFault(
            FaultKind.UPSTREAM_UNAVAILABLE,
            "The provider of this model does not serve us at the moment; the operator has been told.",
            retry=False,
        )

    # --- more money --------------------------------------------------------------------------------------------------

    async def extend(self) -> Refused | GatewayFault | None:
        """Ask for the next slice; the reason why there is none, or `None` where there is."""
        party = self.asked.party
        try:
            if await self.wiring.identities.authenticate(party.key) is None:
                return unknown_key("The API key was revoked, or has expired.")
        except IdentityUnavailable as error:
            return ledger_unavailable(error.retry_after_seconds)
        wanted = self.meter.next_slice()
        command = Extend(
            mandate_id=party.mandate.mandate_id,
            hold_id=self.asked.hold_id,
            account_id=party.account_id,
            minimum_total_nanos=wanted.minimum_total_nanos,
            desired_total_nanos=wanted.desired_total_nanos,
            used_nanos=self.meter.used_nanos(await self.input_bound()),
        )
        outcome = await self._submit(command)
        if isinstance(outcome, Granted):
            self.meter.extended(outcome.amount_nanos)
            return None
        if isinstance(outcome, Rejected) and outcome.reason in SHORTAGES:
            return await self._admission.refused(self.asked, outcome, self.admitted.quote)
        if isinstance(outcome, Rejected) and outcome.reason is Reason.MANDATE_NOT_ACTIVE:
            return GatewayFault(FaultKind.FORBIDDEN, "The mandate is not active any more.")
        return ledger_unavailable(1)

    async def _submit(self, command: Extend) -> Outcome | None:
        for _ in range(TRIES):
            try:
                return await self.wiring.ledger.submit(command)
            except LedgerUnavailable as error:
                await asyncio.sleep(error.retry_after_seconds)
        return None

    # --- the end -----------------------------------------------------------------------------------------------------

    async def input_bound(self) -> RequestBound:
        """The input as counted by a tokenizer, once."""
        if self._input_bound is None:
            self._input_bound = await exact_bound(self.asked)
        return self._input_bound

    async def charged(self, ending: Ending) -> Charge:
        """What the call is charged, having ended so. Slow only where it must be estimated, and then in a thread."""
        self.ending = ending
        if not self.meter.needs_estimate(ending):
            if self.meter.needs_counting(ending):
                return await asyncio.to_thread(self.meter.charge, ending)
            return self.meter.charge(ending)
        return await asyncio.to_thread(self.meter.charge, ending, await self.input_bound())

    def final_charge(self) -> Charge | Callable[[], Awaitable[Charge]] | None:
        """For the settlement: the charge, or how to find it out, or `None` where the hold is released."""
        ending = self.ending
        if ending is None:
            return None
        return self.charge or (lambda: self.charged(ending))

    def ticket(self) -> Ticket:
        party = self.asked.party
        return Ticket(
            mandate_id=party.mandate.mandate_id,
            account_id=party.account_id,
            hold_id=self.asked.hold_id,
            model=self.asked.request.model,
            upstream=self.route.upstream.name,
        )
