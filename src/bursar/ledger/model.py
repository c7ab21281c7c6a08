"""The ledger's words: commands that come in, outcomes that go out, and the state between them. Pure.

All amounts are nanos (10⁻⁹ of the mandate's currency). Times are the database's.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal
from uuid import UUID

import msgspec

Payer = Literal["pool", "wallet"]
AccountKind = Literal["pool", "wallet", "funding", "revenue", "overrun_loss"]
LimitScope = Literal["mandate", "user", "key", "model"]
Period = Literal["day", "week", "month", "total"]
HoldState = Literal["PENDING", "SETTLED", "RELEASED", "EXPIRED"]
BillingModelName = Literal["PREPAY_MANDATE", "PREPAY_USER", "POSTPAY", "UNLIMITED"]

LIMIT_SCOPES_IN_ORDER: tuple[LimitScope, ...] = ("key", "user", "model", "mandate")
"""The order in which limits are looked at, so that the narrowest one that is reached is named."""


class CostSource(StrEnum):
    """How the figure of a charge was had."""

    PROVIDER_USAGE = "PROVIDER_USAGE"
    DRAINED = "DRAINED"
    ESTIMATED = "ESTIMATED"
    REPORTED = "REPORTED"
    """By the application itself, over the holds API."""
    LAST_RECORDED = "LAST_RECORDED"
    """By the reaper: what the dead worker had last recorded."""
    INPUT_BOUND = "INPUT_BOUND"
    """By the reaper: nothing was recorded, so the bound of the input."""


class TransferKind(StrEnum):
    CHARGE = "CHARGE"
    OVERRUN = "OVERRUN"
    LATE_ADJUSTMENT = "LATE_ADJUSTMENT"
    TOP_UP = "TOP_UP"
    CORRECTION = "CORRECTION"
    REFUND = "REFUND"
    WALLET_TRANSFER = "WALLET_TRANSFER"


class Reason(StrEnum):
    """Why the ledger says no. The first four are for people and programs, the rest for the layer that asked."""

    BALANCE_EXHAUSTED = "BALANCE_EXHAUSTED"
    REQUEST_TOO_LARGE = "REQUEST_TOO_LARGE"
    LIMIT_REACHED = "LIMIT_REACHED"
    FUNDS_HELD = "FUNDS_HELD"
    MANDATE_NOT_ACTIVE = "MANDATE_NOT_ACTIVE"
    TERMS_CHANGED = "TERMS_CHANGED"
    """The billing model is another one than the caller assumed: look again and ask again."""
    HOLD_NOT_FOUND = "HOLD_NOT_FOUND"
    HOLD_RESOLVED = "HOLD_RESOLVED"
    NOT_DUE = "NOT_DUE"
    IDEMPOTENCY_CONFLICT = "IDEMPOTENCY_CONFLICT"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    """A refund, correction or wallet transfer of more than is available."""
    OUT_OF_RANGE = "OUT_OF_RANGE"
    LIMIT_EXISTS = "LIMIT_EXISTS"
    """There is a limit of this scope and period already: its amount can be changed."""
    LIMIT_NOT_FOUND = "LIMIT_NOT_FOUND"
    LIMIT_CHANGED = "LIMIT_CHANGED"
    """Not the version any more that the change is based on."""


SHORTAGES = frozenset({Reason.BALANCE_EXHAUSTED, Reason.REQUEST_TOO_LARGE, Reason.LIMIT_REACHED, Reason.FUNDS_HELD})


# --- state -----------------------------------------------------------------------------------------------------------


class Account(msgspec.Struct, frozen=True, gc=False):
    mandate_id: UUID
    account_id: UUID
    kind: AccountKind
    credits_posted: int = 0
    debits_posted: int = 0
    debits_pending: int = 0
    version: int = 0
    last_top_up_nanos: int = 0

    @property
    def balance(self) -> int:
        """What is posted: credits less debits, whether held or not."""
        return self.credits_posted - self.debits_posted


class Terms(msgspec.Struct, frozen=True, gc=False):
    """What a mandate has agreed to, as read under its account's lock."""

    mandate_id: UUID
    active: bool
    billing_model: BillingModelName
    credit_limit_nanos: int
    """The line in force: the mandate's `creditLimit` under `POSTPAY`, else zero."""
    exhausted_below_nanos: int | None
    max_hold_share_percent: int


class LimitKey(msgspec.Struct, frozen=True, gc=False):
    """A limit's counter: the limit and the period's first moment."""

    limit_id: UUID
    period_start: datetime


class LimitCounter(msgspec.Struct, frozen=True, gc=False):
    mandate_id: UUID
    key: LimitKey
    scope: LimitScope
    scope_id: str
    period: Period
    period_end: datetime
    amount_nanos: int
    spent_nanos: int
    held_nanos: int
    in_force: bool = True
    """A deleted limit still counts the holds that have a leg in it, and refuses nothing any more."""


class Hold(msgspec.Struct, frozen=True, gc=False):
    mandate_id: UUID
    hold_id: UUID
    account_id: UUID
    state: HoldState
    amount_nanos: int
    input_bound_nanos: int
    used_nanos: int | None
    legs: tuple[LimitKey, ...]
    expires_at: datetime
    ttl_seconds: int
    created_version: int
    charged_nanos: int | None = None
    overrun_nanos: int | None = None
    adjusted: bool = False
    resolved_at: datetime | None = None
    growths: int = 0
    """How often its amount has grown: each counts the account's version up by one."""


# --- commands --------------------------------------------------------------------------------------------------------


class IdempotencyKey(msgspec.Struct, frozen=True):
    """Makes a command safe to send again: the same key with the same body answers the same, another body conflicts."""

    caller: str
    route: str
    key: str
    body_hash: bytes
    keep_for_ever: bool = False


class Reserve(msgspec.Struct, frozen=True, kw_only=True):
    """Set money aside for one call: something from `minimum_nanos` to `desired_nanos`, or nothing at all.

    `input_bound_nanos` is what the reaper charges if the worker dies without having recorded any usage.
    `price_id` names a row of `price`; the caller makes sure that it exists.
    """

    mandate_id: UUID
    hold_id: UUID
    account_id: UUID
    payer: Payer
    billing_model: BillingModelName
    minimum_nanos: int
    desired_nanos: int
    input_bound_nanos: int = 0
    ttl_seconds: int = 60
    user_id: UUID | None = None
    key_id: UUID | None = None
    model: str | None = None
    upstream: str | None = None
    price_id: UUID | None = None
    tags: Mapping[str, str] | None = None
    origin: Literal["gateway", "api"] = "gateway"
    idempotency: IdempotencyKey | None = None


class Extend(msgspec.Struct, frozen=True, kw_only=True):
    """Grow a hold to at least `minimum_total_nanos`, and record what was used up to now.

    Totals, not differences, so that the same command again changes nothing.
    """

    mandate_id: UUID
    hold_id: UUID
    account_id: UUID
    minimum_total_nanos: int
    desired_total_nanos: int
    used_nanos: int | None = None
    idempotency: IdempotencyKey | None = None


class Settle(msgspec.Struct, frozen=True, kw_only=True):
    """Post what a call cost (`actual_nanos`) and free the rest of its hold."""

    mandate_id: UUID
    hold_id: UUID
    account_id: UUID
    transfer_id: UUID
    actual_nanos: int
    cost_source: CostSource
    upstream: str | None = None
    model: str | None = None
    """Only where it is another one than the hold's."""
    input_tokens: int | None = None
    cached_input_tokens: int | None = None
    output_tokens: int | None = None
    usage_details: Mapping[str, Any] | None = None
    tags: Mapping[str, str] | None = None
    """Only where they are others than the hold's."""
    idempotency: IdempotencyKey | None = None


class Release(msgspec.Struct, frozen=True, kw_only=True):
    mandate_id: UUID
    hold_id: UUID
    account_id: UUID
    idempotency: IdempotencyKey | None = None


class Expire(msgspec.Struct, frozen=True, kw_only=True):
    """The reaper's command: settle a hold whose worker has let it run out."""

    mandate_id: UUID
    hold_id: UUID
    account_id: UUID
    transfer_id: UUID


class Post(msgspec.Struct, frozen=True, kw_only=True):
    """Money in or out, by an operator or a payment provider; `amount_nanos` is signed for corrections only."""

    mandate_id: UUID
    transfer_id: UUID
    account_id: UUID
    payer: Payer
    kind: TransferKind
    """`TOP_UP`, `CORRECTION` or `REFUND`."""
    amount_nanos: int
    reference: str | None = None
    reason: str | None = None
    actor: str | None = None
    user_id: UUID | None = None
    idempotency: IdempotencyKey | None = None


class MoveToWallet(msgspec.Struct, frozen=True, kw_only=True):
    """Pool to wallet; with a negative amount, back."""

    mandate_id: UUID
    transfer_id: UUID
    account_id: UUID
    """The pool's, as everywhere the first account of the command."""
    wallet_id: UUID
    amount_nanos: int
    reference: str | None = None
    actor: str | None = None
    idempotency: IdempotencyKey | None = None


Command = Reserve | Extend | Settle | Release | Expire | Post | MoveToWallet


# --- outcomes --------------------------------------------------------------------------------------------------------


class Granted(msgspec.Struct, frozen=True, tag=True):
    hold_id: UUID
    amount_nanos: int
    """What the hold is worth now, in all."""
    expires_at: datetime
    available_nanos: int | None
    """What the payer had before this hold; `None` where nothing limits it, or in a repeated answer."""


class Settled(msgspec.Struct, frozen=True, tag=True):
    hold_id: UUID
    state: HoldState
    charged_nanos: int
    overrun_nanos: int


class Posted(msgspec.Struct, frozen=True, tag=True):
    transfer_id: UUID
    at: datetime
    balance_nanos: int | None


class ReachedLimit(msgspec.Struct, frozen=True):
    limit_id: UUID
    scope: LimitScope
    scope_id: str
    period: Period
    amount_nanos: int
    spent_nanos: int
    resets_at: datetime | None


class Rejected(msgspec.Struct, frozen=True):
    """A business "no", with the figures that the billing object needs."""

    reason: Reason
    required_nanos: int = 0
    available_nanos: int = 0
    """Of the payer at that moment: what is neither spent nor held (with the credit line)."""
    held_nanos: int = 0
    limit: ReachedLimit | None = None
    retry_after_seconds: int | None = None
    detail: str | None = None


class LimitSet(msgspec.Struct, frozen=True):
    """A limit as it stands after it was made, changed or deleted. Amounts in nanos, of the period that is running."""

    limit_id: UUID
    scope: LimitScope
    scope_id: str
    period: Period
    amount_nanos: int
    spent_nanos: int
    held_nanos: int
    resets_at: datetime | None


Accepted = Granted | Settled | Posted
Outcome = Granted | Settled | Posted | Rejected


class Refusal(msgspec.Struct, frozen=True):
    """A denial for lack of money, for whoever keeps the mandate's alerts in the same transaction.

    `required_nanos` is what the call needs in all: of one that was to grow, what it holds already included.
    """

    mandate_id: UUID
    account_id: UUID
    payer: Payer
    reason: Reason
    required_nanos: int
    available_nanos: int
    user_id: UUID | None
    key_id: UUID | None
    calls: int = 1
    """More than one where equal refusals were answered from memory and are counted here in one go."""


class Funding(msgspec.Struct, frozen=True):
    """Money came into an account: whatever shortage there was is over."""

    mandate_id: UUID
    account_id: UUID
    balance_nanos: int
