"""The refusal over HTTP, as CONTRACT section 4 writes it."""

from __future__ import annotations

import pytest

from bursar.billing.models import LANGUAGES, BillingModel, Language, Role
from bursar.billing.problem import http_refusal, refusal_answer, refusal_problem
from bursar.ledger.model import Reason
from tests.billing.facts import REQUEST_ID, refused


@pytest.mark.parametrize("reason", [Reason.BALANCE_EXHAUSTED, Reason.REQUEST_TOO_LARGE, Reason.LIMIT_REACHED])
def test_a_402_is_never_to_be_retried(reason: Reason) -> None:
    status, headers, body = refusal_answer(refused(reason, role=Role.OWNER), "de")
    assert status == body["status"] == 402
    assert headers == {
        "x-request-id": REQUEST_ID,
        "content-language": "de",
        "x-should-retry": "false",
        "content-type": "application/problem+json",
    }
    assert body["code"] == "insufficient_balance"


def test_held_funds_are_a_429_that_clients_retry() -> None:
    status, headers, body = refusal_answer(refused(Reason.FUNDS_HELD, BillingModel.PREPAY_USER), "en")
    assert status == body["status"] == 429
    assert headers["retry-after"] == "1"
    assert "x-should-retry" not in headers
    assert body["code"] == "funds_held"
    assert body["type"] == "urn:bursar:problem:funds_held"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_problem_is_in_the_readers_language_and_carries_the_object(language: Language) -> None:
    billing = refused()
    body = refusal_answer(billing, language).body
    assert list(body) == ["type", "title", "status", "detail", "code", "billing"]
    assert body["type"] == "urn:bursar:problem:insufficient_balance"
    assert body["detail"] == billing.messages[language]
    assert body["billing"] == billing.to_client_dict()


def test_a_route_can_raise_it() -> None:
    problem = refusal_problem(refused(), "en")
    answer = refusal_answer(refused(), "en")
    assert (problem.status, problem.to_body()) == (answer.status, answer.body)
    assert problem.headers["x-should-retry"] == "false"


def test_titles_are_translated() -> None:
    assert len({refusal_answer(refused(), language).body["title"] for language in LANGUAGES}) == 4


def test_a_dialect_gets_what_its_body_is_made_of() -> None:
    billing = refused()
    refusal = http_refusal(billing, "fr")
    assert refusal.status == 402
    assert refusal.code == "insufficient_balance"
    assert refusal.message == billing.messages["fr"]
    assert refusal.billing == billing.to_client_dict()
    assert "content-type" not in refusal.headers
