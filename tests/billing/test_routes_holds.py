"""Charging one's own AI work over HTTP: hold, extend, settle, release; and the 402."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from bursar.foundation.ids import new_id, pool_account_id
from bursar.ledger.model import Reserve
from tests.support.management import PUBLIC_URL, Api, assert_problem, mandate_id_of


@pytest.fixture
async def mandate(api: Api) -> str:
    mandate = await api.mandate()
    await api.user(mandate, "anna")
    await api.top_up(mandate, "10")
    return mandate


@pytest.fixture
async def service(api: Api, mandate: str) -> str:
    return await api.key(mandate, "service")


async def test_a_hold_is_granted_extended_settled_and_in_the_journal(api: Api, mandate: str, service: str) -> None:
    body = {"userId": "anna", "desired": "0.20", "ttlSeconds": 60, "model": "my-model", "tags": {"project": "alpha"}}
    answer = await api.post(f"{mandate}/holds", body, key=service)
    assert answer.status_code == 201, answer.text
    hold = answer.json()
    assert set(hold) == {"id", "granted", "expiresAt"}
    assert hold["granted"] == "0.200000000"
    assert answer.headers["x-request-id"] == hold["id"]
    assert (await api.balance(mandate))["held"] == "0.200000000"

    path = f"{mandate}/holds/{hold['id']}"
    grown = (await api.post(f"{path}/extend", {"amount": "0.05"}, key=service)).json()
    assert grown["granted"] == "0.250000000"
    renewed = (await api.post(f"{path}/extend", {"amount": "0"}, key=service)).json()
    assert renewed["granted"] == "0.250000000"
    assert renewed["expiresAt"] >= grown["expiresAt"] >= hold["expiresAt"]

    used = {"inputTokens": 11, "cachedInputTokens": 3, "outputTokens": 7, "usageDetails": {"images": 2}}
    settled = await api.post(f"{path}/settle", {"amount": "0.13", **used}, key=service)
    assert settled.json() == {
        "id": hold["id"],
        "state": "SETTLED",
        "charged": "0.130000000",
        "overrun": "0.000000000",
    }
    assert (await api.balance(mandate))["posted"] == "9.870000000"
    (entry,) = (await api.get(f"{mandate}/transfers", params={"requestId": hold["id"]})).json()["transfers"]
    expected = {
        "kind": "CHARGE",
        "amount": "0.130000000",
        "payer": "pool",
        "requestId": hold["id"],
        "model": "my-model",
        "costSource": "REPORTED",
        "tags": {"project": "alpha"},
        **used,
    }
    assert {name: entry[name] for name in expected} == expected
    listed = (await api.get(f"{mandate}/holds", params={"state": "SETTLED"})).json()["holds"]
    assert [(each["id"], each["charged"], each["origin"]) for each in listed] == [(hold["id"], "0.130000000", "api")]
    assert (await api.get(f"{mandate}/holds", params={"state": "PENDING"})).json()["holds"] == []


async def test_a_released_hold_costs_nothing(api: Api, mandate: str, service: str) -> None:
    hold = await api.made(f"{mandate}/holds", {"desired": "1"}, key=service)
    path = f"{mandate}/holds/{hold['id']}"
    bodies: list[dict[str, str] | None] = [{}, None]
    for body in bodies:
        released = await api.post(f"{path}/release", body, key=service)
        assert released.json() == {
            "id": hold["id"],
            "state": "RELEASED",
            "charged": "0.000000000",
            "overrun": "0.000000000",
        }
    pool = await api.balance(mandate)
    assert (pool["posted"], pool["held"]) == ("10.000000000", "0.000000000")
    assert_problem(await api.post(f"{path}/settle", {"amount": "1"}, key=service), 409, "hold_resolved")
    assert_problem(await api.post(f"{path}/extend", {"amount": "1"}, key=service), 409, "hold_resolved")


async def test_one_figure_stands_for_both(api: Api, mandate: str, service: str) -> None:
    for body in ({"minimum": "0.5"}, {"desired": "0.5"}, {"minimum": "0.1", "desired": "0.5"}):
        assert (await api.made(f"{mandate}/holds", body, key=service))["granted"] == "0.500000000"


async def test_the_same_again_answers_the_same(api: Api, mandate: str, service: str) -> None:
    headers = {"Idempotency-Key": "job-1"}
    body = {"userId": "anna", "desired": "0.5"}
    hold = await api.made(f"{mandate}/holds", body, key=service, headers=headers)
    assert await api.made(f"{mandate}/holds", body, key=service, headers=headers) == hold
    assert_problem(
        await api.post(f"{mandate}/holds", {"desired": "0.5"}, key=service, headers=headers),
        409,
        "idempotency_conflict",
    )
    path = f"{mandate}/holds/{hold['id']}"
    grown = [await api.post(f"{path}/extend", {"amount": "0.1"}, key=service, headers=headers) for _ in range(2)]
    assert grown[0].json() == grown[1].json()
    assert grown[0].json()["granted"] == "0.600000000"
    settled = [await api.post(f"{path}/settle", {"amount": "0.2"}, key=service, headers=headers) for _ in range(2)]
    assert settled[0].json() == settled[1].json()
    assert (await api.balance(mandate))["posted"] == "9.800000000"
    other = await api.made(f"{mandate}/holds", {"desired": "1"}, key=service)
    again = await api.post(f"{mandate}/holds/{other['id']}/settle", {"amount": "0.2"}, key=service, headers=headers)
    assert again.json()["id"] == other["id"], "a key is another one for another hold"


async def test_extensions_at_the_same_time_all_count(api: Api, mandate: str, service: str) -> None:
    hold = await api.made(f"{mandate}/holds", {"desired": "0.1"}, key=service)
    path = f"{mandate}/holds/{hold['id']}/extend"
    await asyncio.gather(*[api.post(path, {"amount": "0.1"}, key=service) for _ in range(5)])
    (listed,) = (await api.get(f"{mandate}/holds")).json()["holds"]
    assert listed["amount"] == "0.600000000"


async def test_an_empty_pool_is_a_402_with_the_billing_object(api: Api, mandate: str, service: str) -> None:
    await api.call("PUT", f"{mandate}/billing-settings", {"notifyEmails": ["cfo@example.com"]})
    await api.made(f"{mandate}/refunds", {"amount": "10", "reason": "x"})
    headers = {"Accept-Language": "de"}
    answer = await api.post(f"{mandate}/holds", {"userId": "anna", "desired": "0.5"}, key=service, headers=headers)
    problem = assert_problem(answer, 402, "insufficient_balance")
    billing = problem["billing"]
    assert answer.headers["x-should-retry"] == "false"
    assert "retry-after" not in answer.headers
    assert answer.headers["x-request-id"] == billing["requestId"]
    assert problem["detail"] == billing["messageDe"]
    expected = {
        "code": "INSUFFICIENT_BALANCE",
        "reason": "BALANCE_EXHAUSTED",
        "billingModel": "PREPAY_MANDATE",
        "userAction": "CONTACT_MANDATE_ADMIN",
        "payer": "pool",
        "mandateId": str(mandate_id_of(mandate)),
        "mandateName": "Helvetia Treuhand AG",
        "currency": "CHF",
        "currentBalance": None,
        "requiredAmount": "0.500000000",
        "billingUrl": None,
        "notifiedAt": None,
        "retryAfterSeconds": None,
    }
    assert {name: billing[name] for name in expected} == expected
    assert (await api.get(f"{mandate}/holds")).json()["holds"] == []


async def test_a_refusal_is_for_the_person_whom_the_work_is_for(api: Api, service: str, mandate: str) -> None:
    await api.user(mandate, "olga", role="owner", language="fr")
    await api.made(f"{mandate}/refunds", {"amount": "9.50", "reason": "x"})
    answer = await api.post(f"{mandate}/holds", {"desired": "2"}, key=service, headers={"x-bursar-user": "olga"})
    problem = assert_problem(answer, 402, "insufficient_balance")
    billing = problem["billing"]
    assert (billing["userAction"], billing["currentBalance"]) == ("TOP_UP_SELF", "0.500000000")
    assert billing["billingUrl"] == f"{PUBLIC_URL}/billing?mandate={mandate_id_of(mandate)}"
    assert problem["detail"] == billing["messageFr"]


async def test_a_refused_extension_leaves_the_hold_as_it_is(api: Api, mandate: str, service: str) -> None:
    hold = await api.made(f"{mandate}/holds", {"userId": "anna", "desired": "1"}, key=service)
    path = f"{mandate}/holds/{hold['id']}"
    answer = await api.post(f"{path}/extend", {"amount": "9.5"}, key=service)
    billing = assert_problem(answer, 402, "insufficient_balance")["billing"]
    assert billing["reason"] == "REQUEST_TOO_LARGE"
    assert billing["requestId"] == hold["id"]
    (listed,) = (await api.get(f"{mandate}/holds")).json()["holds"]
    assert (listed["state"], listed["amount"]) == ("PENDING", "1.000000000")


async def test_wallets_pay_where_the_mandate_says_so(api: Api) -> None:
    mandate = await api.mandate(billingModel="PREPAY_USER")
    user_id = await api.user(mandate, "anna")
    service = await api.key(mandate, "service")
    await api.top_up(mandate, "10")
    answer = await api.post(f"{mandate}/holds", {"desired": "1"}, key=service)
    assert_problem(answer, 422, "invalid_request", "userId")
    refused = await api.post(f"{mandate}/holds", {"userId": "anna", "desired": "1"}, key=service)
    billing = assert_problem(refused, 402, "insufficient_balance")["billing"]
    assert (billing["payer"], billing["userAction"], billing["currentBalance"]) == (
        "wallet",
        "TOP_UP_SELF",
        "0.000000000",
    )
    await api.top_up(mandate, "1", user_id)
    hold = await api.made(f"{mandate}/holds", {"userId": user_id, "desired": "0.1"}, key=service)
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "0.1"}, key=service)
    assert (await api.balance(mandate, "wallet"))["posted"] == "0.900000000"
    assert (await api.balance(mandate))["posted"] == "10.000000000"


async def test_people_appear_on_first_sight_for_services_only(api: Api, mandate: str, service: str) -> None:
    body = {"userId": "berta", "desired": "0.1"}
    assert_problem(await api.post(f"{mandate}/holds", body, key=service), 404, "not_found", "userId")
    await api.call("PUT", f"{mandate}/billing-settings", {"usersOnFirstSight": True})
    admin = await api.key(mandate, "admin")
    assert_problem(await api.post(f"{mandate}/holds", body, key=admin), 404, "not_found", "userId")
    await api.made(f"{mandate}/holds", body, key=service)
    names = [user["externalId"] for user in (await api.get(f"{mandate}/users")).json()["users"]]
    assert names == ["anna", "berta"]


async def test_the_gateway_s_holds_are_out_of_reach(api: Api, mandate: str, service: str) -> None:
    mandate_id, hold_id = mandate_id_of(mandate), new_id()
    await api.ledger.submit(
        Reserve(
            mandate_id=mandate_id,
            hold_id=hold_id,
            account_id=pool_account_id(mandate_id),
            payer="pool",
            billing_model="PREPAY_MANDATE",
            minimum_nanos=10,
            desired_nanos=10,
        )
    )
    other = await api.mandate("Other")
    await api.top_up(other, "5")
    foreign = await api.made(f"{other}/holds", {"desired": "0.1"})
    for unreachable in (hold_id, UUID(foreign["id"]), uuid4(), "nonsense"):
        bodies: dict[str, dict[str, str]] = {"settle": {"amount": "0"}, "release": {}, "extend": {"amount": "0"}}
        for verb, body in bodies.items():
            answer = await api.post(f"{mandate}/holds/{unreachable}/{verb}", body, key=service)
            assert_problem(answer, 404, "not_found")
    assert (await api.get(f"{other}/holds")).json()["holds"][0]["state"] == "PENDING"


async def test_a_suspended_mandate_holds_nothing_and_lets_calls_settle(api: Api, mandate: str, service: str) -> None:
    hold = await api.made(f"{mandate}/holds", {"desired": "1"}, key=service)
    await api.call("PATCH", mandate, {"status": "suspended"})
    answer = await api.post(f"{mandate}/holds", {"desired": "1"}, key=service)
    assert_problem(answer, 403, "mandate_not_active")
    settled = await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "0.5"}, key=service)
    assert settled.json()["charged"] == "0.500000000"


async def test_a_billing_model_that_has_just_changed_is_asked_again(api: Api, mandate: str, service: str) -> None:
    """Another worker has changed the settings, and this one has not heard of it yet."""
    await api.made(f"{mandate}/holds", {"userId": "anna", "desired": "0.1"}, key=service)
    async with api.database.as_operator() as connection:
        await connection.execute("UPDATE billing_settings SET billing_model = 'UNLIMITED'")
        await connection.execute("UPDATE identity_revision SET revision = revision + 1")
    hold = await api.made(f"{mandate}/holds", {"userId": "anna", "desired": "1000"}, key=service)
    assert hold["granted"] == "1000.000000000"


NOT_ACCEPTABLE: list[tuple[dict[str, Any], str | None]] = [
    ({}, "desired"),
    ({"desired": "0"}, "desired"),
    ({"minimum": "2", "desired": "1"}, "minimum"),
    ({"desired": "1", "ttlSeconds": 0}, "ttlSeconds"),
    ({"desired": "1", "ttlSeconds": 86401}, "ttlSeconds"),
    ({"desired": "1", "ttlSeconds": 1.5}, "ttlSeconds"),
    ({"desired": "1", "tags": {"a\n": "b"}}, None),
    ({"desired": "1", "tags": {str(number): "x" for number in range(21)}}, "tags"),
    ({"desired": "1", "userId": ""}, "userId"),
    ({"desired": "1", "userID": "anna"}, "userID"),
]


async def test_what_is_not_acceptable_is_named(api: Api, mandate: str, service: str) -> None:

    for body, field in NOT_ACCEPTABLE:
        answer = await api.post(f"{mandate}/holds", body, key=service)
        assert answer.status_code == 422
        assert field is None or answer.json()["field"] == field
        assert (await api.balance(mandate))["held"] == "0.000000000"


async def test_a_header_that_names_somebody_else_is_refused(api: Api, mandate: str, service: str) -> None:
    headers = {"x-bursar-user": "berta"}
    answer = await api.post(f"{mandate}/holds", {"desired": "1", "userId": "anna"}, key=service, headers=headers)
    assert_problem(answer, 422, "invalid_request", "userId")
