"""The management route that shows what is left of a mandate that is closed, or is to be."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends
from starlette.requests import Request

from bursar.billing.closing import get_closing
from bursar.foundation.money import format_amount
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, may
from bursar.identity.principal import MandateStatus
from bursar.identity.wire import Answer
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import Payer

router = APIRouter(tags=["mandates"])


class RemainderAnswer(Answer):
    payer: Payer
    user_id: UUID | None
    user_name: str | None
    posted: str
    held: str
    payable: str


class ClosingAnswer(Answer):
    """`payable` is what a refund can pay out now; what is held comes free when its calls end. `settled` is whether
    the mandate is closed and nothing runs, is left, or is owed."""

    status: MandateStatus
    currency: str
    open_holds: int
    held: str
    remaining: str
    owed: str
    settled: bool
    accounts: list[RemainderAnswer]


@router.get("/api/mandates/{mandateId}/closing", responses=refusals())
async def read_closing(
    request: Request, visitor: Annotated[Visitor, Depends(may(Action.READ_CLOSING))]
) -> ClosingAnswer:
    """What still runs and what is left, account by account: to be paid out by refunds, or by corrections with a reason.

    A mandate is closed by its status (`PATCH /api/mandates/{mandateId}`).
    """
    closing = await get_closing(wiring_of(request).database, visitor.mandate.mandate_id)
    accounts = [
        RemainderAnswer(
            payer=account.payer,
            user_id=account.user_id,
            user_name=account.user_name,
            posted=format_amount(account.posted_nanos),
            held=format_amount(account.held_nanos),
            payable=format_amount(account.payable_nanos),
        )
        for account in closing.accounts
    ]
    return ClosingAnswer(
        status=closing.status,
        currency=closing.currency,
        open_holds=closing.open_holds,
        held=format_amount(closing.held_nanos),
        remaining=format_amount(closing.remaining_nanos),
        owed=format_amount(closing.owed_nanos),
        settled=closing.is_settled,
        accounts=accounts,
    )
