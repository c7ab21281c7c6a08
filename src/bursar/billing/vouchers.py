"""Vouchers as the operator sees them: made, listed, revoked. Redeeming is `billing.redeeming`'s.

A voucher belongs to no mandate until it is redeemed, and to nobody's eyes but the operator's: row-level security lets
no mandate look at the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from bursar.billing.voucher_codes import make_code
from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import not_found
from bursar.identity.audit import INSTALLATION, note
from bursar.identity.pages import Page, cursor_parts, page_of

VoucherState = Literal["open", "redeemed", "revoked", "expired"]
STATES: Final[tuple[VoucherState, ...]] = get_args(VoucherState)
MOST_AT_ONCE: Final = 1000

_CURRENCY_OF: Final = "SELECT currency FROM mandate WHERE mandate_id = $1"
_INSERT: Final = """
    INSERT INTO voucher (voucher_id, code_hash, hint, amount_nanos, currency, for_mandate_id, note, expires_at,
                         created_by)
    SELECT n.voucher_id, n.code_hash, n.hint, $4, $5, $6, $7, $8, $9
      FROM unnest($1::uuid[], $2::bytea[], $3::text[]) AS n (voucher_id, code_hash, hint)"""

_COLUMNS: Final = """
    voucher_id, hint, amount_nanos, currency, for_mandate_id, note, expires_at, created_by, created_at, revoked_at,
    mandate_id, user_id, transfer_id, claimed_by, claimed_at,
    CASE WHEN claimed_at IS NOT NULL THEN 'redeemed' WHEN revoked_at IS NOT NULL THEN 'revoked'
         WHEN expires_at <= now() THEN 'expired' ELSE 'open' END AS state"""

_PAGE: Final = f"""
    SELECT * FROM (SELECT {_COLUMNS} FROM voucher) v
     WHERE ($1::timestamptz IS NULL OR (created_at, voucher_id) < ($1, $2)) AND ($3::text IS NULL OR state = $3)
     ORDER BY created_at DESC, voucher_id DESC
     LIMIT $4"""  # noqa: S608
_THESE: Final = f"SELECT {_COLUMNS} FROM voucher WHERE voucher_id = ANY($1::uuid[])"  # noqa: S608

_LOCK: Final = "SELECT claimed_at, revoked_at FROM voucher WHERE voucher_id = $1 FOR UPDATE"
_REVOKE: Final = "UPDATE voucher SET revoked_at = now() WHERE voucher_id = $1"


@dataclass(frozen=True, slots=True)
class Voucher:
    """Amounts in nanos of `currency`. From `mandate_id` on: who has redeemed it."""

    voucher_id: UUID
    hint: str
    amount_nanos: int
    currency: str
    for_mandate_id: UUID | None
    """The only mandate that may redeem it; `None` for any."""
    note: str | None
    expires_at: datetime
    created_by: str
    created_at: datetime
    revoked_at: datetime | None
    mandate_id: UUID | None
    user_id: UUID | None
    """Whose wallet it went to; `None` for the pool."""
    transfer_id: UUID | None
    claimed_by: str | None
    claimed_at: datetime | None
    state: VoucherState


async def create_vouchers(
    database: Database,
    *,
    amount_nanos: int,
    currency: str,
    expires_at: datetime,
    created_by: str,
    count: int = 1,
    for_mandate_id: UUID | None = None,
    note_text: str | None = None,
) -> list[tuple[Voucher, str]]:
    """New vouchers with their codes, which nobody can read again. Raises a 404 or 422 `Problem`."""
    if not 1 <= count <= MOST_AT_ONCE:
        raise invalid_field("count", f"must be 1 to {MOST_AT_ONCE}")
    expires_at = _checked_expiry(expires_at)
    codes = {new_id(): make_code() for _ in range(count)}
    async with database.as_operator() as connection:
        if for_mandate_id is not None:
            known = await connection.fetchval(_CURRENCY_OF, for_mandate_id)
            if known is None:
                raise not_found()
            if known != currency:
                raise invalid_field("currency", f"must be {known}, as the mandate's")
        made = list(codes.values())
        await connection.execute(
            _INSERT,
            list(codes),
            [code.code_hash for code in made],
            [code.hint for code in made],
            amount_nanos,
            currency,
            for_mandate_id,
            note_text,
            expires_at,
            created_by,
        )
        for voucher_id, code in codes.items():
            said = _said(code.hint, amount_nanos, currency, expires_at, for_mandate_id)
            await note(connection, INSTALLATION, "voucher.created", str(voucher_id), after=said, actor=created_by)
        rows = await connection.fetch(_THESE, list(codes))
    found = {row["voucher_id"]: Voucher(**dict(row)) for row in rows}
    return [(found[voucher_id], code.text) for voucher_id, code in codes.items()]


async def list_vouchers(
    database: Database, *, state: VoucherState | None = None, cursor: str | None = None, limit: int = 100
) -> Page[Voucher]:
    """Newest first. Raises a 422 `Problem` for a cursor that is none."""
    created_at, voucher_id = cursor_parts(cursor)
    async with database.as_operator() as connection:
        rows = await connection.fetch(_PAGE, created_at, voucher_id, state, limit + 1)
    return page_of([Voucher(**dict(row)) for row in rows], limit, lambda each: (each.created_at, each.voucher_id))


async def revoke_voucher(database: Database, voucher_id: UUID, *, actor: str) -> None:
    """Nobody can redeem it any more; again changes nothing. Raises a 404, or a 409 `Problem` for a used one."""
    async with database.as_operator() as connection:
        row = await connection.fetchrow(_LOCK, voucher_id)
        if row is None:
            raise not_found("voucher")
        if row["claimed_at"] is not None:
            raise Problem(409, "voucher_used", "The voucher has been redeemed", "Its money is in the journal already.")
        if row["revoked_at"] is None:
            await connection.execute(_REVOKE, voucher_id)
            await note(connection, INSTALLATION, "voucher.revoked", str(voucher_id), actor=actor)


def _checked_expiry(expires_at: datetime) -> datetime:
    if expires_at.tzinfo is None:
        raise invalid_field("expiresAt", "must have an offset from UTC, such as 2027-01-31T00:00:00Z")
    try:
        expires_at = expires_at.astimezone(UTC)
    except OverflowError:
        raise invalid_field("expiresAt", "is too far away") from None
    if expires_at <= datetime.now(UTC):
        raise invalid_field("expiresAt", "must be in the future")
    return expires_at


def _said(hint: str, amount_nanos: int, currency: str, expires_at: datetime, for_id: UUID | None) -> Mapping[str, Any]:
    return {
        "hint": hint,
        "amount_nanos": amount_nanos,
        "currency": currency,
        "expires_at": expires_at.isoformat(),
        "for_mandate_id": None if for_id is None else str(for_id),
    }
