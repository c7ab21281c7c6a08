"""Management routes that move money, and the one that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.billing import money_in
from bursar.billing.balances import get_balance
from bursar.billing.idempotency import idempotency_key, is_remembered
from bursar.billing.journal import get_transfer
from bursar.billing.routes_transfers import TransferAnswer, transfer_answer
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem
from bursar.identity import documented
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, may
from bursar.identity.wire import Answer, Ask, Line, PositiveAmount, SignedAmount, UserName
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import Payer, Posted, TransferKind

router = APIRouter(tags=["money"])
_KEY_REQUIRED: Final[Mapping[str, Any]] = {"parameters": [documented.idempotency_key(required=True)]}
_KEY_POSSIBLE: Final[Mapping[str, Any]] = {"parameters": [documented.idempotency_key(required=False)]}


class TopUp(Ask):
    amount: PositiveAmount
    user_id: UserName | None = None
    reference: Line | None = None


class Correction(Ask):
    amount: SignedAmount
    user_id: UserName | None = None
    reason: Line


class Refund(Ask):
    amount: PositiveAmount
    user_id: UserName | None = None
    reason: Line


class WalletTransfer(Ask):
    user_id: UserName
    amount: SignedAmount
    reference: Line | None = None


class PostedAnswer(TransferAnswer):
    """The transfer as it is in the journal, and what the account (of a wallet transfer: the pool) had after it."""

    currency: str
    balance: str | None


class AccountAnswer(Answer):
    payer: Payer
    user_id: UUID | None = None
    user_name: str | None = None
    posted: str
    held: str
    available: str
    credit_limit: str


class BalanceAnswer(Answer):
    currency: str
    accounts: list[AccountAnswer]
    next_cursor: str | None


async def posted_answer(request: Request, visitor: Visitor, posted: Posted) -> PostedAnswer:
    """Made of what is stored and nothing else, so that a repeated request gets the very same."""
    mandate = visitor.mandate
    async with wiring_of(request).database.as_mandate(mandate.mandate_id) as connection:
        entry = await get_transfer(connection, mandate.mandate_id, posted.transfer_id)
    if entry is None:
        raise LookupError(f"transfer {posted.transfer_id} was posted and is not in the journal")
    balance = None if posted.balance_nanos is None else format_amount(posted.balance_nanos)
    return PostedAnswer.model_validate(
        {**transfer_answer(entry).model_dump(), "currency": mandate.currency, "balance": balance}
    )


async def _post(
    request: Request,
    visitor: Visitor,
    route: str,
    kind: TransferKind,
    body: TopUp | Correction | Refund,
    *,
    key_required: bool = False,
) -> PostedAnswer:
    wiring = wiring_of(request)
    key = await idempotency_key(request, visitor, route, required=key_required, keep_for_ever=True)
    async with wiring.database.as_mandate(visitor.mandate.mandate_id) as connection:
        remembered = await is_remembered(connection, visitor, key)
    if kind is TransferKind.TOP_UP and visitor.mandate.status == "closed" and not remembered:
        raise Problem(409, "mandate_closed", "The mandate is closed", "A closed mandate takes no money.")
    posted = await money_in.post_money(
        wiring.database,
        wiring.ledger,
        visitor.mandate.mandate_id,
        kind,
        body.amount,
        actor=visitor.actor,
        user=body.user_id,
        reference=getattr(body, "reference", None),
        reason=getattr(body, "reason", None),
        idempotency=key,
        is_remembered=remembered,
    )
    return await posted_answer(request, visitor, posted)


@router.post(
    "/api/mandates/{mandateId}/top-ups", status_code=201, responses=refusals(409), openapi_extra=dict(_KEY_REQUIRED)
)
async def top_up(
    request: Request, body: TopUp, visitor: Annotated[Visitor, Depends(may(Action.MAKE_MONEY))]
) -> PostedAnswer:
    """Money into the pool, or into a user's wallet. `Idempotency-Key` is remembered for ever."""
    return await _post(request, visitor, "top-ups", TransferKind.TOP_UP, body, key_required=True)


@router.post(
    "/api/mandates/{mandateId}/corrections", status_code=201, responses=refusals(409), openapi_extra=dict(_KEY_POSSIBLE)
)
async def correct(
    request: Request, body: Correction, visitor: Annotated[Visitor, Depends(may(Action.MAKE_MONEY))]
) -> PostedAnswer:
    """A correction in the account's favour, or with a minus sign to its debit; never below what is available."""
    return await _post(request, visitor, "corrections", TransferKind.CORRECTION, body)


@router.post(
    "/api/mandates/{mandateId}/refunds", status_code=201, responses=refusals(409), openapi_extra=dict(_KEY_POSSIBLE)
)
async def refund(
    request: Request, body: Refund, visitor: Annotated[Visitor, Depends(may(Action.MAKE_MONEY))]
) -> PostedAnswer:
    """Money paid back: at most what is there and not held."""
    return await _post(request, visitor, "refunds", TransferKind.REFUND, body)


@router.post(
    "/api/mandates/{mandateId}/wallet-transfers",
    status_code=201,
    responses=refusals(409),
    openapi_extra=dict(_KEY_POSSIBLE),
)
async def move_to_wallet(
    request: Request, body: WalletTransfer, visitor: Annotated[Visitor, Depends(may(Action.MOVE_MONEY))]
) -> PostedAnswer:
    """From the pool to a user's wallet, or back with a minus sign."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    key = await idempotency_key(request, visitor, "wallet-transfers")
    async with wiring.database.as_mandate(mandate_id) as connection:
        remembered = await is_remembered(connection, visitor, key)
    posted = await money_in.move_to_wallet(
        wiring.database,
        wiring.ledger,
        mandate_id,
        body.user_id,
        body.amount,
        actor=visitor.actor,
        reference=body.reference,
        idempotency=key,
        is_remembered=remembered,
    )
    return await posted_answer(request, visitor, posted)


@router.get("/api/mandates/{mandateId}/balance", responses=refusals())
async def read_balance(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_BALANCE))],
    cursor: Annotated[str | None, Query()] = None,
    with_empty: Annotated[
        bool, Query(alias="withEmpty", description="with the wallets of everybody who has had no money yet")
    ] = False,
) -> BalanceAnswer:
    """The pool first, then the wallets; a member sees their own wallet only."""
    balance = await get_balance(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        of_user=visitor.own_user_id,
        cursor=cursor,
        with_empty=with_empty,
    )
    accounts = [
        AccountAnswer(
            payer=account.payer,
            user_id=account.user_id,
            user_name=account.user_name,
            posted=format_amount(account.posted_nanos),
            held=format_amount(account.held_nanos),
            available=format_amount(account.available_nanos),
            credit_limit=format_amount(account.credit_limit_nanos),
        )
        for account in balance.accounts
    ]
    return BalanceAnswer(currency=balance.currency, accounts=accounts, next_cursor=balance.next_cursor)
