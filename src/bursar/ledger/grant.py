"""Reserving and extending: how much of a demand is granted, or the one reason why nothing is. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from bursar.foundation.money import NANOS_PER_UNIT
from bursar.ledger.books import Books
from bursar.ledger.decision import HIGHEST_NANOS, Decision, Place, available, credit_line, is_unlimited, no
from bursar.ledger.events import HoldGrown, HoldPlaced, grown
from bursar.ledger.model import (
    LIMIT_SCOPES_IN_ORDER,
    Account,
    Extend,
    Granted,
    Hold,
    LimitCounter,
    ReachedLimit,
    Reason,
    Rejected,
    Reserve,
    Terms,
)

FUNDS_HELD_RETRY_SECONDS: Final = 2
EXHAUSTED_BELOW_NANOS: Final = 1 * NANOS_PER_UNIT
EXHAUSTED_BELOW_SHARE: Final = 20
"""Unless configured, a payer counts as exhausted below 1.00 or 5 % of its last top-up, whichever is less."""


def reserve(books: Books, command: Reserve, at: datetime) -> Decision:
    existing = books.holds.get((command.mandate_id, command.hold_id))
    if existing is not None:
        if existing.state != "PENDING":
            return no(Reason.HOLD_RESOLVED)
        return Decision((), Granted(existing.hold_id, existing.amount_nanos, existing.expires_at, None))
    terms = books.terms.get(command.mandate_id)
    if terms is None or not terms.active:
        return no(Reason.MANDATE_NOT_ACTIVE)
    if terms.billing_model != command.billing_model:
        return no(Reason.TERMS_CHANGED)
    account = books.accounts[command.mandate_id, command.account_id]
    if account.debits_posted + account.debits_pending + command.desired_nanos > HIGHEST_NANOS:
        return no(Reason.OUT_OF_RANGE)
    counters = books.limits_on(command)
    demand = _Demand(command.minimum_nanos, command.desired_nanos, 0)
    granted = _grant(demand, account, terms, counters)
    if isinstance(granted, Decision):
        return granted
    hold = Hold(
        command.mandate_id,
        command.hold_id,
        command.account_id,
        "PENDING",
        granted,
        command.input_bound_nanos,
        None,
        tuple([counter.key for counter in counters]),
        at + _seconds(command.ttl_seconds),
        command.ttl_seconds,
        account.version + 1,
    )
    before = None if is_unlimited(account, terms) else available(account, terms)
    return Decision((HoldPlaced(command, hold),), Granted(hold.hold_id, hold.amount_nanos, hold.expires_at, before))


def extend(books: Books, command: Extend, at: datetime) -> Decision:
    hold = books.holds.get((command.mandate_id, command.hold_id))
    if hold is None or hold.account_id != command.account_id:
        return no(Reason.HOLD_NOT_FOUND)
    if hold.state != "PENDING":
        return no(Reason.HOLD_RESOLVED)
    terms = books.terms.get(command.mandate_id)
    if terms is None or not terms.active:
        return no(Reason.MANDATE_NOT_ACTIVE)
    account = books.accounts[command.mandate_id, hold.account_id]
    if account.debits_posted + account.debits_pending + command.desired_total_nanos > HIGHEST_NANOS:
        return no(Reason.OUT_OF_RANGE)
    amount = hold.amount_nanos
    if amount < command.minimum_total_nanos:
        demand = _Demand(command.minimum_total_nanos - amount, command.desired_total_nanos - amount, amount)
        counters = _in_force(books, hold)
        granted = _grant(demand, account, terms, counters)
        if isinstance(granted, Decision):
            return granted
        amount += granted
    after = grown(hold, amount, command.used_nanos, at + _seconds(hold.ttl_seconds))
    before = None if is_unlimited(account, terms) else available(account, terms)
    return Decision((HoldGrown(command, hold, after),), Granted(hold.hold_id, amount, after.expires_at, before))


def _in_force(books: Books, hold: Hold) -> list[LimitCounter]:
    """The limits that a hold has a leg in, narrowest first; deleted ones refuse nothing any more."""
    counters = [books.counters[hold.mandate_id, leg] for leg in hold.legs]
    in_force = [counter for counter in counters if counter.in_force]
    return sorted(in_force, key=lambda counter: LIMIT_SCOPES_IN_ORDER.index(counter.scope))


class _Demand(NamedTuple):
    minimum: int
    desired: int
    own_hold: int
    """What the same call holds already: not "held by others"."""


def _grant(demand: _Demand, account: Account, terms: Terms, counters: list[LimitCounter]) -> int | Decision:
    """How much is granted, or the one reason why nothing is (MONEY: "one rule for the reason")."""
    minimum = demand.minimum
    unlimited = is_unlimited(account, terms)
    free = None if unlimited else available(account, terms)
    place: Place | None = (account.mandate_id, account.account_id) if free is not None and free < minimum else None
    for counter in counters:
        unspent = counter.amount_nanos - counter.spent_nanos
        if unspent - demand.own_hold < minimum:
            return _refused(Reason.LIMIT_REACHED, demand, account, terms, counter)
        limit_free = unspent - counter.held_nanos
        if limit_free < minimum and place is None:
            place = (counter.mandate_id, counter.scope, counter.scope_id)
        free = limit_free if free is None else min(free, limit_free)
    cap = demand.desired
    if not unlimited:
        everything = account.balance + credit_line(account, terms)
        funds = everything - demand.own_hold
        if funds < minimum:
            exhausted = funds <= 0 or funds < exhausted_below(account, terms)
            reason = Reason.BALANCE_EXHAUSTED if exhausted else Reason.REQUEST_TOO_LARGE
            return _refused(reason, demand, account, terms)
        # The share is that of the whole call, however often it has grown.
        cap = max(minimum, min(cap, everything * terms.max_hold_share_percent // 100 - demand.own_hold))
    if place is not None:
        return _refused(Reason.FUNDS_HELD, demand, account, terms, place=place)
    return cap if free is None else min(cap, free)


def exhausted_below(account: Account, terms: Terms) -> int:
    """Below this, a payer that cannot pay is empty, and no longer just too poor for one large call."""
    if terms.exhausted_below_nanos is not None:
        return terms.exhausted_below_nanos
    return min(EXHAUSTED_BELOW_NANOS, account.last_top_up_nanos // EXHAUSTED_BELOW_SHARE)


def _refused(
    reason: Reason,
    demand: _Demand,
    account: Account,
    terms: Terms,
    counter: LimitCounter | None = None,
    *,
    place: Place | None = None,
) -> Decision:
    limit = None
    if counter is not None:
        resets = counter.period_end if counter.period != "total" else None
        limit = ReachedLimit(
            counter.key.limit_id,
            counter.scope,
            counter.scope_id,
            counter.period,
            counter.amount_nanos,
            counter.spent_nanos,
            resets,
        )
    rejected = Rejected(
        reason,
        required_nanos=demand.minimum,
        available_nanos=available(account, terms),
        held_nanos=account.debits_pending,
        limit=limit,
        retry_after_seconds=FUNDS_HELD_RETRY_SECONDS if reason is Reason.FUNDS_HELD else None,
    )
    return Decision((), rejected, place)


@lru_cache(maxsize=256)
def _seconds(seconds: int) -> timedelta:
    return timedelta(seconds=seconds)
