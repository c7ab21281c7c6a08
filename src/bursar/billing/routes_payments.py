"""Management routes of online payments, and the provider's own route by which it tells of them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.billing import payments, stripe_checkout
from bursar.billing.money_in import user_of
from bursar.billing.payments import Payment, PaymentState
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem
from bursar.foundation.settings_model import StripeSettings
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may, open_to_all
from bursar.identity.sign_in.browser import safe_return
from bursar.identity.wire import Answer, Ask, PositiveAmount, UserName
from bursar.identity.wiring import Wiring, wiring_of

router = APIRouter(tags=["payments"])
Payer = Annotated[Visitor, Depends(may(Action.PAY_ONLINE))]
_TITLES: Final = {
    "de": "KI-Guthaben für {name}",
    "en": "AI credit for {name}",
    "fr": "Crédit IA pour {name}",
    "it": "Credito IA per {name}",
}


class NewPayment(Ask):
    amount: PositiveAmount
    user_id: UserName | None = None
    """Whose wallet; without it the pool, or a member's own wallet."""
    return_to: Annotated[str | None, Field(max_length=500)] = None
    """The path to go back to from the billing page, once it is paid."""


class PaymentAnswer(Answer):
    id: UUID
    provider: Literal["stripe"]
    state: PaymentState
    amount: str
    currency: str
    user_id: UUID | None
    created_at: datetime
    paid_at: datetime | None
    credited_at: datetime | None


class NewPaymentAnswer(PaymentAnswer):
    url: str
    """Where to pay."""


class PaymentPage(Answer):
    payments: list[PaymentAnswer]
    next_cursor: str | None


@router.post("/api/mandates/{mandateId}/payments", status_code=201, responses=refusals(409))
async def begin_payment(request: Request, body: NewPayment, visitor: Payer) -> NewPaymentAnswer:
    """Begins a payment: open `url` in the browser. The money is there once the provider has told so, signed."""
    wiring, mandate = wiring_of(request), visitor.mandate
    settings = _stripe(wiring)
    if mandate.status == "closed":
        raise Problem(409, "mandate_closed", "The mandate is closed", "A closed mandate takes no money.")
    stripe_checkout.check_amount(settings, body.amount, mandate.currency)
    user_id = visitor.own_user_id
    if body.user_id is not None:
        user_id = await user_of(wiring.database, mandate.mandate_id, body.user_id)
        if visitor.own_user_id not in (None, user_id):
            raise not_found("user")
    payment = await payments.ask(
        wiring.database,
        mandate.mandate_id,
        provider=stripe_checkout.PROVIDER,
        amount_nanos=body.amount,
        currency=mandate.currency,
        user_id=user_id,
        actor=visitor.actor,
    )
    person = visitor.caller.person
    language = (person.language if person is not None else None) or mandate.language
    reference, url = await stripe_checkout.begin_checkout(
        settings,
        payment,
        title=_TITLES[language].format(name=mandate.name[:200]),
        language=language,
        return_url=_back(wiring, payment, body.return_to, "paid"),
        cancel_url=_back(wiring, payment, body.return_to, "cancelled"),
    )
    await payments.name(wiring.database, payment, reference)
    return NewPaymentAnswer.model_validate({**_answer(payment).model_dump(), "url": url})


@router.get("/api/mandates/{mandateId}/payments", responses=refusals())
async def list_payments(
    request: Request,
    visitor: Payer,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> PaymentPage:
    """Newest first; a member sees those for their own wallet."""
    page = await payments.list_payments(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        of_user=visitor.own_user_id,
        cursor=cursor,
        limit=limit,
    )
    return PaymentPage(payments=[_answer(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/api/mandates/{mandateId}/payments/{paymentId}", responses=refusals())
async def read_payment(request: Request, paymentId: str, visitor: Payer) -> PaymentAnswer:
    """How a payment stands; for a page to which somebody has just come back."""
    found = await payments.find(wiring_of(request).database, visitor.mandate.mandate_id, as_id(paymentId, "payment"))
    if found is None or visitor.own_user_id not in (None, found.user_id):
        raise not_found("payment")
    return _answer(found)


@router.post(
    "/api/payments/stripe/webhook",
    include_in_schema=False,
    dependencies=[Depends(open_to_all(Action.TELL_PAYMENT))],
)
async def stripe_webhook(request: Request) -> Response:
    """Where Stripe sends its events, signed. What it does not get a 2xx for, it sends again."""
    wiring = wiring_of(request)
    told = stripe_checkout.read_event(_stripe(wiring), await request.body(), request.headers.get("stripe-signature"))
    if told is not None:
        await payments.take(wiring.database, wiring.ledger, told)
    return Response(status_code=204)


def _stripe(wiring: Wiring) -> StripeSettings:
    settings = wiring.payments.stripe
    if settings is None:
        raise Problem(409, "payments_disabled", "No online payment here", "This installation takes no online payments.")
    return settings


def _back(wiring: Wiring, payment: Payment, return_to: str | None, outcome: str) -> str:
    query = {"mandate": str(payment.mandate_id), "payment": str(payment.payment_id), "outcome": outcome}
    if return_to is not None:
        query["returnTo"] = safe_return(return_to)
    return f"{wiring.public_url.rstrip('/')}/billing?{urlencode(query)}"


def _answer(payment: Payment) -> PaymentAnswer:
    return PaymentAnswer(
        id=payment.payment_id,
        provider="stripe",
        state=payment.state,
        amount=format_amount(payment.amount_nanos),
        currency=payment.currency,
        user_id=payment.user_id,
        created_at=payment.created_at,
        paid_at=payment.paid_at,
        credited_at=payment.credited_at,
    )
