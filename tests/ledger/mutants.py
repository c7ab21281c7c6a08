"""Engines that are broken on purpose: each of these takes one thing away that keeps money right."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from bursar.ledger import batch, books, decide, events, grant, lane, limits, reading, resolve
from bursar.ledger.decision import Decision
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Hold, Settle


def no_available_check(patch: pytest.MonkeyPatch) -> None:
    """A reserve looks at the balance, and not at what is held."""
    patch.setattr(grant, "available", lambda account, terms: account.balance + terms.credit_limit_nanos)


def no_funds_check(patch: pytest.MonkeyPatch) -> None:
    """A reserve is granted whatever there is."""
    patch.setattr(grant, "_grant", lambda demand, *rest: demand.desired)


def no_limit_check(patch: pytest.MonkeyPatch) -> None:
    """Limits are not looked at."""
    original = grant._grant
    patch.setattr(grant, "_grant", lambda demand, account, terms, counters: original(demand, account, terms, []))


def forgotten_leg(patch: pytest.MonkeyPatch) -> None:
    """The end of a hold forgets its last leg."""
    original = books._move_legs

    def move(into: Any, hold: Hold, *, held_change: int, spent_change: int) -> None:
        legs = hold.legs[:-1] if held_change < 0 else hold.legs
        shorter = Hold(
            hold.mandate_id, hold.hold_id, hold.account_id, hold.state, 0, 0, None, legs, hold.expires_at, 1, 1
        )
        original(into, shorter, held_change=held_change, spent_change=spent_change)

    patch.setattr(books, "_move_legs", move)


def double_settle(patch: pytest.MonkeyPatch) -> None:
    """A settled hold may be settled again. (That the journal refuses this, too, is a test of its own.)"""
    original = resolve.settle

    def settle(into: books.Books, command: Settle, at: Any) -> Decision:
        key = (command.mandate_id, command.hold_id)
        hold = into.holds.get(key)
        if hold is not None and hold.state == "SETTLED":
            into.holds[key] = msgspec.structs.replace(hold, state="PENDING", amount_nanos=0)
        return original(into, command, at)

    patch.setitem(decide._RULES, Settle, settle)


def unlimited_spare(patch: pytest.MonkeyPatch) -> None:
    """An overrun is the payer's, whether or not the money is there."""
    patch.setattr(resolve, "_spare", lambda into, hold: 10**18)


def others_hold_touched(patch: pytest.MonkeyPatch) -> None:
    """An overrun takes what other calls hold."""
    patch.setattr(resolve, "available", lambda account, terms: account.balance)


def lost_debit(patch: pytest.MonkeyPatch) -> None:
    """A debit of 7 or more loses one nano."""
    original = events.debited
    patch.setattr(books, "debited", lambda account, amount: original(account, amount - (amount >= 7)))


def same_version(patch: pytest.MonkeyPatch) -> None:
    """A credit does not count the version up."""
    original: Any = vars(books)["credited"]

    def credited(account: Any, amount: int, *, top_up: bool = False) -> Any:
        return msgspec.structs.replace(original(account, amount, top_up=top_up), version=account.version)

    patch.setattr(books, "credited", credited)


def adjusted_twice(patch: pytest.MonkeyPatch) -> None:
    """A late adjustment is not remembered on the hold."""
    original: Any = vars(resolve)["resolved"]
    patch.setattr(resolve, "resolved", lambda *given, **more: original(*given, **{**more, "adjusted": False}))


def no_memory(patch: pytest.MonkeyPatch) -> None:
    """A repeated command is carried out again."""
    patch.setattr(batch, "_remember", lambda writes, command, outcome: None)


def stale_terms(patch: pytest.MonkeyPatch) -> None:
    """The terms are those that were read first."""
    first: dict[Any, Any] = {}
    original: Any = vars(reading)["Terms"]

    def terms(mandate_id: Any, *rest: Any) -> Any:
        return first.setdefault(mandate_id, original(mandate_id, *rest))

    patch.setattr(reading, "Terms", terms)


def wallet_on_credit(patch: pytest.MonkeyPatch) -> None:
    """A wallet may use the mandate's credit line."""
    for room in (grant, resolve):
        patch.setattr(
            room,
            "available",
            lambda account, terms: account.balance - account.debits_pending + terms.credit_limit_nanos,
        )


def settles_last(patch: pytest.MonkeyPatch) -> None:
    """What gives money back is decided after what takes it."""
    patch.setattr(lane, "rank", lambda entry: 0 if entry.takes else 1)


def deleted_limits_refuse(patch: pytest.MonkeyPatch) -> None:
    """A deleted cap still holds calls that run."""
    patch.setattr(grant, "_in_force", lambda into, hold: [into.counters[hold.mandate_id, leg] for leg in hold.legs])


def usage_forgotten(patch: pytest.MonkeyPatch) -> None:
    """An extension does not record what was used."""
    original: Any = vars(grant)["grown"]
    patch.setattr(grant, "grown", lambda hold, amount, used, expires_at: original(hold, amount, None, expires_at))


def early_expiry(patch: pytest.MonkeyPatch) -> None:
    """An extension does not renew the hold."""
    original: Any = vars(grant)["grown"]
    patch.setattr(grant, "grown", lambda hold, amount, used, _: original(hold, amount, used, hold.expires_at))


def cap_counts_from_now(patch: pytest.MonkeyPatch) -> None:
    """A cap that is made in mid-period counts from zero."""
    patch.setattr(limits, "_POSTED", "SELECT 0::bigint + 0 * length($1::uuid::text || $2::timestamptz || $3 || $4)")


def caller_gone_keeps_hold(patch: pytest.MonkeyPatch) -> None:
    """Nobody releases the hold of a caller that has gone."""
    patch.setattr(Ledger, "_take_back", lambda *_: None)
