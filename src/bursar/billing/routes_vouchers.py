"""Management routes of vouchers: made and revoked by operators, redeemed by a mandate's people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.billing import vouchers
from bursar.billing.idempotency import idempotency_key
from bursar.billing.money_in import user_of
from bursar.billing.redeeming import Claimer, redeem
from bursar.billing.routes_money import PostedAnswer, posted_answer
from bursar.billing.vouchers import Voucher, VoucherState
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem
from bursar.identity import documented
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Operator, Visitor, as_id, may, may_operate
from bursar.identity.wire import Answer, Ask, Line, PositiveAmount, UserName, WholeNumber
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["vouchers"])
_KEY_POSSIBLE: Final[dict[str, Any]] = {"parameters": [documented.idempotency_key(required=False)]}


class NewVouchers(Ask):
    amount: PositiveAmount
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]
    expires_at: datetime
    count: Annotated[WholeNumber, Field(ge=1, le=vouchers.MOST_AT_ONCE)] = 1
    mandate_id: Annotated[UUID | None, Field(description="the only mandate that may redeem them")] = None
    note: Line | None = None


class VoucherAnswer(Answer):
    """`hint` is how the code begins. From `redeemedAt` on: where it went."""

    id: UUID
    state: VoucherState
    hint: str
    amount: str
    currency: str
    mandate_id: UUID | None
    note: str | None
    expires_at: datetime
    created_by: str
    created_at: datetime
    revoked_at: datetime | None
    redeemed_at: datetime | None
    redeemed_by: str | None
    redeemed_for_mandate_id: UUID | None
    redeemed_for_user_id: UUID | None
    transfer_id: UUID | None


class NewVoucherAnswer(VoucherAnswer):
    code: str
    """Shown here and never again."""


class NewVouchersAnswer(Answer):
    vouchers: list[NewVoucherAnswer]


class VoucherPage(Answer):
    vouchers: list[VoucherAnswer]
    next_cursor: str | None


class Redemption(Ask):
    code: Annotated[str, Field(min_length=1, max_length=100, description="spaces, hyphens and case do not matter")]
    user_id: UserName | None = None


def _fields(voucher: Voucher) -> dict[str, object]:
    return {
        "id": voucher.voucher_id,
        "state": voucher.state,
        "hint": voucher.hint,
        "amount": format_amount(voucher.amount_nanos),
        "currency": voucher.currency,
        "mandate_id": voucher.for_mandate_id,
        "note": voucher.note,
        "expires_at": voucher.expires_at,
        "created_by": voucher.created_by,
        "created_at": voucher.created_at,
        "revoked_at": voucher.revoked_at,
        "redeemed_at": voucher.claimed_at,
        "redeemed_by": voucher.claimed_by,
        "redeemed_for_mandate_id": voucher.mandate_id,
        "redeemed_for_user_id": voucher.user_id,
        "transfer_id": voucher.transfer_id,
    }


@router.post("/api/vouchers", status_code=201, responses=refusals())
async def create_vouchers(
    request: Request,
    response: Response,
    body: NewVouchers,
    operator: Annotated[Operator, Depends(may_operate(Action.ISSUE_VOUCHERS))],
) -> NewVouchersAnswer:
    """New vouchers, each worth `amount` once; their codes are in this answer and nowhere else."""
    made = await vouchers.create_vouchers(
        wiring_of(request).database,
        amount_nanos=body.amount,
        currency=body.currency,
        expires_at=body.expires_at,
        created_by=operator.caller.actor,
        count=body.count,
        for_mandate_id=body.mandate_id,
        note_text=body.note,
    )
    response.headers["Cache-Control"] = "no-store"
    answers = [NewVoucherAnswer.model_validate({**_fields(voucher), "code": code}) for voucher, code in made]
    return NewVouchersAnswer(vouchers=answers)


@router.get("/api/vouchers", responses=refusals())
async def list_vouchers(
    request: Request,
    _: Annotated[Operator, Depends(may_operate(Action.ISSUE_VOUCHERS))],
    state: Annotated[VoucherState | None, Query()] = None,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> VoucherPage:
    """Newest first."""
    page = await vouchers.list_vouchers(wiring_of(request).database, state=state, cursor=cursor, limit=limit)
    answers = [VoucherAnswer.model_validate(_fields(voucher)) for voucher in page.items]
    return VoucherPage(vouchers=answers, next_cursor=page.next_cursor)


@router.delete("/api/vouchers/{voucherId}", status_code=204, responses=refusals(409))
async def revoke_voucher(
    request: Request,
    voucherId: str,
    operator: Annotated[Operator, Depends(may_operate(Action.ISSUE_VOUCHERS))],
) -> None:
    """Nobody can redeem it any more; one that has been redeemed stays so."""
    await vouchers.revoke_voucher(wiring_of(request).database, as_id(voucherId, "voucher"), actor=operator.caller.actor)


@router.post(
    "/api/mandates/{mandateId}/vouchers/redeem",
    status_code=201,
    responses=refusals(409, 429),
    openapi_extra=_KEY_POSSIBLE,
)
async def redeem_voucher(
    request: Request, body: Redemption, visitor: Annotated[Visitor, Depends(may(Action.REDEEM_VOUCHERS))]
) -> PostedAnswer:
    """The voucher's amount into the pool, or with `userId` into a user's wallet; a member's goes into their own.

    Once: the same code again is refused, unless it comes with the same `Idempotency-Key`.
    """
    wiring, mandate = wiring_of(request), visitor.mandate
    if not wiring.vouchers_enabled:
        raise Problem(409, "vouchers_disabled", "No vouchers here", "This installation takes no vouchers.")
    key = await idempotency_key(request, visitor, "vouchers")
    user_id = visitor.own_user_id
    if body.user_id is not None:
        user_id = await user_of(wiring.database, mandate.mandate_id, body.user_id)
        if visitor.own_user_id not in (None, user_id):
            raise not_found("user")
    person = visitor.caller.person
    claimer = Claimer(
        mandate=mandate,
        user_id=user_id,
        actor=visitor.actor,
        tried_as=visitor.actor if person is None else f"user:{person.user_id}",
        key=None if key is None else key.key,
    )
    posted = await redeem(wiring.database, wiring.ledger, claimer, body.code)
    return await posted_answer(request, visitor, posted)
