"""When a user leaves: keys end, personal data goes, and what is left in the wallet returns to the pool."""

from __future__ import annotations

from typing import Final, Protocol
from uuid import UUID

import structlog

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id, pool_account_id, wallet_account_id
from bursar.identity.audit import note_money_origin
from bursar.identity.users import erase_user
from bursar.ledger.model import Command, MoveToWallet, Outcome, Posted

REFERENCE: Final = "user deleted"
_ATTEMPTS: Final = 5

_REST: Final = """
    SELECT credits_posted - debits_posted - debits_pending FROM account
     WHERE mandate_id = $1 AND account_id = $2 AND kind = 'wallet'"""

_LEFT_BEHIND: Final = """
    SELECT u.mandate_id, u.user_id
      FROM app_user u JOIN account a ON a.mandate_id = u.mandate_id AND a.account_id = u.user_id
     WHERE u.deleted_at IS NOT NULL AND a.kind = 'wallet'
       AND a.credits_posted - a.debits_posted - a.debits_pending > 0
     ORDER BY u.mandate_id, u.user_id
     LIMIT 100"""

_log = structlog.get_logger(__name__)


class Submits(Protocol):
    """Of the ledger, as much as is needed here."""

    async def submit(self, command: Command) -> Outcome: ...


async def delete_user(
    database: Database,
    ledger: Submits,
    mandate_id: UUID,
    user_id: UUID,
    *,
    actor: str,
    may_leave_no_owner: bool = False,
    if_version: int | None = None,
) -> None:
    """The user is gone when this returns, and so is the wallet's money, but for what calls in flight still hold.

    That part, and whatever a crash in between left behind, comes home by `return_what_was_left_behind`.
    Raises a 404, 409 (the last owner) or 412 `Problem`.
    """
    await erase_user(database, mandate_id, user_id, may_leave_no_owner=may_leave_no_owner, if_version=if_version)
    await return_rest(database, ledger, mandate_id, user_id, actor=actor)


async def return_rest(database: Database, ledger: Submits, mandate_id: UUID, user_id: UUID, *, actor: str) -> int:
    """Moves what the wallet has and does not hold into the pool; nanos moved."""
    for _ in range(_ATTEMPTS):
        async with database.as_mandate(mandate_id) as connection:
            rest: int | None = await connection.fetchval(_REST, mandate_id, wallet_account_id(user_id))
        if rest is None or rest <= 0:
            return 0
        transfer_id = new_id()
        await note_money_origin(database, mandate_id, transfer_id)
        outcome = await ledger.submit(
            MoveToWallet(
                mandate_id=mandate_id,
                transfer_id=transfer_id,
                account_id=pool_account_id(mandate_id),
                wallet_id=wallet_account_id(user_id),
                amount_nanos=-rest,
                reference=REFERENCE,
                actor=actor,
            )
        )
        if isinstance(outcome, Posted):
            return rest
        # A call was still running and has taken some meanwhile: look again.
        _log.info("wallet_rest_changed", mandate_id=str(mandate_id), user_id=str(user_id), outcome=str(outcome))
    return 0


async def return_what_was_left_behind(database: Database, ledger: Submits) -> int:
    """For a worker to do now and then: what leavers' calls had held is free by now. How many wallets were emptied."""
    async with database.as_operator() as connection:
        rows = await connection.fetch(_LEFT_BEHIND)
    emptied = 0
    for row in rows:
        emptied += await return_rest(database, ledger, row["mandate_id"], row["user_id"], actor="system") > 0
    return emptied
