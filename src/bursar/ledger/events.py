"""What the ledger has decided, as facts, and what each does to an account, a hold and a limit. Pure.

`apply_*` are the only functions that change a balance; `decide` only says which events happen.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from bursar.ledger.model import (
    Account,
    Extend,
    Hold,
    HoldState,
    LimitCounter,
    Reserve,
    TransferKind,
)


class HoldPlaced(msgspec.Struct, frozen=True, gc=False):
    command: Reserve
    hold: Hold


class HoldGrown(msgspec.Struct, frozen=True, gc=False):
    command: Extend
    before: Hold
    hold: Hold


class HoldResolved(msgspec.Struct, frozen=True, gc=False):
    """The hold leaves `PENDING`; its amount is free again. What it cost is a transfer of its own."""

    before: Hold
    hold: Hold


class HoldAdjusted(msgspec.Struct, frozen=True, gc=False):
    """What arrived after an expiry; happens once to a hold."""

    before: Hold
    hold: Hold


class Transferred(msgspec.Struct, frozen=True, gc=False):
    """One row of the journal. `source` is the command that carries what else is written on the row."""

    mandate_id: UUID
    transfer_id: UUID
    at: datetime
    kind: TransferKind
    debit_account_id: UUID
    credit_account_id: UUID
    amount_nanos: int
    source: object
    hold: Hold | None = None
    cost_source: str | None = None


Event = HoldPlaced | HoldGrown | HoldResolved | HoldAdjusted | Transferred


def with_pending(account: Account, change_nanos: int) -> Account:
    """Hold `change_nanos` more of the account (less, where negative)."""
    return Account(
        account.mandate_id,
        account.account_id,
        account.kind,
        account.credits_posted,
        account.debits_posted,
        account.debits_pending + change_nanos,
        account.version + 1,
        account.last_top_up_nanos,
    )


def debited(account: Account, amount_nanos: int) -> Account:
    return Account(
        account.mandate_id,
        account.account_id,
        account.kind,
        account.credits_posted,
        account.debits_posted + amount_nanos,
        account.debits_pending,
        account.version + 1,
        account.last_top_up_nanos,
    )


def credited(account: Account, amount_nanos: int, *, top_up: bool = False) -> Account:
    return Account(
        account.mandate_id,
        account.account_id,
        account.kind,
        account.credits_posted + amount_nanos,
        account.debits_posted,
        account.debits_pending,
        account.version + 1,
        amount_nanos if top_up else account.last_top_up_nanos,
    )


def with_leg(counter: LimitCounter, *, held_change: int, spent_change: int) -> LimitCounter:
    return LimitCounter(
        counter.mandate_id,
        counter.key,
        counter.scope,
        counter.scope_id,
        counter.period,
        counter.period_end,
        counter.amount_nanos,
        counter.spent_nanos + spent_change,
        counter.held_nanos + held_change,
        counter.in_force,
    )


def resolved(hold: Hold, state: HoldState, at: datetime, *, charged: int, overrun: int, adjusted: bool = False) -> Hold:
    """The hold after it left `PENDING`, or after what came late: that changes nothing about when it was resolved."""
    return Hold(
        hold.mandate_id,
        hold.hold_id,
        hold.account_id,
        state,
        hold.amount_nanos,
        hold.input_bound_nanos,
        hold.used_nanos,
        hold.legs,
        hold.expires_at,
        hold.ttl_seconds,
        hold.created_version,
        charged,
        overrun,
        adjusted,
        hold.resolved_at or at,
        hold.growths,
    )


def grown(hold: Hold, amount_nanos: int, used_nanos: int | None, expires_at: datetime) -> Hold:
    """A pending hold after an extension. What was used never becomes less, in whatever order extensions arrive."""
    if hold.used_nanos is not None:
        used_nanos = max(hold.used_nanos, used_nanos or 0)
    return Hold(
        hold.mandate_id,
        hold.hold_id,
        hold.account_id,
        hold.state,
        amount_nanos,
        hold.input_bound_nanos,
        used_nanos,
        hold.legs,
        expires_at,
        hold.ttl_seconds,
        hold.created_version,
        growths=hold.growths + (amount_nanos > hold.amount_nanos),
    )
