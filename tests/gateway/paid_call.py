"""A call whose ledger is a purse, an upstream's answer in given pieces, and a client that may leave: no I/O at all."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from uuid import UUID

from bursar.foundation.ids import new_id
from bursar.gateway.admission import Admitted, Asked, Refused
from bursar.gateway.call import Call
from bursar.gateway.dialects.seam import CallRequest, Dialect, FaultKind, GatewayFault
from bursar.gateway.meter import Slice
from bursar.gateway.upstream_target import FaultReason, FaultStage, UpstreamFault
from bursar.ledger.model import Granted
from bursar.pricing.quote import Quote, QuoteSettings, RequestBound, quote
from tests.gateway.test_meter import PRICED

SETTINGS = QuoteSettings(minimum_output_tokens=16, default_output_tokens=20)
NO_MORE = "no more"
MANDATE: Any = type("Mandate", (), {"client_gone": "DRAIN", "mandate_id": UUID(int=1)})
PARTY: Any = type("Party", (), {"mandate": MANDATE, "account_id": UUID(int=1)})
ROUTE: Any = type("Route", (), {"upstream": type("Upstream", (), {"name": "up"})})


class Answer:
    """An upstream's answer in given pieces; at its end it is whole, or breaks off. Others may run between two pieces
    (`yields` says before which)."""

    def __init__(self, pieces: list[bytes], *, breaks: bool, yields: frozenset[int] = frozenset()) -> None:
        self._pieces = pieces
        self._next = 0
        self._breaks = breaks
        self._yields = yields
        self._ends_with_a_piece = len(pieces) % 2 == 0
        self.closed = False

    @property
    def ended(self) -> bool:
        """An end may come together with the last piece, or later."""
        return self._ends_with_a_piece and self._next == len(self._pieces) and not self._breaks

    async def next_chunk(self) -> bytes:
        if self._next in self._yields:
            await asyncio.sleep(0)
        if self.closed:
            raise UpstreamFault(FaultStage.BODY, FaultReason.CLOSED)
        if self._next < len(self._pieces):
            self._next += 1
            return self._pieces[self._next - 1]
        if self._breaks:
            raise UpstreamFault(FaultStage.BODY, FaultReason.RESET)
        return b""

    def close(self) -> None:
        self.closed = True


@dataclass
class Reader:
    """A client that leaves after some writes."""

    leaves_after: int | None
    got: bytes = b""
    writes: int = 0
    gone: bool = False

    async def start(self, status: int, headers: Any) -> None: ...

    async def write(self, body: bytes, *, more: bool) -> None:
        if self.gone:
            return
        self.got += body
        self.writes += 1
        self.gone = self.writes == self.leaves_after


@dataclass
class Alerts:
    raised: list[str] = field(default_factory=list)

    def alert(self, event: str, facts: Mapping[str, Any]) -> None:
        self.raised.append(event)


@dataclass
class Purse:
    """What is left for all calls that share it."""

    left_nanos: int

    def take(self, minimum_nanos: int, desired_nanos: int) -> int | None:
        if self.left_nanos < minimum_nanos:
            return None
        taken = min(desired_nanos, self.left_nanos)
        self.left_nanos -= taken
        return taken


@lru_cache(maxsize=64)
def asked_for(dialect_name: str, body: bytes) -> tuple[CallRequest, RequestBound, Quote]:
    from bursar.gateway.wiring import DIALECTS

    dialect = next(each for each in DIALECTS if each.name == dialect_name)
    request = dialect.read_request(body, frozenset())
    bound = request.bounds(PRICED.facts, exact=True)
    return request, bound, quote(PRICED, bound, SETTINGS)


class PaidCall(Call):
    """A call that a purse pays for. Raises `ValueError` where the purse has not enough for the least."""

    def __init__(self, dialect: Dialect, body: bytes, purse: Purse) -> None:
        request, self.bound, wanted = asked_for(dialect.name, body)
        held = purse.take(wanted.minimum_nanos, wanted.desired_nanos)
        if held is None:
            raise ValueError("the purse is empty")
        granted = Granted(new_id(), held, None, None)  # type: ignore[arg-type]
        asked = Asked(new_id(), None, body, PARTY, request, (ROUTE,), (), PRICED, None, None)  # type: ignore[arg-type]
        wiring: Any = Alerts()
        super().__init__(wiring, None, dialect, Admitted(asked, wanted, granted))  # type: ignore[arg-type]
        self.purse = purse
        self.extensions = 0

    @property
    def raised(self) -> list[str]:
        return self.wiring.raised  # type: ignore[attr-defined, no-any-return]

    async def extend(self) -> Refused | GatewayFault | None:
        wanted: Slice = self.meter.next_slice()
        held = self.meter.held_nanos
        self.extensions += 1
        more = self.purse.take(wanted.minimum_total_nanos - held, wanted.desired_total_nanos - held)
        if more is None:
            return GatewayFault(FaultKind.RATE_LIMITED, NO_MORE)
        self.meter.extended(held + more)
        return None
