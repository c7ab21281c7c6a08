"""Messages: our errors in Anthropic's shape, and what an upstream's errors mean."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.seam import FaultKind, GatewayFault, feature_not_priced
from bursar.ledger.model import Reason
from tests.billing.facts import REQUEST_ID
from tests.gateway.dialects.transcripts import real_refusal


def test_a_shortage_is_a_402_in_the_apis_shape() -> None:
    status, headers, body = MESSAGES.refusal(real_refusal())
    found = json.loads(body)
    assert status == 402
    assert dict(headers)[b"x-should-retry"] == b"false"
    assert dict(headers)[b"request-id"] == dict(headers)[b"x-request-id"] == REQUEST_ID.encode()
    assert b"retry-after" not in dict(headers)
    assert found["type"] == "error"
    assert found["request_id"] == REQUEST_ID
    assert found["error"].keys() == {"type", "message", "billing"}
    assert found["error"]["type"] == "billing_error"
    assert found["error"]["billing"]["userAction"] == "CONTACT_MANDATE_ADMIN"


def test_held_funds_are_a_429_that_clients_try_again() -> None:
    status, headers, body = MESSAGES.refusal(real_refusal(Reason.FUNDS_HELD))
    error = json.loads(body)["error"]
    assert (status, error["type"], error["code"]) == (429, "rate_limit_error", "funds_held")
    assert b"retry-after" in dict(headers)
    assert b"x-should-retry" not in dict(headers)


TYPES = {
    FaultKind.UNKNOWN_KEY: "authentication_error",
    FaultKind.FORBIDDEN: "permission_error",
    FaultKind.UNKNOWN_MODEL: "not_found_error",
    FaultKind.INVALID_REQUEST: "invalid_request_error",
    FaultKind.MODEL_NOT_PRICED: "invalid_request_error",
    FaultKind.BODY_TOO_LARGE: "request_too_large",
    FaultKind.RATE_LIMITED: "rate_limit_error",
    FaultKind.LEDGER_UNAVAILABLE: "api_error",
    FaultKind.UPSTREAM_UNAVAILABLE: "api_error",
}


@pytest.mark.parametrize("kind", TYPES)
def test_other_errors_have_the_apis_shape(kind: FaultKind) -> None:
    fault = GatewayFault(kind, "No.", field="model", retry_after_seconds=3, retry=False)
    status, headers, body = MESSAGES.fault(fault, "r-1")
    error = {"type": TYPES[kind], "message": "No.", "code": kind.code, "param": "model"}
    assert json.loads(body) == {"type": "error", "error": error, "request_id": "r-1"}
    assert status == kind.status
    assert (b"request-id", b"r-1") in headers
    assert (b"retry-after", b"3") in headers
    assert (b"x-should-retry", b"false") in headers
    assert ((b"www-authenticate", b"Bearer") in headers) is (kind is FaultKind.UNKNOWN_KEY)


def test_an_error_in_a_stream_is_an_error_event() -> None:
    events = MESSAGES.fault_events(feature_not_priced("thread"), "r-1", b"", b"")
    name, data, end = events.split(b"\n", 2)
    assert (name, end) == (b"event: error", b"\n")
    assert json.loads(data.removeprefix(b"data: "))["error"]["code"] == "feature_not_priced"


def error(kind: str, message: str = "x", **more: Any) -> bytes:
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message, **more}, "request_id": "r"}
    ).encode()


LOW = "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."
LIMITS = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
SPENT = error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"})


@pytest.mark.parametrize(
    ("status", "body", "about_us", "code"),
    [
        (402, error("billing_error"), True, "billing_error"),
        (401, error("authentication_error"), True, "authentication_error"),
        (403, error("permission_error"), True, "permission_error"),
        (400, error("invalid_request_error", LOW), True, "credit_balance_too_low"),
        (400, error("invalid_request_error", LIMITS), True, "api_usage_limits_reached"),
        (429, SPENT, True, "enforced_spend_limit_reached"),
        (200, error("billing_error"), True, "billing_error"),
        (429, error("rate_limit_error"), False, "rate_limit_error"),
        (400, error("invalid_request_error", "max_tokens: too large"), False, "invalid_request_error"),
        (529, error("overloaded_error"), False, "overloaded_error"),
        (200, error("overloaded_error"), False, "overloaded_error"),
    ],
)
def test_what_an_upstreams_error_means(status: int, body: bytes, about_us: bool, code: str) -> None:
    found = MESSAGES.read_error(status, body)
    assert (found.about_our_account, found.code, found.in_shape) == (about_us, code, True)


@pytest.mark.parametrize(
    ("status", "body", "about_us"),
    [(500, b"<html>", False), (403, b"", True), (400, b'{"error":{"message":"openai"}}', False), (400, b"[]", False)],
)
def test_an_error_in_another_shape(status: int, body: bytes, about_us: bool) -> None:
    found = MESSAGES.read_error(status, body)
    assert (found.about_our_account, found.in_shape) == (about_us, False)
