"""What the accounts of a mandate have, hold, and may still spend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.problems import invalid_field
from bursar.identity.access import not_found
from bursar.identity.lookup import as_uuid
from bursar.ledger.model import Payer

MOST_WALLETS: Final = 1000

_POOL: Final = """
    SELECT m.currency,
           coalesce(a.credits_posted - a.debits_posted, 0) AS posted, coalesce(a.debits_pending, 0) AS held,
           CASE WHEN s.billing_model = 'POSTPAY' THEN s.credit_limit_nanos ELSE 0 END AS credit_limit
      FROM mandate m
      JOIN billing_settings s ON s.mandate_id = m.mandate_id
      LEFT JOIN account a ON a.mandate_id = m.mandate_id AND a.account_id = m.mandate_id
     WHERE m.mandate_id = $1"""

# Wallets of those who have left are shown only while there is something in them. A wallet's account is made when money
# first comes in; `$4` is whether those are wanted that have none yet.
_WALLETS: Final = """
    SELECT u.user_id, u.display_name,
           coalesce(a.credits_posted - a.debits_posted, 0) AS posted, coalesce(a.debits_pending, 0) AS held
      FROM app_user u
      LEFT JOIN account a ON a.mandate_id = u.mandate_id AND a.account_id = u.user_id AND a.kind = 'wallet'
     WHERE u.mandate_id = $1 AND ($4 OR a.account_id IS NOT NULL)
       AND ($2::uuid IS NULL OR u.user_id > $2)
       AND (u.deleted_at IS NULL OR a.credits_posted <> a.debits_posted OR a.debits_pending <> 0)
     ORDER BY u.user_id
     LIMIT $3"""

_OWN: Final = """
    SELECT u.user_id, u.display_name,
           coalesce(a.credits_posted - a.debits_posted, 0) AS posted, coalesce(a.debits_pending, 0) AS held
      FROM app_user u
      LEFT JOIN account a ON a.mandate_id = u.mandate_id AND a.account_id = u.user_id
     WHERE u.mandate_id = $1 AND u.user_id = $2"""


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """One account, in nanos. `available` is what is neither spent nor held, with the pool's credit line."""

    payer: Payer
    user_id: UUID | None
    user_name: str | None
    posted_nanos: int
    held_nanos: int
    credit_limit_nanos: int

    @property
    def available_nanos(self) -> int:
        return self.posted_nanos - self.held_nanos + self.credit_limit_nanos


@dataclass(frozen=True, slots=True)
class Balance:
    currency: str
    accounts: tuple[AccountBalance, ...]
    next_cursor: str | None
    """Where more wallets follow than one answer has."""


async def get_balance(
    database: Database,
    mandate_id: UUID,
    *,
    of_user: UUID | None = None,
    cursor: str | None = None,
    with_empty: bool = False,
    most_wallets: int = MOST_WALLETS,
) -> Balance:
    """The pool first (on the first page), then the wallets; of one user, their wallet only. Raises a 404 `Problem`.

    `with_empty` adds those of everybody into whose wallet no money has come yet.
    """
    after = as_uuid(cursor) if cursor is not None else None
    if cursor is not None and after is None:
        raise invalid_field("cursor", "is not one that was given out here")
    async with database.as_mandate(mandate_id) as connection:
        pool = await connection.fetchrow(_POOL, mandate_id)
        if pool is None:
            raise not_found()
        if of_user is not None:
            rows = await connection.fetch(_OWN, mandate_id, of_user)
        else:
            rows = await connection.fetch(_WALLETS, mandate_id, after, most_wallets + 1, with_empty)
    currency, posted, held, credit_limit = pool
    accounts = [
        AccountBalance("wallet", wallet_id, name, wallet_posted, wallet_held, 0)
        for wallet_id, wallet_posted, wallet_held, name in (
            (row[0], row["posted"], row["held"], row["display_name"]) for row in rows[:most_wallets]
        )
    ]
    last = accounts[-1].user_id if len(rows) > most_wallets else None
    if of_user is None and after is None:
        accounts.insert(0, AccountBalance("pool", None, None, posted, held, credit_limit))
    return Balance(currency, tuple(accounts), None if last is None else str(last))
