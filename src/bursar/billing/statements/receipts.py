"""Receipts for money in: one for each top-up, with a number that follows from the journal.

The number is `AAAAAAAA-YYYY-NNNN`: the first eight characters of the mandate's id, the year (in the mandate's time
zone, with the bounds of statements), and the top-up's place among the mandate's top-ups of that year, counted from 1
and without gaps. The place is counted in the order of the versions of the operator's `funding` account, which every
top-up of a mandate debits under its lock, whatever account it credits: so two top-ups can never have the same number,
and nothing that comes later changes one. Nothing is stored for it.

A correction or a refund is another entry of the journal and shows on the statement; the receipt stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import orjson

from bursar.billing.models import Language
from bursar.billing.statements import reading
from bursar.billing.statements.building import zones_of
from bursar.billing.statements.json_form import moment
from bursar.billing.statements.months import Month, ZoneChange, month_of, month_span, month_start
from bursar.billing.statements.texts import CATALOGUES, WRITTEN_IN, decimals_of, long_day
from bursar.billing.texts import LOCALES, format_money, quotable
from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import operator_account_id
from bursar.foundation.money import DECIMALS, format_amount
from bursar.identity.access import not_found
from bursar.ledger.model import Payer

_TOP_UPS: Final = """
    SELECT t.transfer_id, t.at, t.credit_account_id, t.amount_nanos, t.reference, t.debit_version,
           u.user_id IS NOT NULL AS is_user, nullif(u.display_name, '') AS user_name
      FROM transfer t
      LEFT JOIN app_user u ON u.mandate_id = t.mandate_id AND u.user_id = t.credit_account_id
     WHERE t.mandate_id = $1 AND t.debit_account_id = $2 AND t.kind = 'TOP_UP'"""

_ONE: Final = f"{_TOP_UPS} AND t.transfer_id = $3"

_OF_A_YEAR: Final = f"{_TOP_UPS} AND t.at >= $3 AND t.at < $4 ORDER BY t.debit_version"

_PLACE: Final = """
    SELECT count(*) FROM transfer
     WHERE mandate_id = $1 AND debit_account_id = $2 AND kind = 'TOP_UP' AND at >= $3 AND at < $4
       AND debit_version <= $5"""


@dataclass(frozen=True, slots=True)
class Receipt:
    number: str
    transfer_id: UUID
    at: datetime
    mandate_id: UUID
    mandate_name: str
    currency: str
    language: Language
    time_zone: str
    payer: Payer
    user_id: UUID | None
    """Whose wallet was credited."""
    user_name: str | None
    amount_nanos: int
    reference: str | None


async def build_receipt(
    database: Database, mandate_id: UUID, transfer_id: UUID, *, viewer_user_id: UUID | None = None
) -> Receipt:
    """The receipt of the top-up that is this transfer.

    With `viewer_user_id`, for somebody who may see what went into their own wallet only. Raises a 404 `Problem`.
    """
    funding = operator_account_id(mandate_id, "funding")
    async with reading.snapshot_of(database, mandate_id) as connection:
        mandate, zones = await _mandate(connection, mandate_id)
        row = await connection.fetchrow(_ONE, mandate_id, funding, transfer_id)
        if row is None or viewer_user_id not in (None, row["credit_account_id"]):
            raise not_found("receipt")
        year = month_of(row["at"], zones).year
        start, end = _year(year, zones)
        place = await connection.fetchval(_PLACE, mandate_id, funding, start, end, row["debit_version"])
    return _receipt(mandate_id, mandate, zones, row, year, place)


async def list_receipts(
    database: Database, mandate_id: UUID, year: int, *, viewer_user_id: UUID | None = None
) -> list[Receipt]:
    """A year's receipts in the order of their numbers; with `viewer_user_id` those for that user's wallet.

    Raises a 404 `Problem`.
    """
    async with reading.snapshot_of(database, mandate_id) as connection:
        mandate, zones = await _mandate(connection, mandate_id)
        funding = operator_account_id(mandate_id, "funding")
        rows = await connection.fetch(_OF_A_YEAR, mandate_id, funding, *_year(year, zones))
    receipts = [_receipt(mandate_id, mandate, zones, row, year, place) for place, row in enumerate(rows, 1)]
    return [receipt for receipt in receipts if viewer_user_id in (None, receipt.user_id)]


async def _mandate(connection: Connection, mandate_id: UUID) -> tuple[asyncpg.Record, list[ZoneChange]]:
    mandate = await connection.fetchrow(reading.MANDATE, mandate_id)
    if mandate is None:
        raise not_found("receipt")
    return mandate, await zones_of(connection, mandate_id, mandate)


def _year(year: int, zones: Sequence[ZoneChange]) -> tuple[datetime, datetime]:
    return month_start(Month(year, 1), zones), month_start(Month(year + 1, 1), zones)


def _receipt(
    mandate_id: UUID,
    mandate: asyncpg.Record,
    zones: Sequence[ZoneChange],
    row: asyncpg.Record,
    year: int,
    place: int,
) -> Receipt:
    account_id = row["credit_account_id"]
    pool = account_id == mandate_id
    return Receipt(
        number=f"{str(mandate_id)[:8]}-{year}-{place:04d}",
        transfer_id=row["transfer_id"],
        at=row["at"],
        mandate_id=mandate_id,
        mandate_name=mandate["name"],
        currency=mandate["currency"],
        language=cast(Language, mandate["language"]),
        time_zone=month_span(month_of(row["at"], zones), zones).time_zone,
        payer="pool" if pool else "wallet",
        user_id=None if pool else account_id,
        user_name=None if pool else row["user_name"],
        amount_nanos=row["amount_nanos"],
        reference=row["reference"],
    )


def receipt_json(receipt: Receipt) -> dict[str, str | None]:
    return {
        "number": receipt.number,
        "id": str(receipt.transfer_id),
        "at": moment(receipt.at),
        "mandateId": str(receipt.mandate_id),
        "mandateName": receipt.mandate_name,
        "payer": receipt.payer,
        "userId": None if receipt.user_id is None else str(receipt.user_id),
        "userName": receipt.user_name,
        "amount": format_amount(receipt.amount_nanos),
        "currency": receipt.currency,
        "reference": receipt.reference,
    }


def render_receipt_json(receipt: Receipt) -> bytes:
    return orjson.dumps(receipt_json(receipt))


def render_receipt_pdf(receipt: Receipt, language: Language | None = None) -> bytes:
    """One page; without a language, in the mandate's. The amount is exact, with as many decimals as it has."""
    # What prints takes thirty megabytes with its fonts: it is loaded for the first receipt.
    from bursar.billing.statements.page import Paper
    from bursar.billing.statements.pdf_form import person_name

    language = WRITTEN_IN[language or receipt.language]
    words = CATALOGUES[language]
    name = words["pool"]
    if receipt.user_id is not None:
        name = words["wallet"].format(user=person_name(receipt.user_id, receipt.user_name, language))
    paper = Paper(
        title=words["receipt"].format(number=receipt.number),
        running_head=quotable(receipt.mandate_name),
        foot=f"{words['mandate_id']} {receipt.mandate_id}",
        page_text=lambda page, pages: words["page"].format(page=page, pages=pages),
        created_at=receipt.at,
    )
    paper.write_title()
    pairs = [
        (words["mandate"], receipt.mandate_name),
        (words["mandate_id"], str(receipt.mandate_id)),
        (words["number"], receipt.number),
        (words["date"], long_day(receipt.at.astimezone(ZoneInfo(receipt.time_zone)).date(), language)),
        (words["credited"], name),
        (words["transfer"], str(receipt.transfer_id)),
    ]
    if receipt.reference:
        pairs.append((words["reference"], receipt.reference))
    paper.write_pairs(pairs)
    paper.ln(5)
    least = max(decimals_of(receipt.currency), _decimals(receipt.amount_nanos))
    amount = format_money(receipt.amount_nanos, receipt.currency, LOCALES[language], least_decimals=least)
    paper.write_sums([(words["amount"], amount, True)])
    if paper.replaced:
        paper.write_note(words["replaced"])
    return paper.to_bytes()


def _decimals(nanos: int) -> int:
    """How many decimals the amount needs to be exact."""
    return len(f"{nanos:0{DECIMALS}d}"[-DECIMALS:].rstrip("0"))
