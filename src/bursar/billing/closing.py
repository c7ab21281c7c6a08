"""Closing a mandate: what still runs, what is left, and what of it can be paid out now.

Closing is a status: no call begins, those that run may end, and no top-up comes in. What is left then goes out by a
refund, or by a correction with a reason; nothing is moved by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database
from bursar.identity.access import not_found
from bursar.identity.principal import MandateStatus
from bursar.ledger.model import Payer

_MANDATE: Final = """
    SELECT m.status, m.currency,
           (SELECT count(*) FROM hold h WHERE h.mandate_id = m.mandate_id AND h.state = 'PENDING') AS open_holds
      FROM mandate m WHERE m.mandate_id = $1"""

# One who has left is here as well, until what their calls had held has come back to the pool.
_ACCOUNTS: Final = """
    SELECT a.kind AS payer, CASE WHEN a.kind = 'wallet' THEN a.account_id END AS user_id,
           nullif(u.display_name, '') AS user_name, a.credits_posted - a.debits_posted AS posted,
           a.debits_pending AS held
      FROM account a
      LEFT JOIN app_user u ON u.mandate_id = a.mandate_id AND u.user_id = a.account_id
     WHERE a.mandate_id = $1 AND a.kind IN ('pool', 'wallet')
       AND (a.credits_posted <> a.debits_posted OR a.debits_pending <> 0)
     ORDER BY a.kind, a.account_id"""


@dataclass(frozen=True, slots=True)
class Remainder:
    """What one account has left, in nanos. A pool that was paid afterwards may be below zero: that is owed."""

    payer: Payer
    user_id: UUID | None
    user_name: str | None
    posted_nanos: int
    held_nanos: int

    @property
    def payable_nanos(self) -> int:
        """What a refund can pay out now."""
        return max(0, self.posted_nanos - self.held_nanos)


@dataclass(frozen=True, slots=True)
class Closing:
    status: MandateStatus
    currency: str
    open_holds: int
    accounts: tuple[Remainder, ...]

    @property
    def held_nanos(self) -> int:
        return sum(account.held_nanos for account in self.accounts)

    @property
    def remaining_nanos(self) -> int:
        return sum(max(0, account.posted_nanos) for account in self.accounts)

    @property
    def owed_nanos(self) -> int:
        return sum(max(0, -account.posted_nanos) for account in self.accounts)

    @property
    def is_settled(self) -> bool:
        """Closed, nothing runs any more, nothing is left and nothing owed."""
        return self.status == "closed" and self.open_holds == 0 and not self.accounts


async def get_closing(database: Database, mandate_id: UUID) -> Closing:
    """What is left of a mandate, whatever its status. Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        mandate = await connection.fetchrow(_MANDATE, mandate_id)
        if mandate is None:
            raise not_found()
        rows = await connection.fetch(_ACCOUNTS, mandate_id)
    accounts = tuple(Remainder(*row) for row in rows)
    return Closing(mandate["status"], mandate["currency"], mandate["open_holds"], accounts)
