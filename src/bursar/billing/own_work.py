"""Charging one's own AI work (CONTRACT section 9): holds that an application asks for, grows, settles or gives back.

A hold made here may be changed here; the gateway's own holds are out of reach, whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from bursar.billing.money_in import refusal
from bursar.billing.payer import PayingAccount, paying_account
from bursar.foundation.ids import new_id, pool_account_id
from bursar.foundation.problems import invalid_field
from bursar.identity.access import not_found
from bursar.identity.principal import Caller, MandateFacts, Person
from bursar.identity.wiring import Wiring
from bursar.ledger.model import (
    SHORTAGES,
    CostSource,
    Extend,
    Granted,
    IdempotencyKey,
    Reason,
    Rejected,
    Release,
    Reserve,
    Settle,
    Settled,
)

_TIMES_TERMS_MAY_CHANGE: Final = 3

_HOLD: Final = """
    SELECT account_id, amount_nanos, user_id FROM hold WHERE mandate_id = $1 AND hold_id = $2 AND origin = 'api'"""

# Extensions are differences here and totals in the ledger: two of the same hold wait for each other.
_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtextextended($1::text, 7264003))"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an application asks for. Amounts are nanos."""

    minimum_nanos: int
    desired_nanos: int
    ttl_seconds: int
    person: Person | None
    model: str | None
    tags: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class OpenHold:
    """An application's hold as the database has it."""

    hold_id: UUID
    account_id: UUID
    amount_nanos: int
    user_id: UUID | None


@dataclass(frozen=True, slots=True)
class Shortage:
    """The money does not reach; who is told what, the caller decides. `hold_id` names the request."""

    hold_id: UUID
    account_id: UUID
    rejected: Rejected


async def place(
    wiring: Wiring,
    caller: Caller,
    mandate: MandateFacts,
    wanted: Wanted,
    *,
    idempotency: IdempotencyKey | None,
    is_remembered: bool,
) -> Granted | Shortage:
    """A new hold. Raises a 403, 409 or 422 `Problem`, and `LedgerUnavailable`."""
    hold_id = new_id()
    for _ in range(_TIMES_TERMS_MAY_CHANGE):
        account = paying_account(mandate, wanted.person)
        if account is None and is_remembered:
            account = PayingAccount(pool_account_id(mandate.mandate_id), "pool")
        if account is None:
            raise invalid_field("userId", "is required: in this mandate every user pays from their own wallet")
        outcome = await wiring.ledger.submit(
            Reserve(
                mandate_id=mandate.mandate_id,
                hold_id=hold_id,
                account_id=account.account_id,
                payer=account.payer,
                billing_model=mandate.billing_model,
                minimum_nanos=wanted.minimum_nanos,
                desired_nanos=wanted.desired_nanos,
                ttl_seconds=wanted.ttl_seconds,
                user_id=None if wanted.person is None else wanted.person.user_id,
                key_id=caller.key_id,
                model=wanted.model,
                tags=wanted.tags,
                origin="api",
                idempotency=idempotency,
            )
        )
        if isinstance(outcome, Granted):
            return outcome
        if isinstance(outcome, Rejected) and outcome.reason in SHORTAGES:
            return Shortage(hold_id, account.account_id, outcome)
        if not isinstance(outcome, Rejected) or outcome.reason is not Reason.TERMS_CHANGED:
            break
        wiring.authenticator.doubt(mandate.mandate_id)
        mandate = await wiring.authenticator.mandate(mandate.mandate_id) or mandate
    raise refusal(outcome)


async def find_hold(wiring: Wiring, mandate_id: UUID, hold_id: UUID) -> OpenHold:
    """Raises a 404 `Problem`."""
    async with wiring.database.as_mandate(mandate_id) as connection:
        return await _find(connection, mandate_id, hold_id)


async def extend(
    wiring: Wiring, mandate_id: UUID, hold_id: UUID, amount_nanos: int, idempotency: IdempotencyKey | None
) -> Granted | Shortage:
    """Hold `amount_nanos` more and begin the time to live anew; zero does only that.

    Raises a 404, 403, 409 or 422 `Problem`, and `LedgerUnavailable`.
    """
    async with wiring.database.as_mandate(mandate_id) as connection:
        await connection.execute(_ONE_AT_A_TIME, str(hold_id))
        hold = await _find(connection, mandate_id, hold_id)
        total = hold.amount_nanos + amount_nanos
        outcome = await wiring.ledger.submit(
            Extend(
                mandate_id=mandate_id,
                hold_id=hold_id,
                account_id=hold.account_id,
                minimum_total_nanos=total,
                desired_total_nanos=total,
                idempotency=idempotency,
            )
        )
    if isinstance(outcome, Granted):
        return outcome
    if isinstance(outcome, Rejected) and outcome.reason in SHORTAGES:
        return Shortage(hold_id, hold.account_id, outcome)
    raise refusal(outcome)


async def settle(
    wiring: Wiring,
    mandate_id: UUID,
    hold_id: UUID,
    amount_nanos: int,
    used: Mapping[str, Any],
    idempotency: IdempotencyKey | None,
) -> Settled:
    """Charge what the work cost, and free the rest. `used` are fields of `Settle`.

    Raises a 404, 409 or 422 `Problem`, and `LedgerUnavailable`.
    """
    hold = await find_hold(wiring, mandate_id, hold_id)
    outcome = await wiring.ledger.submit(
        Settle(
            mandate_id=mandate_id,
            hold_id=hold_id,
            account_id=hold.account_id,
            transfer_id=new_id(),
            actual_nanos=amount_nanos,
            cost_source=CostSource.REPORTED,
            idempotency=idempotency,
            **used,
        )
    )
    if isinstance(outcome, Settled):
        return outcome
    raise refusal(outcome)


async def release(wiring: Wiring, mandate_id: UUID, hold_id: UUID, idempotency: IdempotencyKey | None) -> Settled:
    """Give everything back. Raises as `settle` does."""
    hold = await find_hold(wiring, mandate_id, hold_id)
    outcome = await wiring.ledger.submit(
        Release(mandate_id=mandate_id, hold_id=hold_id, account_id=hold.account_id, idempotency=idempotency)
    )
    if isinstance(outcome, Settled):
        return outcome
    raise refusal(outcome)


async def _find(connection: Any, mandate_id: UUID, hold_id: UUID) -> OpenHold:
    row = await connection.fetchrow(_HOLD, mandate_id, hold_id)
    if row is None:
        raise not_found("hold")
    return OpenHold(hold_id, *row)
