"""Who is calling, and on whose account: what every other room needs to know of a caller. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal
from uuid import UUID

Role = Literal["owner", "finance", "member"]
CallerKind = Literal["user", "service", "admin", "root", "session"]
MandateStatus = Literal["active", "suspended", "closed"]
BillingModelName = Literal["PREPAY_MANDATE", "PREPAY_USER", "POSTPAY", "UNLIMITED"]
ClientGone = Literal["DRAIN", "STOP"]


@dataclass(frozen=True, slots=True)
class Rates:
    """What a mandate or a key may do beside money; `None` does not limit."""

    calls_per_minute: int | None = None
    concurrent_calls: int | None = None
    held_nanos: int | None = None
    """The most that its calls may hold at once when another one begins."""


NO_RATES: Final = Rates()


@dataclass(frozen=True, slots=True)
class MandateFacts:
    """A mandate and its billing settings, as last read; the ledger reads the money terms again under its lock."""

    mandate_id: UUID
    name: str
    currency: str
    status: MandateStatus
    language: str
    time_zone: str
    billing_model: BillingModelName
    credit_limit_nanos: int | None
    markup_percent: Decimal | None
    """The mandate's own markup; `None` takes the installation's."""
    allowed_models: tuple[str, ...] | None
    client_gone: ClientGone
    users_on_first_sight: bool
    notify_emails: tuple[str, ...]
    notify_language: str | None
    notify_wallet_exhausted: bool = False
    rates: Rates = NO_RATES


@dataclass(frozen=True, slots=True)
class Person:
    """The user whom a call is for: payer, limits, language and statement are theirs."""

    user_id: UUID
    role: Role
    language: str | None
    display_name: str
    email: str | None = None
    external_id: str | None = None


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated caller. `person` is the key's user, or the one whom a service key names by `x-bursar-user`."""

    kind: CallerKind
    mandate: MandateFacts | None
    """`None` only for the root key and an operator's session, which belong to no mandate."""
    key_id: UUID | None
    key_name: str | None
    person: Person | None
    identity_id: UUID | None = None
    """Who signed in; only of a session."""
    operates: bool = False
    """Whether the session is an operator's: then it belongs to no mandate, and works in all of them."""
    allowed_models: tuple[str, ...] | None = None
    """Names and globs that the key is narrowed to, beside what the mandate may use; `None` does not narrow."""
    read_only_billing: bool = False
    """Whether the key may only read what is about money."""
    rates: Rates = NO_RATES
    """The key's own, beside the mandate's."""

    @property
    def actor(self) -> str:
        """Who it was, for the journal and the scope of idempotency keys: an id, never a name."""
        if self.key_id is not None:
            return f"key:{self.key_id}"
        if self.person is not None and not self.operates:
            return f"user:{self.person.user_id}"
        return f"identity:{self.identity_id}" if self.identity_id is not None else self.kind
