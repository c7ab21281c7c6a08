"""Settling, releasing, expiring: how a hold ends, who bears what, and what may still come late. Pure."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from bursar.foundation.money import MAX_AMOUNT_NANOS
from bursar.ledger.books import Books
from bursar.ledger.decision import HIGHEST_NANOS, Decision, available, is_unlimited, no, operator
from bursar.ledger.events import Event, HoldAdjusted, HoldResolved, Transferred, resolved
from bursar.ledger.model import (
    CostSource,
    Expire,
    Hold,
    Reason,
    Release,
    Settle,
    Settled,
    TransferKind,
)


def settle(books: Books, command: Settle, at: datetime) -> Decision:
    hold = books.holds.get((command.mandate_id, command.hold_id))
    if hold is None or hold.account_id != command.account_id:
        return no(Reason.HOLD_NOT_FOUND)
    if hold.state == "EXPIRED" and not hold.adjusted:
        return _adjust(books, command, hold, at)
    if hold.state == "RELEASED":
        return no(Reason.HOLD_RESOLVED)
    if hold.state != "PENDING":
        return Decision((), _settled(hold))
    if not _fits(books, hold, command.actual_nanos):
        return no(Reason.OUT_OF_RANGE)
    charge = min(command.actual_nanos, hold.amount_nanos + _spare(books, hold))
    after = resolved(hold, "SETTLED", at, charged=charge, overrun=command.actual_nanos - charge)
    charged = _charge(hold, command.transfer_id, TransferKind.CHARGE, charge, at, command, command.cost_source)
    return Decision((HoldResolved(hold, after), charged, *_overrun(after, command, at)), _settled(after))


def _adjust(books: Books, command: Settle, hold: Hold, at: datetime) -> Decision:
    """The settle of a call whose hold had expired: the difference to what the reaper charged, once."""
    charged = hold.charged_nanos or 0
    difference = command.actual_nanos - charged
    if not _fits(books, hold, abs(difference)):
        return no(Reason.OUT_OF_RANGE)
    late = min(difference, _spare(books, hold)) if difference > 0 else difference
    after = resolved(hold, "EXPIRED", at, charged=charged + late, overrun=max(0, difference - late), adjusted=True)
    events: list[Event] = [HoldAdjusted(hold, after)]
    if late:
        kind = TransferKind.LATE_ADJUSTMENT
        events.append(_charge(hold, command.transfer_id, kind, late, at, command, command.cost_source))
    events.extend(_overrun(after, command, at))
    return Decision(tuple(events), _settled(after))


def _spare(books: Books, hold: Hold) -> int:
    """What the payer can bear beyond the hold. Another call's hold is never touched."""
    terms = books.terms_of(hold.mandate_id)
    account = books.accounts[hold.mandate_id, hold.account_id]
    return MAX_AMOUNT_NANOS if is_unlimited(account, terms) else max(0, available(account, terms))


def _fits(books: Books, hold: Hold, amount: int) -> bool:
    """Whether `amount` can be posted between the payer, revenue and `overrun_loss`, in whatever direction and parts."""
    highest = 0
    for account_id in (hold.account_id, *_operators(hold.mandate_id)):
        account = books.accounts[hold.mandate_id, account_id]
        highest = max(highest, account.debits_posted, account.credits_posted)
    return highest + amount <= HIGHEST_NANOS


def _operators(mandate_id: UUID) -> tuple[UUID, UUID]:
    return operator(mandate_id, "revenue"), operator(mandate_id, "overrun_loss")


def _charge(
    hold: Hold,
    transfer_id: UUID,
    kind: TransferKind,
    amount: int,
    at: datetime,
    source: object,
    cost_source: str,
) -> Transferred:
    """Payer to revenue; a negative amount goes back the other way."""
    payer, revenue = hold.account_id, operator(hold.mandate_id, "revenue")
    debit, credit = (payer, revenue) if amount >= 0 else (revenue, payer)
    return Transferred(hold.mandate_id, transfer_id, at, kind, debit, credit, abs(amount), source, hold, cost_source)


def _overrun(hold: Hold, command: Settle, at: datetime) -> tuple[Transferred, ...]:
    if not hold.overrun_nanos:
        return ()
    return (
        Transferred(
            hold.mandate_id,
            second_transfer_id(command.transfer_id),
            at,
            TransferKind.OVERRUN,
            operator(hold.mandate_id, "overrun_loss"),
            operator(hold.mandate_id, "revenue"),
            hold.overrun_nanos,
            command,
            hold,
            command.cost_source,
        ),
    )


def second_transfer_id(transfer_id: UUID) -> UUID:
    """The id of the overrun that belongs to a charge: its own, one bit apart, so that no second id need be carried."""
    return UUID(int=transfer_id.int ^ 1)


def _settled(hold: Hold) -> Settled:
    return Settled(hold.hold_id, hold.state, hold.charged_nanos or 0, hold.overrun_nanos or 0)


def release(books: Books, command: Release, at: datetime) -> Decision:
    hold = books.holds.get((command.mandate_id, command.hold_id))
    if hold is None or hold.account_id != command.account_id:
        return no(Reason.HOLD_NOT_FOUND)
    if hold.state == "EXPIRED" and not hold.adjusted and hold.charged_nanos:
        nothing = Settle(
            mandate_id=hold.mandate_id,
            hold_id=hold.hold_id,
            account_id=hold.account_id,
            transfer_id=second_transfer_id(hold.hold_id),
            actual_nanos=0,
            cost_source=CostSource.REPORTED,
        )
        return _adjust(books, nothing, hold, at)
    if hold.state != "PENDING":
        return Decision((), _settled(hold))
    after = resolved(hold, "RELEASED", at, charged=0, overrun=0)
    return Decision((HoldResolved(hold, after),), _settled(after))


def expire(books: Books, command: Expire, at: datetime) -> Decision:
    hold = books.holds.get((command.mandate_id, command.hold_id))
    if hold is None or hold.account_id != command.account_id:
        return no(Reason.HOLD_NOT_FOUND)
    if hold.state != "PENDING":
        return Decision((), _settled(hold))
    if hold.expires_at > at:
        return no(Reason.NOT_DUE)
    recorded = hold.used_nanos is not None
    used = hold.used_nanos if hold.used_nanos is not None else hold.input_bound_nanos
    charge = min(used, hold.amount_nanos)
    if not _fits(books, hold, charge):
        return no(Reason.OUT_OF_RANGE)
    after = resolved(hold, "EXPIRED", at, charged=charge, overrun=0)
    events: list[Event] = [HoldResolved(hold, after)]
    if charge:
        cost_source = CostSource.LAST_RECORDED if recorded else CostSource.INPUT_BOUND
        events.append(_charge(hold, command.transfer_id, TransferKind.CHARGE, charge, at, command, cost_source))
    return Decision(tuple(events), _settled(after))
