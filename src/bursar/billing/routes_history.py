"""Management route of an account's balance over time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.billing import history
from bursar.billing.routes_transfers import From, To, moment
from bursar.foundation.ids import pool_account_id, wallet_account_id
from bursar.foundation.money import format_amount
from bursar.foundation.problems import invalid_field
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, may
from bursar.identity.wire import Answer
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import Payer

router = APIRouter(tags=["journal"])


class PointAnswer(Answer):
    at: datetime
    balance: str


class MarkAnswer(Answer):
    at: datetime
    kind: str
    amount: str
    reference: str | None


class RefusalsAnswer(Answer):
    at: datetime
    calls: int


class HistoryAnswer(Answer):
    """`points` are the balance (posted, without what is held) at the end of each step; `movements` what came in or went
    out otherwise than by calls, with the account's sign; `refusals` the calls refused for lack of its money."""

    currency: str
    payer: Payer
    user_id: UUID | None
    step: history.Step
    points: list[PointAnswer]
    movements: list[MarkAnswer]
    refusals: list[RefusalsAnswer]


@router.get("/api/mandates/{mandateId}/balance-history", responses=refusals())
async def read_history(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_BALANCE))],
    user_id: Annotated[UUID | None, Query(alias="userId", description="whose wallet; without it the pool")] = None,
    begin: From = None,
    end: To = None,
) -> HistoryAnswer:
    """By the hour up to four days, else by the day; the last thirty days unless told otherwise.

    A member sees their own wallet's.
    """
    mandate, own = visitor.mandate, visitor.own_user_id
    if own is not None and user_id not in (None, own):
        raise not_found("user")
    owner = own or user_id
    now = datetime.now(UTC)
    until = moment(end, mandate.time_zone, "to") or now
    since = moment(begin, mandate.time_zone, "from") or min(until, now) - history.USUAL
    if not since < until or until - since > history.LONGEST:
        raise invalid_field("from", f"must be before `to`, by {history.LONGEST.days} days at most")
    found = await history.get_history(
        wiring_of(request).database,
        mandate.mandate_id,
        pool_account_id(mandate.mandate_id) if owner is None else wallet_account_id(owner),
        begin=since,
        end=until,
        now=now,
        zone=mandate.time_zone,
    )
    return HistoryAnswer(
        currency=mandate.currency,
        payer="pool" if owner is None else "wallet",
        user_id=owner,
        step=found.step,
        points=[PointAnswer(at=each.at, balance=format_amount(each.balance_nanos)) for each in found.points],
        movements=[
            MarkAnswer(at=each.at, kind=each.kind, amount=format_amount(each.amount_nanos), reference=each.reference)
            for each in found.marks
        ],
        refusals=[RefusalsAnswer(at=each.at, calls=each.calls) for each in found.refusals],
    )
