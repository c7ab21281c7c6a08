"""Stripe, as a payment provider: Checkout sessions out, signed events in. By the `stripe` library.

https://docs.stripe.com/payments/checkout, https://docs.stripe.com/webhooks#verify-events
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from bursar.billing.payments import Payment, Told
from bursar.foundation.money import NANOS_PER_UNIT, format_amount
from bursar.foundation.problems import Problem, invalid_field
from bursar.foundation.settings_model import StripeSettings

if TYPE_CHECKING:
    import stripe

PROVIDER: Final = "stripe"
_TIMEOUT_SECONDS: Final = 20.0
_LANGUAGES: Final = frozenset({"de", "en", "fr", "it"})
_WITHOUT_DECIMALS: Final = frozenset(
    {"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"}
)
_UNLIKE_ITS_DECIMALS: Final = frozenset({"BHD", "HUF", "ISK", "JOD", "KWD", "OMR", "TND", "TWD", "UGX"})
"""Currencies whose amounts Stripe treats in ways of their own (https://docs.stripe.com/currencies)."""

_HAPPENED: Final[dict[str, Any]] = {
    "checkout.session.completed": "PAID",
    "checkout.session.async_payment_succeeded": "PAID",
    "checkout.session.async_payment_failed": "FAILED",
    "checkout.session.expired": "EXPIRED",
}


class ProviderUnavailable(Problem):
    """Stripe did not take the order: nothing was charged."""

    def __init__(self) -> None:
        detail = "The payment provider does not answer as it should. Nothing was charged; try again later."
        super().__init__(503, "payment_provider_unavailable", "No payment now", detail, headers={"retry-after": "30"})


def in_minor_units(amount_nanos: int, currency: str) -> int:
    """The amount as Stripe counts it. Raises a 422 `Problem` for what cannot be paid in this currency."""
    if currency in _UNLIKE_ITS_DECIMALS:
        raise invalid_field("amount", f"cannot be paid online in {currency}")
    unit = NANOS_PER_UNIT if currency in _WITHOUT_DECIMALS else NANOS_PER_UNIT // 100
    if amount_nanos % unit:
        raise invalid_field("amount", "must be a whole number of the currency's smallest coins")
    return amount_nanos // unit


def from_minor_units(amount: int, currency: str) -> int:
    return amount * (NANOS_PER_UNIT if currency in _WITHOUT_DECIMALS else NANOS_PER_UNIT // 100)


async def begin_checkout(
    settings: StripeSettings, payment: Payment, *, title: str, language: str | None, return_url: str, cancel_url: str
) -> tuple[str, str]:
    """Stripe's id of the order, and the page where it is paid. The same payment again is the same order.

    Raises `ProviderUnavailable`.
    """
    import stripe  # Not loaded where nobody pays online.

    named = {"mandate_id": str(payment.mandate_id), "payment_id": str(payment.payment_id)}
    parameters: Any = {
        "mode": "payment",
        "client_reference_id": str(payment.payment_id),
        "metadata": named,
        "payment_intent_data": {"metadata": named, "description": title},
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": payment.currency.lower(),
                    "unit_amount": in_minor_units(payment.amount_nanos, payment.currency),
                    "product_data": {"name": title},
                },
            }
        ],
        "success_url": return_url,
        "cancel_url": cancel_url,
        "locale": language if language in _LANGUAGES else "auto",
    }
    try:
        session = await _client(settings.secret_key, settings.api_base).v1.checkout.sessions.create_async(
            parameters, {"idempotency_key": str(payment.payment_id)}
        )
    except stripe.StripeError as error:
        raise ProviderUnavailable from error
    if not session.url:
        raise ProviderUnavailable
    return session.id, session.url


def read_event(settings: StripeSettings, body: bytes, signature: str | None) -> Told | None:
    """What a signed event says of a payment of ours; `None` for what is about something else.

    Raises a 400 `Problem` for a signature that is forged, too old or missing.
    """
    import stripe

    try:
        event = stripe.Webhook.construct_event(body, signature, settings.webhook_secret)
    except (ValueError, stripe.SignatureVerificationError):
        raise Problem(400, "invalid_signature", "Not signed as it should be", "The signature does not fit.") from None
    happened = _HAPPENED.get(event.type)
    session: dict[str, Any] = event.data.object.to_dict()
    if happened is None or (happened == "PAID" and session.get("payment_status") != "paid"):
        return None
    named = session.get("metadata") or {}
    try:
        mandate_id, payment_id = UUID(named["mandate_id"]), UUID(named["payment_id"])
    except (KeyError, ValueError):
        return None
    currency = str(session.get("currency") or "").upper()
    amount = session.get("amount_total")
    amount_nanos = from_minor_units(amount, currency) if isinstance(amount, int) else None
    return Told(mandate_id, payment_id, PROVIDER, str(session["id"]), happened, amount_nanos, currency or None)


def check_amount(settings: StripeSettings, amount_nanos: int, currency: str) -> None:
    """Raises a 422 `Problem`."""
    in_minor_units(amount_nanos, currency)
    if not settings.minimum_nanos <= amount_nanos <= settings.maximum_nanos:
        least, most = format_amount(settings.minimum_nanos), format_amount(settings.maximum_nanos)
        raise invalid_field("amount", f"must be from {least} to {most}")


@lru_cache(maxsize=4)
def _client(secret_key: str, api_base: str) -> stripe.StripeClient:
    import stripe

    return stripe.StripeClient(
        secret_key,
        base_addresses={"api": api_base},
        http_client=stripe.HTTPXClient(timeout=_TIMEOUT_SECONDS),
        max_network_retries=2,
    )
