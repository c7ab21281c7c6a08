"""Paying online: an order at the provider, its signed word, and the money in the pool exactly once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest

from bursar.billing import payments
from bursar.foundation.database import Database
from bursar.foundation.settings_model import PaymentSettings
from bursar.ledger.engine import LedgerUnavailable
from bursar.ledger.verify import verify
from tests.billing.stripe_host import StripeHost, running_stripe, signature
from tests.support.management import Api, assert_problem, mandate_id_of, running_api

COMPLETED = "checkout.session.completed"
WEBHOOK = "/api/payments/stripe/webhook"


@pytest.fixture
async def stripe() -> AsyncIterator[StripeHost]:
    async with running_stripe() as host:
        yield host


@pytest.fixture
async def api(database: Database, stripe: StripeHost) -> AsyncIterator[Api]:
    async with running_api(database, payments=PaymentSettings(stripe=stripe.settings)) as api:
        yield api


async def order(api: Api, mandate: str, amount: str = "25.00", **more: Any) -> tuple[str, str]:
    """Ours and Stripe's id of a payment."""
    key = more.pop("key", None) or await api.key(mandate)
    made = await api.made(f"{mandate}/payments", {"amount": amount, **more}, key=key)
    return made["id"], made["url"].rsplit("/", 1)[1]


async def tell(api: Api, body: bytes, signed: str | None = None) -> httpx.Response:
    headers = {"stripe-signature": signature(body) if signed is None else signed}
    return await api.http.post(WEBHOOK, content=body, headers=headers)


async def available(api: Api, mandate: str) -> Decimal:
    return Decimal((await api.balance(mandate))["available"])


async def test_a_payment_is_credited_once_however_often_it_is_told(api: Api, stripe: StripeHost) -> None:
    mandate = await api.mandate(language="fr")
    payment, order_id = await order(api, mandate, "25.50", returnTo="/workspace/7?x=1")
    asked = stripe.orders[order_id]
    assert (asked["amount_total"], asked["currency"], asked["locale"]) == (2550, "chf", "fr")
    back = parse_qs(urlsplit(asked["success_url"]).query)
    assert back["payment"] == [payment]
    assert back["returnTo"] == ["/workspace/7?x=1"]
    assert (await api.get(f"{mandate}/payments/{payment}")).json()["state"] == "OPEN"
    assert await available(api, mandate) == 0, "nothing before the provider's word, whatever the browser says"
    body = stripe.event(COMPLETED, order_id)
    answers = await asyncio.gather(*(tell(api, body) for _ in range(5)))
    again = await tell(api, stripe.event("checkout.session.async_payment_succeeded", order_id))
    assert {answer.status_code for answer in (*answers, again)} == {204}
    assert await available(api, mandate) == Decimal("25.50")
    found = (await api.get(f"{mandate}/payments/{payment}")).json()
    assert found["state"] == "CREDITED"
    assert found["paidAt"]
    (transfer,) = (await api.get(f"{mandate}/transfers")).json()["transfers"]
    assert (transfer["kind"], transfer["reference"]) == ("TOP_UP", f"stripe {order_id}")
    assert await verify(api.database.ledger_pool) == []
    (receipt,) = (await api.get(f"{mandate}/receipts")).json()["receipts"]
    assert receipt


@pytest.mark.parametrize("signed", ["", "t=1,v1=00", "nonsense"])
async def test_a_forged_word_is_refused(api: Api, stripe: StripeHost, signed: str) -> None:
    mandate = await api.mandate()
    _, order_id = await order(api, mandate)
    assert_problem(await tell(api, stripe.event(COMPLETED, order_id), signed), 400, "invalid_signature")
    assert await available(api, mandate) == 0


async def test_a_word_with_another_secret_changed_or_too_old_is_refused(api: Api, stripe: StripeHost) -> None:
    mandate = await api.mandate()
    _, order_id = await order(api, mandate)
    body = stripe.event(COMPLETED, order_id)
    changed = body.replace(b'"amount_total":2500', b'"amount_total":9900')
    assert changed != body
    for sent, signed in (
        (body, signature(body, "whsec_of_somebody_else")),
        (changed, signature(body)),
        (body, signature(body, at=int(time.time()) - 3600)),
    ):
        assert_problem(await tell(api, sent, signed), 400, "invalid_signature")
    unsigned = await api.http.post(WEBHOOK, content=body)
    assert_problem(unsigned, 400, "invalid_signature")
    assert await available(api, mandate) == 0


async def test_amount_and_currency_must_be_those_that_were_asked_for(api: Api, stripe: StripeHost) -> None:
    mandate = await api.mandate()
    payment, order_id = await order(api, mandate)
    for changes in ({"amount_total": 2499}, {"currency": "jpy"}, {"id": "cs_test_of_another_order"}):
        answer = await tell(api, stripe.event(COMPLETED, order_id, **changes))
        assert_problem(answer, 409, "payment_mismatch")
    elsewhere = {"metadata": {"mandate_id": str(mandate_id_of(await api.mandate())), "payment_id": payment}}
    assert_problem(await tell(api, stripe.event(COMPLETED, order_id, **elsewhere)), 404, "payment_unknown")
    assert (await tell(api, stripe.event(COMPLETED, order_id, metadata={}))).status_code == 204, "not one of ours"
    assert (await tell(api, stripe.event(COMPLETED, order_id, payment_status="unpaid"))).status_code == 204
    assert await available(api, mandate) == 0


async def test_words_that_come_late_or_in_another_order_change_nothing_that_is_true(
    api: Api, stripe: StripeHost
) -> None:
    mandate = await api.mandate()
    first, first_order = await order(api, mandate)
    second, second_order = await order(api, mandate)
    await tell(api, stripe.event(COMPLETED, first_order))
    await tell(api, stripe.event("checkout.session.expired", first_order))
    await tell(api, stripe.event("checkout.session.async_payment_failed", second_order))
    assert (await api.get(f"{mandate}/payments/{second}")).json()["state"] == "FAILED"
    await tell(api, stripe.event("checkout.session.async_payment_succeeded", second_order))
    states = {row["id"]: row["state"] for row in (await api.get(f"{mandate}/payments")).json()["payments"]}
    assert states == {first: "CREDITED", second: "CREDITED"}
    assert await available(api, mandate) == 50


async def test_what_is_paid_is_credited_even_if_the_ledger_was_away(api: Api, stripe: StripeHost) -> None:
    mandate = await api.mandate()
    payment, order_id = await order(api, mandate)

    class Away:
        async def submit(self, command: Any) -> Any:
            raise LedgerUnavailable("away")

    told = payments.Told(mandate_id_of(mandate), UUID(payment), "stripe", order_id, "PAID", 25_000_000_000, "CHF")
    with pytest.raises(LedgerUnavailable):
        await payments.take(api.database, Away(), told)
    assert (await api.get(f"{mandate}/payments/{payment}")).json()["state"] == "PAID"
    assert await payments.finish_paid(api.database, api.ledger, older_than_seconds=0) == 1
    assert await payments.finish_paid(api.database, api.ledger, older_than_seconds=0) == 0
    assert (await tell(api, stripe.event(COMPLETED, order_id))).status_code == 204
    assert await available(api, mandate) == 25


async def test_a_member_pays_into_their_own_wallet_and_sees_no_other_payment(api: Api, stripe: StripeHost) -> None:
    mandate = await api.mandate(billingModel="PREPAY_USER")
    ben, ben_key = await api.person_key(mandate, "member", "ben")
    carla, carla_key = await api.person_key(mandate, "member", "carla")
    payment, order_id = await order(api, mandate, key=ben_key)
    refused = await api.post(f"{mandate}/payments", {"amount": "25", "userId": carla}, key=ben_key)
    assert_problem(refused, 404, "not_found")
    await tell(api, stripe.event(COMPLETED, order_id))
    wallet = (await api.get(f"{mandate}/balance", key=ben_key)).json()["accounts"][0]
    assert (wallet["userId"], wallet["available"]) == (ben, "25.000000000")
    assert_problem(await api.get(f"{mandate}/payments/{payment}", key=carla_key), 404, "not_found")
    assert (await api.get(f"{mandate}/payments", key=carla_key)).json()["payments"] == []


async def test_what_cannot_be_paid_is_refused_by_name(api: Api, stripe: StripeHost) -> None:
    mandate = await api.mandate()
    for amount in ("1.00", "100000", "10.005"):
        assert_problem(await api.post(f"{mandate}/payments", {"amount": amount}), 422, "invalid_request", "amount")
    stripe.refuses = True
    assert_problem(await api.post(f"{mandate}/payments", {"amount": "10"}), 503, "payment_provider_unavailable")
    await api.call("PATCH", mandate, {"status": "closed"})
    assert_problem(await api.post(f"{mandate}/payments", {"amount": "10"}), 409, "mandate_closed")


async def test_without_a_provider_there_is_no_online_payment(database: Database) -> None:
    async with running_api(database) as api:
        mandate = await api.mandate()
        assert_problem(await api.post(f"{mandate}/payments", {"amount": "10"}), 409, "payments_disabled")
        assert_problem(await api.http.post(WEBHOOK, content=b"{}"), 409, "payments_disabled")
        assert (await api.get(f"{mandate}/billing-overview")).json()["means"]["online"] is None
