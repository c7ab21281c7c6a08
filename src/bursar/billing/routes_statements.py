"""Management routes of statements and receipts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bursar.billing import statements
from bursar.billing.models import Language
from bursar.billing.statements import Receipt
from bursar.billing.texts import choose_language
from bursar.foundation.money import format_amount
from bursar.foundation.problems import invalid_field
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.lookup import as_uuid
from bursar.identity.wire import Answer
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import Payer

router = APIRouter(tags=["statements and receipts"])
Format = Literal["json", "csv", "pdf"]
MEDIA_TYPES: Final[dict[str, str]] = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "pdf": "application/pdf",
}
_POOL: Final = "pool"

MayRead = Annotated[Visitor, Depends(may(Action.READ_STATEMENTS))]
Month = Annotated[
    str, Query(pattern="^20[0-9]{2}-(0[1-9]|1[0-2])$", description="a calendar month such as 2026-11", max_length=7)
]
Account = Annotated[str, Query(description="`pool`, or the id of the user whose wallet it is", max_length=36)]
AcceptLanguage: Final = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The language of a PDF; without it the person's, then the mandate's.",
}
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}


class StatementAnswer(Answer):
    """The JSON form. Amounts have nine decimals; balances are `null` where only one's own part is shown."""

    mandate_id: UUID
    mandate_name: str
    currency: str
    payer: Payer
    user_id: UUID | None
    user_name: str | None
    own_part: bool
    month: str
    time_zone: str
    starts_at: datetime
    ends_at: datetime
    closed: bool
    as_of: datetime
    opening_balance: str | None
    closing_balance: str | None
    amount_due: str | None
    movement_count: int
    totals: list[dict[str, Any]]
    usage: dict[str, Any]
    movements: list[dict[str, Any]]


class ReceiptAnswer(Answer):
    number: str
    id: UUID
    at: datetime
    mandate_id: UUID
    mandate_name: str
    payer: Payer
    user_id: UUID | None
    user_name: str | None
    amount: str
    currency: str
    reference: str | None


class ReceiptList(Answer):
    year: int
    receipts: list[ReceiptAnswer]
    next_cursor: str | None


@router.get(
    "/api/mandates/{mandateId}/statements",
    response_model=StatementAnswer,
    responses={
        **refusals(),
        200: {
            "description": "The statement.",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/pdf": _BINARY,
            },
        },
    },
    openapi_extra={"parameters": [AcceptLanguage]},
)
async def read_statement(
    request: Request,
    visitor: MayRead,
    month: Month,
    account: Account = _POOL,
    form: Annotated[Format, Query(alias="format")] = "json",
    excel: Annotated[bool, Query(description="with a byte order mark, for a CSV that Excel opens")] = False,
) -> Response:
    """One account's month: opening balance, every movement, closing balance. A month that has ended never changes.

    Finance reads the pool's and every wallet's; a member their own wallet's, and of the pool their own part.
    """
    database = wiring_of(request).database
    statement = await statements.build_statement(
        database,
        visitor.mandate.mandate_id,
        account=_account(account),
        month=month,
        viewer_user_id=visitor.own_user_id,
    )
    header = statement.header
    name = "pool" if header.payer == "pool" and not header.own_part else str(header.user_id)
    headers = _headers(f"statement-{str(header.mandate_id)[:8]}-{name}-{header.month}", form)
    if form == "pdf":
        content = await asyncio.to_thread(statements.render_pdf, statement, _language(request, visitor))
        return Response(content, headers=headers, media_type=MEDIA_TYPES[form])
    stream: AsyncIterator[bytes] = (
        statements.stream_json(database, statement)
        if form == "json"
        else statements.stream_csv(database, statement, byte_order_mark=excel)
    )
    return StreamingResponse(stream, headers=headers, media_type=MEDIA_TYPES[form])


@router.get("/api/mandates/{mandateId}/receipts", responses=refusals())
async def list_receipts(
    request: Request,
    visitor: MayRead,
    year: Annotated[int | None, Query(ge=2000, le=2099, description="left out: this year")] = None,
    cursor: Annotated[str | None, Query(pattern="^[0-9]{1,9}$")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> ReceiptList:
    """A receipt for each top-up of a year, in the order of their numbers; a member's are those of their wallet."""
    wanted = year if year is not None else datetime.now(UTC).year
    found = await statements.list_receipts(
        wiring_of(request).database, visitor.mandate.mandate_id, wanted, viewer_user_id=visitor.own_user_id
    )
    # A year's receipts only ever get more at their end, so that a place among them is a cursor.
    begin = int(cursor or 0)
    page, end = found[begin : begin + limit], begin + limit
    return ReceiptList(
        year=wanted, receipts=[_answer(each) for each in page], next_cursor=str(end) if end < len(found) else None
    )


@router.get(
    "/api/mandates/{mandateId}/receipts/{transferId}",
    response_model=ReceiptAnswer,
    responses={
        **refusals(),
        200: {
            "description": "The receipt.",
            "content": {
                "application/pdf": _BINARY,
            },
        },
    },
    openapi_extra={"parameters": [AcceptLanguage]},
)
async def read_receipt(
    request: Request,
    transferId: str,
    visitor: MayRead,
    form: Annotated[Literal["json", "pdf"], Query(alias="format")] = "json",
) -> Response:
    """The receipt of one top-up, by its transfer's id."""
    receipt = await statements.build_receipt(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        as_id(transferId, "receipt"),
        viewer_user_id=visitor.own_user_id,
    )
    if form == "pdf":
        content = await asyncio.to_thread(statements.render_receipt_pdf, receipt, _language(request, visitor))
    else:
        content = statements.render_receipt_json(receipt)
    return Response(content, headers=_headers(f"receipt-{receipt.number}", form), media_type=MEDIA_TYPES[form])


def _account(text: str) -> Literal["pool"] | UUID:
    if text == "pool":
        return "pool"
    user_id = as_uuid(text)
    if user_id is None:
        raise invalid_field("account", "must be pool, or the id of a user")
    return user_id


def _language(request: Request, visitor: Visitor) -> Language:
    person = visitor.caller.person
    own = None if person is None else person.language
    return choose_language(request.headers.get("accept-language"), own, visitor.mandate.language)


def _headers(name: str, form: str) -> dict[str, str]:
    disposition = "inline" if form == "json" else "attachment"
    return {
        "content-disposition": f'{disposition}; filename="{name}.{form}"',
        "cache-control": "private, no-cache",
        "vary": "accept-language",
    }


def _answer(receipt: Receipt) -> ReceiptAnswer:
    return ReceiptAnswer(
        number=receipt.number,
        id=receipt.transfer_id,
        at=receipt.at,
        mandate_id=receipt.mandate_id,
        mandate_name=receipt.mandate_name,
        payer=receipt.payer,
        user_id=receipt.user_id,
        user_name=receipt.user_name,
        amount=format_amount(receipt.amount_nanos),
        currency=receipt.currency,
        reference=receipt.reference,
    )
