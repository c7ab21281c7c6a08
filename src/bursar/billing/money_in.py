"""Money in, out and about: top-ups, corrections, refunds, and between pool and wallets. For routes and command line.

The ledger decides; here is who gets it, and what its "no" says to people.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id, pool_account_id, wallet_account_id
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import not_found
from bursar.identity.audit import note_money_origin
from bursar.identity.departure import Submits
from bursar.identity.lookup import as_uuid, find_person, is_external_id
from bursar.ledger.model import (
    IdempotencyKey,
    MoveToWallet,
    Outcome,
    Post,
    Posted,
    Reason,
    Rejected,
    TransferKind,
)

_IS_WALLET: Final = """
    SELECT true FROM account WHERE mandate_id = $1 AND account_id = $2 AND kind = 'wallet'"""


async def post_money(
    database: Database,
    ledger: Submits,
    mandate_id: UUID,
    kind: TransferKind,
    amount_nanos: int,
    *,
    actor: str,
    user: str | None = None,
    reference: str | None = None,
    reason: str | None = None,
    idempotency: IdempotencyKey | None = None,
    is_remembered: bool = False,
) -> Posted:
    """A `TOP_UP`, `REFUND` or (signed) `CORRECTION` of the pool, or of a user's wallet.

    `user` is our id or the application's. `is_remembered` is whether the ledger knows the answer already; then the
    user need not be there any more. Raises a 404, 409 or 422 `Problem`, and `LedgerUnavailable`.
    """
    user_id = None
    if user is not None and not is_remembered:
        user_id = await user_of(database, mandate_id, user)
    command = Post(
        mandate_id=mandate_id,
        transfer_id=new_id(),
        account_id=pool_account_id(mandate_id) if user_id is None else wallet_account_id(user_id),
        payer="pool" if user_id is None else "wallet",
        kind=kind,
        amount_nanos=amount_nanos,
        reference=reference,
        reason=reason,
        actor=actor,
        user_id=user_id,
        idempotency=idempotency,
    )
    return await _posted(database, ledger, command)


async def move_to_wallet(
    database: Database,
    ledger: Submits,
    mandate_id: UUID,
    user: str,
    amount_nanos: int,
    *,
    actor: str,
    reference: str | None = None,
    idempotency: IdempotencyKey | None = None,
    is_remembered: bool = False,
) -> Posted:
    """From the pool to a user's wallet; with a negative amount back, also from the wallet of somebody who has left.

    Raises as `post_money` does.
    """
    if is_remembered:
        # The answer is known: no account is looked at, so that any that is there will do.
        user_id = mandate_id
    elif amount_nanos < 0:
        user_id = await _wallet_owner(database, mandate_id, user)
    else:
        user_id = await user_of(database, mandate_id, user)
    command = MoveToWallet(
        mandate_id=mandate_id,
        transfer_id=new_id(),
        account_id=pool_account_id(mandate_id),
        wallet_id=wallet_account_id(user_id),
        amount_nanos=amount_nanos,
        reference=reference,
        actor=actor,
        idempotency=idempotency,
    )
    return await _posted(database, ledger, command)


async def user_of(database: Database, mandate_id: UUID, user: str, field: str = "userId") -> UUID:
    """The id of a user who is here, from our id or the application's. Raises a 404 `Problem` that names the field."""
    if is_external_id(user):
        async with database.as_mandate(mandate_id) as connection:
            found = await find_person(connection, mandate_id, user, create=False)
        if found is not None and found.person is not None:
            return found.person.user_id
    raise not_found("user", field)


async def _wallet_owner(database: Database, mandate_id: UUID, user: str) -> UUID:
    user_id = as_uuid(user)
    if user_id is not None:
        async with database.as_mandate(mandate_id) as connection:
            if await connection.fetchval(_IS_WALLET, mandate_id, wallet_account_id(user_id)):
                return user_id
    return await user_of(database, mandate_id, user)


async def _posted(database: Database, ledger: Submits, command: Post | MoveToWallet) -> Posted:
    await note_money_origin(database, command.mandate_id, command.transfer_id)
    outcome = await ledger.submit(command)
    if isinstance(outcome, Posted):
        return outcome
    raise refusal(outcome)


def refusal(outcome: Outcome) -> Problem:
    """What the ledger's "no" to a management request is over HTTP; shortages of a call are `billing.problem`'s."""
    if not isinstance(outcome, Rejected):
        raise TypeError(f"not a refusal: {outcome!r}")
    if outcome.reason is Reason.INSUFFICIENT_FUNDS:
        detail = (
            f"{format_amount(outcome.available_nanos)} is available, which is less than the "
            f"{format_amount(outcome.required_nanos)} that would be taken."
        )
        figures = {"available": format_amount(outcome.available_nanos)}
        return Problem(409, "insufficient_funds", "Not enough money", detail, "amount", figures)
    if outcome.reason is Reason.OUT_OF_RANGE:
        return invalid_field("amount", "is out of range")
    status, code, title, detail = _REFUSALS[outcome.reason]
    return Problem(status, code, title, detail)


_REFUSALS: Final[Mapping[Reason, tuple[int, str, str, str]]] = {
    Reason.IDEMPOTENCY_CONFLICT: (
        409,
        "idempotency_conflict",
        "This key belongs to another request",
        "Idempotency-Key was used for a request with another body: a new request wants a new key.",
    ),
    Reason.MANDATE_NOT_ACTIVE: (
        403,
        "mandate_not_active",
        "The mandate is suspended or closed",
        "Nothing can be held while the mandate is not active.",
    ),
    Reason.TERMS_CHANGED: (
        409,
        "terms_changed",
        "The billing model has just changed",
        "The mandate's billing model was changed at this moment: try again.",
    ),
    Reason.HOLD_NOT_FOUND: (404, "not_found", "Not found", "There is no such hold."),
    Reason.HOLD_RESOLVED: (
        409,
        "hold_resolved",
        "The hold has ended",
        "This hold was settled or released, or has expired.",
    ),
}
