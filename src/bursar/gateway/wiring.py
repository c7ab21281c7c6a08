"""What the gateway is made of, given to it from outside; and what can change while it runs."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol, TypeAlias
from uuid import UUID

import msgspec
import structlog

from bursar.foundation.clock import Clock, SystemClock
from bursar.foundation.database import Database
from bursar.foundation.settings_model import Settings
from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.dialects.count_tokens import COUNT_TOKENS
from bursar.gateway.dialects.embeddings import EMBEDDINGS
from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.responses import RESPONSES
from bursar.gateway.dialects.seam import Dialect
from bursar.gateway.health import UpstreamHealth
from bursar.gateway.upstream_http import UpstreamClient
from bursar.gateway.upstreams import UpstreamTable
from bursar.identity.principal import Caller, Person
from bursar.ledger.model import Command, Outcome
from bursar.pricing.catalogue import Catalogue
from bursar.pricing.model import Usage
from bursar.pricing.quote import QuoteSettings

DIALECTS: Final[tuple[Dialect, ...]] = (CHAT_COMPLETIONS, RESPONSES, EMBEDDINGS, MESSAGES, COUNT_TOKENS)

log = structlog.get_logger(__name__)


class Unnamed(Protocol):
    """The answer for a name that belongs to nobody (`identity.authenticator.Unknown`)."""

    @property
    def name(self) -> str: ...


class Identities(Protocol):
    """Who is calling (`identity.authenticator.Authenticator`)."""

    async def authenticate(self, presented_key: str) -> Caller | None: ...
    async def person_for(self, caller: Caller, x_bursar_user: str) -> Person | Unnamed: ...


class Heartbeats(Protocol):
    """The holds of live calls (`Ledger.liveness`)."""

    def keep_alive(
        self, mandate_id: UUID, hold_id: UUID, ttl_seconds: int, on_lost: Callable[[], None] | None = None
    ) -> None: ...
    def let_go(self, hold_id: UUID) -> None: ...


class Books(Protocol):
    """The ledger (`ledger.engine.Ledger`)."""

    @property
    def liveness(self) -> Heartbeats: ...
    async def submit(self, command: Command) -> Outcome: ...


NotifiedAt: TypeAlias = Callable[[UUID, UUID], Awaitable[datetime | None]]
"""Mandate, account → when finance was told of its current shortage."""

Alert: TypeAlias = Callable[[str, Mapping[str, Any]], None]
"""Something that an operator should look at: an event's name, and what is known of it."""


async def nobody_was_told(mandate_id: UUID, account_id: UUID) -> datetime | None:
    return None


def log_alert(event: str, facts: Mapping[str, Any]) -> None:
    """Alerts go to the log, whoever else listens."""
    log.error(event, alert="operator", **facts)


class CallRecord(msgspec.Struct, frozen=True):
    """One finished call, for metrics. `own_seconds` is the gateway's part of its time, without the upstream's."""

    request_id: UUID
    dialect: str
    model: str | None
    """`None` where the call came to nothing before it had one; so with `upstream`."""
    upstream: str | None
    status: int
    streamed: bool
    outcome: str
    """`complete`, `drained`, `stopped`, `broken`, `upstream_error`, or a refusal's reason or a fault's code."""
    own_seconds: float
    total_seconds: float
    mandate_id: UUID | None = None
    """`None` where nobody knows yet who calls; the usage, where the provider has reported none."""
    usage: Usage | None = None
    trace_parent: str | None = None
    """The caller's `traceparent` (W3C Trace Context), as it was sent."""


def unobserved(record: CallRecord) -> None:
    """Nobody counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What is read again on SIGHUP: swapped as a whole by `Gateway.reconfigure`; running calls keep theirs."""

    catalogue: Catalogue
    upstreams: UpstreamTable
    quotes: QuoteSettings
    unpriced_fields: frozenset[str]
    max_body_bytes: int
    hold_ttl_seconds: int

    @classmethod
    def from_settings(cls, settings: Settings) -> Configuration:
        """Raises `ValueError` for an upstream whose URL cannot be addressed."""
        return cls(
            catalogue=Catalogue.from_settings(settings.pricing),
            upstreams=UpstreamTable(settings.upstreams, DIALECTS),
            quotes=QuoteSettings(settings.minimum_output_tokens, settings.default_output_tokens),
            unpriced_fields=frozenset(settings.unpriced_fields),
            max_body_bytes=settings.max_body_bytes,
            hold_ttl_seconds=settings.hold_ttl_seconds,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayWiring:
    """Everything that the gateway needs and does not make by itself."""

    database: Database
    ledger: Books
    identities: Identities
    configuration: Configuration
    public_url: str
    client: UpstreamClient = field(default_factory=UpstreamClient)
    health: UpstreamHealth = field(default_factory=lambda: UpstreamHealth(time.monotonic))
    clock: Clock = field(default_factory=SystemClock)
    notified_at: NotifiedAt = nobody_was_told
    alert: Alert = log_alert
    on_finished: Callable[[CallRecord], None] = unobserved
    top_up_enabled: bool = True
    workers: int = 1
    """How many share one installation's rates."""
    client_stall_seconds: float = 60.0
    """How long a client may leave its answer unread before it counts as gone."""
