"""The relay: carries one admitted call to an upstream and its answer back, and says once how it ended.

Whatever happens in between, the call's one `finally` hands its hold over to be settled or released.
"""

from __future__ import annotations

import time
from typing import Final

import structlog

from bursar.foundation.money import format_amount
from bursar.gateway.asgi import EVENT_STREAM, Client
from bursar.gateway.call import Call
from bursar.gateway.dialects.seam import ErrorAnswer, FaultKind, GatewayFault, Header
from bursar.gateway.meter import Ending
from bursar.gateway.opening import Declined, open_answer
from bursar.gateway.settlements import Settlements
from bursar.gateway.streams import StreamPasser
from bursar.gateway.upstream_http import UpstreamAnswer
from bursar.gateway.upstream_target import FaultReason, FaultStage, UpstreamFault
from bursar.pricing.quote import clamped_output_tokens

log = structlog.get_logger(__name__)

PASSED_BACK: Final = frozenset({b"content-type", b"content-language"})
"""Headers of an upstream that come back in every dialect; nothing about its cookies, limits or organisation does."""


async def relay(call: Call, client: Client, settlements: Settlements) -> None:
    """Carry the call to its end. Raises nothing but cancellation."""
    liveness, asked = call.wiring.ledger.liveness, call.asked
    mandate_id, ttl_seconds = asked.party.mandate.mandate_id, asked.configuration.hold_ttl_seconds
    liveness.keep_alive(mandate_id, asked.hold_id, ttl_seconds, call.hold_lost)
    clock = time.perf_counter  # The event loop's own clock is one of whole milliseconds.
    began_seconds = clock()
    try:
        answer = await open_answer(call)
        call.upstream_seconds = clock() - began_seconds
        if isinstance(answer, Declined):
            call.goes_elsewhere = answer.elsewhere and _may_go_elsewhere(call, client)
            if not call.goes_elsewhere:
                await client.answer(_error(call, answer))
        elif any(name == b"content-encoding" and value.lower() != b"identity" for name, value in answer.headers):
            # It was asked for identity: what cannot be read cannot be metered.
            raise UpstreamFault(FaultStage.BODY, FaultReason.PROTOCOL, "the answer is encoded")
        elif answer.content_type.lower().startswith(EVENT_STREAM):
            await StreamPasser(call, client, answer).run(answer.status, _headers(call, answer))
            call.upstream_seconds = clock() - began_seconds
        else:
            await _pass_whole(call, client, answer)
    except UpstreamFault as fault:
        call.goes_elsewhere = _may_go_elsewhere(call, client)
        if not call.goes_elsewhere:
            await client.answer(_fault_answer(call, _no_answer(call, fault)))
    except Exception:
        log.exception("call_failed", **call.ticket().facts())
        if not client.status:
            await client.answer(_fault_answer(call, GatewayFault(FaultKind.INTERNAL, "The gateway failed.")))
    finally:
        client.close()
        if call.answer is not None:
            call.answer.close()
        settlements.settle(call.ticket(), call.final_charge())


def _may_go_elsewhere(call: Call, client: Client) -> bool:
    """Whether there are upstreams at another price, and surely none has run the call yet."""
    nobody_has_run_it = call.ending is None and not client.status
    return nobody_has_run_it and bool(call.asked.dearer_or_cheaper) and not call.stopped and not client.gone


# --- back to the client ----------------------------------------------------------------------------------------------


async def _pass_whole(call: Call, client: Client, answer: UpstreamAnswer) -> None:
    body = await answer.read()
    reading = call.dialect.read_body(body)
    call.meter.add(reading)
    if reading.is_error and not call.meter.produced_anything and not call.meter.has_usage:
        call.ending = None
        error = call.dialect.read_error(answer.status, body)
        if error.about_our_account:
            await client.answer(_fault_answer(call, call.complaint(answer.status, error.code)))
            return
        charge = None
    else:
        charge = call.charge = await call.charged(Ending.DRAINED if client.gone else Ending.COMPLETE)
    headers = _headers(call, answer)
    headers.append((b"content-length", str(len(body)).encode()))
    headers.append((b"x-bursar-cost", format_amount(charge.actual_nanos if charge is not None else 0).encode()))
    headers.append((b"x-bursar-currency", call.asked.party.mandate.currency.encode()))
    available = call.admitted.granted.available_nanos
    if available is not None and call.asked.party.sees_account:
        headers.append((b"x-bursar-available", format_amount(available).encode()))
    await client.start(answer.status, headers)
    await client.write(body, more=False)


def _headers(call: Call, answer: UpstreamAnswer) -> list[Header]:
    """What of the upstream's headers passes, and ours."""
    headers = _passed_back(call, answer.headers)
    clamped = clamped_output_tokens(call.admitted.quote, call.admitted.granted.amount_nanos)
    if clamped is not None:
        headers.append((b"x-bursar-output-clamped", str(clamped).encode()))
    return headers


def _passed_back(call: Call, given: list[Header]) -> list[Header]:
    """What of the upstream's headers passes, and the call's id."""
    passed = call.dialect.response_headers
    headers = [header for header in given if header[0] in PASSED_BACK or header[0] in passed]
    headers.extend((name, call.request_id.encode()) for name in call.dialect.identity_headers)
    return headers


def _error(call: Call, declined: Declined) -> ErrorAnswer:
    """An upstream's error, for the client: as it came if it has the dialect's shape, else put into it."""
    status, error = declined.status, declined.error
    if status < 400:
        call.wiring.alert("upstream_redirects", {"status": status, **call.ticket().facts()})
        return _fault_answer(
            call, GatewayFault(FaultKind.UPSTREAM_UNAVAILABLE, "The upstream is elsewhere.", retry=False)
        )
    if error.about_our_account:
        return _fault_answer(call, call.complaint(status, error.code))
    if not error.in_shape:
        shaped = _fault_answer(
            call, GatewayFault(FaultKind.UPSTREAM_ERROR, f"The upstream answered {status}.", status=status)
        )
    else:
        shaped = ErrorAnswer(status, tuple(_passed_back(call, declined.headers)), declined.body)
    if declined.retry_after is None:
        return shaped
    return shaped._replace(headers=(*shaped.headers, (b"retry-after", declined.retry_after)))


def _no_answer(call: Call, fault: UpstreamFault) -> GatewayFault:
    """The fault that an upstream without an answer is told as. Where it may have run, clients should not try again."""
    if call.stopped:
        if fault.sent:
            call.ending = Ending.STOPPED
        if isinstance(call.why_stopped, GatewayFault):
            return call.why_stopped
    elif fault.sent:
        call.broke_off(fault)
    message = "The provider of this model cannot be reached."
    if fault.sent:
        message = "The provider of this model did not answer; it may have run, so its input is charged."
    return GatewayFault(FaultKind.UPSTREAM_UNAVAILABLE, message, retry=False if fault.sent else None)


def _fault_answer(call: Call, fault: GatewayFault) -> ErrorAnswer:
    return call.dialect.fault(fault, call.request_id)
