"""The journal of transfers as people read it: newest first, one sign per kind, page by page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from uuid import UUID

from bursar.foundation.database import Connection, Database
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.ledger.model import AccountKind, Payer

# `$8` is whether the operator asks: what the operator bears (OVERRUN) is nobody else's business.
_PAGE: Final = """
    SELECT t.transfer_id, t.at, t.kind, t.amount_nanos, t.debit_account_id, t.credit_account_id, d.kind AS debit,
           c.kind AS credit, t.hold_id, t.user_id, t.key_id, t.model, t.upstream, t.input_tokens,
           t.cached_input_tokens, t.output_tokens, t.usage_details, p.content AS price_used, t.cost_source,
           t.billing_model, t.tags, t.reference, t.reason, t.actor
      FROM transfer t
      JOIN account d ON d.mandate_id = t.mandate_id AND d.account_id = t.debit_account_id
      JOIN account c ON c.mandate_id = t.mandate_id AND c.account_id = t.credit_account_id
      LEFT JOIN price p ON p.price_id = t.price_id
     WHERE t.mandate_id = $1
       AND ($2::timestamptz IS NULL OR (t.at, t.transfer_id) < ($2, $3::uuid))
       AND ($4::timestamptz IS NULL OR t.at >= $4)
       AND ($5::timestamptz IS NULL OR t.at < $5)
       AND ($6::uuid IS NULL OR t.hold_id = $6)
       AND ($7::uuid IS NULL OR t.user_id = $7 OR t.debit_account_id = $7 OR t.credit_account_id = $7)
       AND ($8 OR d.kind IN ('pool', 'wallet') OR c.kind IN ('pool', 'wallet'))
       AND ($10::text[] IS NULL OR t.kind = ANY ($10))
       AND ($11::text IS NULL OR t.model = $11)
       AND ($12::uuid IS NULL OR t.key_id = $12)
       AND ($13::text IS NULL OR strpos(lower(concat_ws(' ', t.reference, t.reason, t.model, t.hold_id, t.transfer_id,
            t.tags, (SELECT u.display_name FROM app_user u WHERE u.mandate_id = $1 AND u.user_id = t.user_id),
            (SELECT k.name FROM api_key k WHERE k.mandate_id = $1 AND k.key_id = t.key_id))), $13) > 0)
     ORDER BY t.at DESC, t.transfer_id DESC
     LIMIT $9"""

_ONE: Final = """
    SELECT t.transfer_id, t.at, t.kind, t.amount_nanos, t.debit_account_id, t.credit_account_id, d.kind AS debit,
           c.kind AS credit, t.hold_id, t.user_id, t.key_id, t.model, t.upstream, t.input_tokens,
           t.cached_input_tokens, t.output_tokens, t.usage_details, p.content AS price_used, t.cost_source,
           t.billing_model, t.tags, t.reference, t.reason, t.actor
      FROM transfer t
      JOIN account d ON d.mandate_id = t.mandate_id AND d.account_id = t.debit_account_id
      JOIN account c ON c.mandate_id = t.mandate_id AND c.account_id = t.credit_account_id
      LEFT JOIN price p ON p.price_id = t.price_id
     WHERE t.mandate_id = $1 AND t.transfer_id = $2"""

PlusSide = Literal["debit", "credit", "pool"]

PLUS_WHERE_PAYER_IS: Final[Mapping[str, PlusSide]] = {
    "CHARGE": "debit",
    "LATE_ADJUSTMENT": "debit",
    "OVERRUN": "debit",
    "REFUND": "debit",
    "TOP_UP": "credit",
    "CORRECTION": "credit",
    "WALLET_TRANSFER": "pool",
}
"""An amount is positive where the account of the mandate stands on this side, else negative: a charge is positive for
what it costs, a top-up for what it brings, a correction in the account's favour. Between pool and wallet it is positive
where the pool gives."""

_OF_THE_MANDATE: Final = frozenset({"pool", "wallet"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One transfer. `amount_nanos` is signed by `PLUS_WHERE_PAYER_IS`."""

    transfer_id: UUID
    at: datetime
    kind: str
    amount_nanos: int
    payer: Payer | None
    """`None` for what the operator alone bears."""
    debit: AccountKind
    credit: AccountKind
    user_id: UUID | None
    key_id: UUID | None
    hold_id: UUID | None
    model: str | None
    upstream: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    usage_details: Mapping[str, Any] | None
    price_used: Mapping[str, Any] | None
    cost_source: str | None
    billing_model: str | None
    tags: Mapping[str, str] | None
    reference: str | None
    reason: str | None
    actor: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which transfers; `None` takes all. From `begin` up to and without `end`."""

    begin: datetime | None = None
    end: datetime | None = None
    request_id: UUID | None = None
    of_user: UUID | None = None
    key_id: UUID | None = None
    kinds: Sequence[str] | None = None
    model: str | None = None
    text: str | None = None
    """What stands in its reference, reason, model, tags or ids, or in the name of its user or key."""
    all_accounts: bool = False
    """What the operator bears as well."""


async def list_transfers(
    database: Database, mandate_id: UUID, wanted: Wanted, *, cursor: str | None = None, limit: int = 100
) -> Page[Entry]:
    """Newest first. Raises a 422 `Problem` for a cursor that is none."""
    at, transfer_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(
            _PAGE, mandate_id, at, transfer_id, wanted.begin, wanted.end, wanted.request_id, wanted.of_user,
            wanted.all_accounts, limit + 1, wanted.kinds, wanted.model, wanted.key_id,
            None if wanted.text is None else wanted.text.lower(),
        )  # fmt: skip
    return page_of([_entry(row) for row in rows], limit, lambda each: (each.at, each.transfer_id))


async def get_transfer(connection: Connection, mandate_id: UUID, transfer_id: UUID) -> Entry | None:
    row = await connection.fetchrow(_ONE, mandate_id, transfer_id)
    return None if row is None else _entry(row)


def _entry(row: Any) -> Entry:
    fields = dict(row)
    debit_id, credit_id = fields.pop("debit_account_id"), fields.pop("credit_account_id")
    debit, credit = fields["debit"], fields["credit"]
    payer: Payer | None = debit if debit in _OF_THE_MANDATE else credit if credit in _OF_THE_MANDATE else None
    side = PLUS_WHERE_PAYER_IS[fields["kind"]]
    is_plus = debit == "pool" if side == "pool" else payer is None or (debit == payer) == (side == "debit")
    if fields["user_id"] is None:
        wallet = {debit: debit_id, credit: credit_id}.get("wallet")
        fields["user_id"] = wallet
    amount = fields.pop("amount_nanos")
    return Entry(**fields, amount_nanos=amount if is_plus else -amount, payer=payer)
