"""The billing object as CONTRACT section 3 writes it."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bursar.billing.billing_object import BillingObject, InsufficientBalance
from bursar.billing.models import BillingModel, Role, UserAction, Viewer
from bursar.billing.refusal import billing_object_for
from bursar.foundation.money import AmountError
from bursar.ledger.model import Reason, Rejected
from tests.billing.facts import MANDATE_ID, REQUEST_ID, mandate, reached_limit, refused, shortage

KEYS = [
    "code", "reason", "billingModel", "userAction", "payer", "mandateId", "mandateName", "currency",
    "currentBalance", "requiredAmount", "messageDe", "messageEn", "messageFr", "messageIt",
    "billingUrl", "notifiedAt", "retryAfterSeconds", "requestId",
]  # fmt: skip
MESSAGE_KEYS = [key for key in KEYS if key.startswith("message")]


def without_texts(billing: BillingObject) -> dict[str, Any]:
    return {key: value for key, value in billing.to_client_dict().items() if key not in MESSAGE_KEYS}


def test_a_members_refusal_on_an_empty_pool() -> None:
    billing = refused(notified_at=datetime(2026, 11, 23, 10, 0, 0, 123456, tzinfo=UTC))
    assert list(billing.to_client_dict()) == KEYS
    assert without_texts(billing) == {
        "code": "INSUFFICIENT_BALANCE",
        "reason": "BALANCE_EXHAUSTED",
        "billingModel": "PREPAY_MANDATE",
        "userAction": "CONTACT_MANDATE_ADMIN",
        "payer": "pool",
        "mandateId": str(MANDATE_ID),
        "mandateName": "Helvetia Treuhand AG",
        "currency": "CHF",
        "currentBalance": None,
        "requiredAmount": "0.012000000",
        "billingUrl": None,
        "notifiedAt": "2026-11-23T10:00:00Z",
        "retryAfterSeconds": None,
        "requestId": REQUEST_ID,
    }


def test_an_owner_sees_the_pool_and_can_top_it_up() -> None:
    wire = refused(role=Role.OWNER).to_client_dict()
    assert wire["currentBalance"] == "0.004100000"
    assert wire["userAction"] == "TOP_UP_SELF"
    assert wire["billingUrl"] == f"https://ai.example.ch/billing?mandate={MANDATE_ID}"


def test_everybody_sees_their_own_wallet() -> None:
    wire = refused(model=BillingModel.PREPAY_USER).to_client_dict()
    assert wire["payer"] == "wallet"
    assert wire["currentBalance"] == "0.004100000"
    assert wire["userAction"] == "TOP_UP_SELF"


@pytest.mark.parametrize("model", list(BillingModel))
@pytest.mark.parametrize(
    "reason", [Reason.BALANCE_EXHAUSTED, Reason.REQUEST_TOO_LARGE, Reason.LIMIT_REACHED, Reason.FUNDS_HELD]
)
@pytest.mark.parametrize("role", [*Role, None])
@pytest.mark.parametrize("enabled", [True, False])
def test_what_holds_of_every_refusal(model: BillingModel, reason: Reason, role: Role | None, enabled: bool) -> None:
    billing = refused(reason, model, role, top_up_enabled=enabled, notified_at=datetime(2026, 11, 23, 10, tzinfo=UTC))
    wire = billing.to_client_dict()
    assert json.loads(json.dumps(wire)) == wire
    assert (wire["billingUrl"] is not None) == (wire["userAction"] == "TOP_UP_SELF")
    assert (wire["retryAfterSeconds"] is not None) == (reason is Reason.FUNDS_HELD)
    assert ("affordableOutputTokens" in wire) == (reason is Reason.REQUEST_TOO_LARGE)
    assert ("limit" in wire) == (reason is Reason.LIMIT_REACHED)
    assert billing.http_status == (429 if reason is Reason.FUNDS_HELD else 402)
    assert all(wire[key] for key in MESSAGE_KEYS)
    if wire["currentBalance"] is None:
        texts = " ".join(wire[key] for key in MESSAGE_KEYS)
        assert "CHF" not in texts
        assert wire.get("affordableOutputTokens") is None
    assert BillingObject.from_client_dict(wire).to_client_dict() == wire


def test_what_could_be_afforded_goes_to_those_entitled() -> None:
    assert refused(Reason.REQUEST_TOO_LARGE, role=Role.OWNER).to_client_dict()["affordableOutputTokens"] == 700
    member = refused(Reason.REQUEST_TOO_LARGE).to_client_dict()
    assert member["affordableOutputTokens"] is None
    assert "700" not in member["messageEn"]


def test_a_reached_limit_is_described() -> None:
    wire = refused(Reason.LIMIT_REACHED, role=Role.FINANCE).to_client_dict()
    assert list(wire)[-1] == "limit"
    assert wire["limit"] == {
        "scope": "user",
        "scopeId": "some-id",
        "period": "month",
        "amount": "5.000000000",
        "spent": "4.400000000",
        "resetsAt": "2026-11-30T23:00:00Z",
    }


def test_a_members_limit_comes_without_amounts() -> None:
    billing = refused(Reason.LIMIT_REACHED)
    limit = billing.to_client_dict()["limit"]
    assert (limit["amount"], limit["spent"]) == (None, None)
    assert limit["resetsAt"] == "2026-11-30T23:00:00Z"
    assert "5.00" not in billing.message("en")


def test_a_members_own_cap_on_their_own_wallet_comes_with_amounts_and_the_mandates_without() -> None:
    own = refused(Reason.LIMIT_REACHED, BillingModel.PREPAY_USER).to_client_dict()
    assert own["limit"]["amount"] == "5.000000000"
    common = refused(Reason.LIMIT_REACHED, BillingModel.PREPAY_USER, scope="mandate").to_client_dict()
    assert common["limit"]["amount"] is None
    assert "5.00" not in common["messageEn"]


def test_held_funds_always_say_when_to_come_back() -> None:
    def retry_after(seconds: int | None) -> int | None:
        return billing_object_for(
            shortage(Reason.FUNDS_HELD, retry_after_seconds=seconds),
            mandate(),
            Viewer(Role.OWNER),
            request_id=None,
            public_url="http://localhost",
        ).retry_after_seconds

    assert [retry_after(7), retry_after(None), retry_after(0)] == [7, 1, 1]


def test_only_an_exhausted_balance_says_when_finance_was_told() -> None:
    at = datetime(2026, 11, 23, 10, tzinfo=UTC)
    assert refused(Reason.REQUEST_TOO_LARGE, notified_at=at).notified_at is None
    assert refused(model=BillingModel.PREPAY_USER, notified_at=at).notified_at is None
    assert refused(notified_at=at).notified_at == at


def test_what_is_no_shortage_is_refused() -> None:
    with pytest.raises(ValueError, match="no shortage"):
        billing_object_for(
            Rejected(Reason.IDEMPOTENCY_CONFLICT), mandate(), Viewer(), request_id=None, public_url="http://x"
        )
    with pytest.raises(ValueError, match="without the limit"):
        billing_object_for(Rejected(Reason.LIMIT_REACHED), mandate(), Viewer(), request_id=None, public_url="http://x")


# --- reading what a server sent --------------------------------------------------------------------------------------


def test_unknown_fields_and_names_of_a_newer_server_survive() -> None:
    wire = {**refused().to_client_dict(), "reason": "CARD_DECLINED", "userAction": "DANCE", "invoice": {"id": 7}}
    billing = BillingObject.from_client_dict(wire)
    assert billing.reason == "CARD_DECLINED"
    assert billing.user_action == "DANCE"
    assert billing.to_client_dict() == wire


def test_missing_fields_are_empty() -> None:
    billing = BillingObject.from_client_dict(
        {"code": "INSUFFICIENT_BALANCE", "reason": "FUNDS_HELD", "messageFr": "oui"}
    )
    assert billing.reason is Reason.FUNDS_HELD
    assert billing.current_balance_nanos is None
    assert billing.message("de") == "oui"


def test_what_is_no_billing_object_is_not_read() -> None:
    with pytest.raises(ValueError, match="rate_limit"):
        BillingObject.from_client_dict({"code": "rate_limit"})


# --- the exception ---------------------------------------------------------------------------------------------------


def test_the_exception_carries_the_object() -> None:
    problem = InsufficientBalance(refused(), "Leider nein.")
    assert str(problem) == "Leider nein."
    assert problem.billing_model is BillingModel.PREPAY_MANDATE
    assert problem.user_action is UserAction.CONTACT_MANDATE_ADMIN
    assert problem.reason is Reason.BALANCE_EXHAUSTED
    assert set(problem.messages) == {"de", "en", "fr", "it"}
    assert problem.to_client_dict() == refused().to_client_dict()
    assert problem.http_status == 402


def test_the_exception_survives_a_process_boundary() -> None:
    problem = InsufficientBalance(refused(Reason.LIMIT_REACHED, role=Role.OWNER), "No.")
    twin = pickle.loads(pickle.dumps(problem))
    assert str(twin) == "No."
    assert twin.to_client_dict() == problem.to_client_dict()


def checked(**changes: Any) -> InsufficientBalance:
    check: dict[str, Any] = {
        "billing_model": "PREPAY_USER",
        "current_balance": Decimal("0.0041"),
        "required_amount": "0.012",
        "mandate_id": str(MANDATE_ID),
        "mandate_name": "Helvetia Treuhand AG",
        "role": "member",
        "public_url": "https://ai.example.ch",
        **changes,
    }
    return InsufficientBalance.from_balance_check(**check)


def test_an_applications_own_balance_check() -> None:
    wire = checked().to_client_dict()
    assert list(wire) == KEYS
    assert wire["reason"] == "BALANCE_EXHAUSTED"
    assert wire["currentBalance"] == "0.004100000"
    assert wire["requiredAmount"] == "0.012000000"
    assert wire["userAction"] == "TOP_UP_SELF"
    assert str(checked(language="de")) == wire["messageDe"]


def test_a_check_that_leaves_money_is_a_request_too_large() -> None:
    wire = checked(current_balance=2, required_amount=3).to_client_dict()
    assert wire["reason"] == "REQUEST_TOO_LARGE"


def test_a_check_without_a_role_shows_no_amounts() -> None:
    assert checked(role=None).to_client_dict()["currentBalance"] is None


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"current_balance": 5}, ValueError),
        ({"current_balance": 0.1}, TypeError),
        ({"required_amount": True}, TypeError),
        ({"required_amount": "0.0000000001"}, AmountError),
        ({"required_amount": "-1"}, AmountError),
        ({"billing_model": "GRATIS"}, ValueError),
        ({"mandate_id": "7"}, ValueError),
    ],
    ids=str,
)
def test_a_check_that_makes_no_sense_is_an_error(changes: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        checked(**changes)


def test_a_negative_balance_can_be_checked() -> None:
    assert checked(current_balance="-3.5").to_client_dict()["currentBalance"] == "-3.500000000"


def test_limits_are_named_by_every_scope() -> None:
    assert reached_limit("model").scope_id == "gpt-5-mini"
    assert "gpt-5-mini" in refused(Reason.LIMIT_REACHED, scope="model").message("it")
