"""The figures that are told live, read for many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

import orjson

from bursar.foundation.money import format_amount

if TYPE_CHECKING:
    from asyncpg import Pool

    from bursar.notices.store import Row

MOST_ACCOUNTS: Final = 1001
"""Of one mandate: its pool and a thousand wallets, as `GET …/balance` has on its first page."""

_COLUMNS: Final = """
    SELECT account.mandate_id, account.account_id, account.kind,
           account.credits_posted - account.debits_posted AS posted, account.debits_pending AS held,
           CASE WHEN account.kind = 'pool' AND terms.billing_model = 'POSTPAY' THEN terms.credit_limit_nanos ELSE 0 END
               AS credit_limit
      FROM account JOIN billing_settings AS terms ON terms.mandate_id = account.mandate_id"""
_OF_ACCOUNTS: Final = (
    _COLUMNS
    + """
      JOIN unnest($1::uuid[], $2::uuid[]) AS wanted (mandate_id, account_id)
           ON wanted.mandate_id = account.mandate_id AND wanted.account_id = account.account_id
     WHERE account.kind IN ('pool', 'wallet')"""
)
_OF_MANDATE: Final = (
    _COLUMNS
    + """
     WHERE account.mandate_id = $1 AND account.kind IN ('pool', 'wallet')
     ORDER BY account.kind, account.account_id LIMIT $2"""
)
_VERSIONS: Final = """
    SELECT mandate_id, sum(version)::bigint AS version FROM account
     WHERE mandate_id = ANY ($1::uuid[]) GROUP BY mandate_id"""
_UNREAD: Final = """
    SELECT wanted.mandate_id, wanted.user_id, count(item.item_id) AS unread
      FROM unnest($1::uuid[], $2::uuid[]) AS wanted (mandate_id, user_id)
      LEFT JOIN inbox_item AS item ON item.mandate_id = wanted.mandate_id AND item.user_id = wanted.user_id
           AND item.read_at IS NULL
     GROUP BY wanted.mandate_id, wanted.user_id"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One account; `json` is it as `GET …/balance` says it, without the user's name."""

    mandate_id: UUID
    account_id: UUID
    json: bytes


async def accounts(pool: Pool, wanted: Iterable[tuple[UUID, UUID]]) -> list[Figures]:
    """(mandate, account), of any mandates; what is no account of a mandate's own is left out."""
    pairs = list(wanted)
    rows = await pool.fetch(_OF_ACCOUNTS, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return [_figures(row) for row in rows]


async def all_accounts(pool: Pool, mandate_id: UUID) -> list[Figures]:
    """The pool first; an account that nothing has ever moved on is there as well as if it had."""
    found = [_figures(row) for row in await pool.fetch(_OF_MANDATE, mandate_id, MOST_ACCOUNTS)]
    if not any(each.account_id == mandate_id for each in found):
        found.insert(0, empty_account(mandate_id, mandate_id))
    return found


def empty_account(mandate_id: UUID, account_id: UUID) -> Figures:
    """An account that has not been opened: there is nothing in it."""
    return _said(mandate_id, account_id, account_id == mandate_id, 0, 0, 0)


async def versions(pool: Pool, mandates: Sequence[UUID]) -> Mapping[UUID, int]:
    """What counts up with everything that moves in a mandate."""
    rows = await pool.fetch(_VERSIONS, mandates)
    return {row["mandate_id"]: row["version"] for row in rows}


async def unread(pool: Pool, wanted: Iterable[tuple[UUID, UUID]]) -> Mapping[tuple[UUID, UUID], int]:
    """How many notices each (mandate, user) has not read."""
    pairs = list(wanted)
    rows = await pool.fetch(_UNREAD, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return {(row["mandate_id"], row["user_id"]): row["unread"] for row in rows}


def _figures(row: Row) -> Figures:
    is_pool = row["kind"] == "pool"
    return _said(row["mandate_id"], row["account_id"], is_pool, row["posted"], row["held"], row["credit_limit"] or 0)


def _said(
    mandate_id: UUID, account_id: UUID, is_pool: bool, posted_nanos: int, held_nanos: int, credit_limit_nanos: int
) -> Figures:
    said = {
        "payer": "pool" if is_pool else "wallet",
        "userId": None if is_pool else str(account_id),
        "posted": format_amount(posted_nanos),
        "held": format_amount(held_nanos),
        "available": format_amount(posted_nanos - held_nanos + credit_limit_nanos),
        "creditLimit": format_amount(credit_limit_nanos),
    }
    return Figures(mandate_id, account_id, orjson.dumps(said))
