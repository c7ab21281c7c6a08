"""Problem details: their members, and how faults and invalid requests become some."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from structlog.testing import capture_logs

from bursar.foundation.logs import request_id
from bursar.foundation.money import parse_amount
from bursar.foundation.problem_responses import install_problem_handlers, problem_response
from bursar.foundation.problems import Problem, invalid_field


class Person(BaseModel):
    email: str = Field(min_length=3)


class Body(BaseModel):
    people: list[Person]


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/refused")
    async def refused() -> None:
        extra = {"billing": {"code": "INSUFFICIENT_BALANCE"}}
        raise Problem(
            402, "insufficient_balance", "No money", "Top up.", extra=extra, headers={"x-should-retry": "false"}
        )

    @app.get("/amount")
    async def amount(value: str) -> int:
        return parse_amount(value, field="amount")

    @app.post("/people")
    async def people(body: Body, limit: int = 1) -> int:
        return len(body.people) + limit

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("the secret inside")

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


def test_the_members_of_a_problem() -> None:
    problem = Problem(409, "conflict", "Conflict", "Same key, other content.", "idempotencyKey", {"more": 1})
    assert problem.to_body() == {
        "type": "urn:bursar:problem:conflict",
        "title": "Conflict",
        "status": 409,
        "detail": "Same key, other content.",
        "code": "conflict",
        "field": "idempotencyKey",
        "more": 1,
    }


def test_extra_members_never_replace_the_standard_ones() -> None:
    with pytest.raises(ValueError, match="status"):
        Problem(400, "x", "x", "x", extra={"status": 200})


def test_a_response_carries_the_request_id() -> None:
    with request_id("req-1"):
        response = problem_response(invalid_field("name", "is missing"))
    assert response.headers["x-request-id"] == "req-1"
    assert response.headers["content-type"] == "application/problem+json"


async def test_a_problem_that_is_raised_is_answered(client: httpx.AsyncClient) -> None:
    response = await client.get("/refused")
    assert response.status_code == 402
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-should-retry"] == "false"
    assert response.json()["billing"] == {"code": "INSUFFICIENT_BALANCE"}
    assert response.json()["detail"] == "Top up."


@pytest.mark.parametrize(
    ("content", "status", "field"),
    [
        (b"{", 400, "body"),
        (b"{}", 422, "people"),
        (b'{"people": [{"email": "a@b"}, {"email": ""}]}', 422, "people[1].email"),
        (b'{"people": [{}]}', 422, "people[0].email"),
        (b'{"people": 1}', 422, "people"),
    ],
)
async def test_an_invalid_body_names_its_field(
    client: httpx.AsyncClient, content: bytes, status: int, field: str
) -> None:
    response = await client.post("/people", content=content, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["field"]) == (status, field)
    assert response.headers["content-type"] == "application/problem+json"


async def test_all_invalid_fields_are_listed(client: httpx.AsyncClient) -> None:
    response = await client.post("/people?limit=x", json={"people": [{}]})
    assert {error["field"] for error in response.json()["errors"]} == {"limit", "people[0].email"}


async def test_an_invalid_amount_names_its_field(client: httpx.AsyncClient) -> None:
    response = await client.get("/amount", params={"value": "-1"})
    assert (response.status_code, response.json()["field"]) == (422, "amount")
    assert response.json()["detail"] == "amount: must not be negative"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [("GET", "/nowhere", 404, "not_found"), ("DELETE", "/refused", 405, "method_not_allowed")],
)
async def test_what_the_framework_refuses_is_a_problem_too(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    response = await client.request(method, path)
    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_fault_is_logged_and_shows_nothing_inside(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        response = await client.get("/broken")
    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "secret" not in response.text
    (line,) = logs
    assert (line["event"], line["path"], str(line["exc_info"])) == ("request_failed", "/broken", "the secret inside")
