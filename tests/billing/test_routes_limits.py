"""Spending limits and notices over HTTP."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from bursar.foundation.ids import new_id
from tests.support.management import Api, assert_problem, mandate_id_of


@pytest.fixture
async def mandate(api: Api) -> str:
    mandate = await api.mandate()
    await api.top_up(mandate, "100")
    return mandate


async def test_a_limit_is_made_listed_changed_and_deleted(api: Api, mandate: str) -> None:
    user_id = await api.user(mandate)
    answer = await api.post(
        f"{mandate}/limits", {"scope": "user", "scopeId": user_id, "period": "month", "amount": "5"}
    )
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["scope"], made["scopeId"], made["period"]) == ("user", user_id, "month")
    assert (made["amount"], made["spent"], made["held"]) == ("5.000000000", "0.000000000", "0.000000000")
    assert made["resetsAt"].endswith("Z")
    assert (made["createdBy"], answer.headers["location"]) == ("root", f"{mandate}/limits/{made['id']}")
    assert (await api.get(f"{mandate}/limits")).json() == {"currency": "CHF", "limits": [made], "nextCursor": None}
    path = f"{mandate}/limits/{made['id']}"
    changed = await api.call("PATCH", path, {"amount": "7"})
    assert changed.json() == {**made, "amount": "7.000000000"}
    assert (await api.call("DELETE", path)).status_code == 204
    assert (await api.get(f"{mandate}/limits")).json()["limits"] == []
    assert_problem(await api.call("DELETE", path), 404, "not_found")
    assert_problem(await api.call("PATCH", path, {"amount": "7"}), 404, "not_found")


async def test_a_limit_stops_calls_and_counts_what_the_period_has_used_already(api: Api, mandate: str) -> None:
    service = await api.key(mandate, "service")
    await api.user(mandate)
    used = await api.made(f"{mandate}/holds", {"userId": "anna", "desired": "2"}, key=service)
    await api.post(f"{mandate}/holds/{used['id']}/settle", {"amount": "2"}, key=service)
    await api.made(f"{mandate}/holds", {"userId": "anna", "desired": "1"}, key=service)
    total = {"scope": "mandate", "period": "total", "amount": "3.5"}
    limit = await api.made(f"{mandate}/limits", total)
    assert (limit["spent"], limit["held"], limit["resetsAt"]) == ("2.000000000", "1.000000000", None)
    assert limit["scopeId"] == str(mandate_id_of(mandate))
    answer = await api.post(f"{mandate}/holds", {"userId": "anna", "desired": "1.6"}, key=service)
    billing = assert_problem(answer, 402, "insufficient_balance")["billing"]
    assert billing["reason"] == "LIMIT_REACHED"
    assert billing["limit"] == {
        "scope": "mandate",
        "scopeId": limit["scopeId"],
        "period": "total",
        "amount": None,
        "spent": None,
        "resetsAt": None,
    }
    await api.made(f"{mandate}/holds", {"userId": "anna", "desired": "0.4"}, key=service)


async def test_one_limit_per_scope_and_period(api: Api, mandate: str) -> None:
    body = {"scope": "model", "scopeId": "gpt-5-mini", "period": "day", "amount": "5"}
    await api.made(f"{mandate}/limits", body)
    assert_problem(await api.post(f"{mandate}/limits", {**body, "amount": "6"}), 409, "already_exists", "period")
    await api.made(f"{mandate}/limits", {**body, "period": "week"})


async def test_what_is_not_acceptable_is_named(api: Api, mandate: str) -> None:
    stranger = await api.user(await api.mandate("Other"), "berta")
    bodies: list[tuple[dict[str, Any], int, str]] = [
        ({"period": "day", "amount": "1"}, 422, "scope"),
        ({"scope": "planet", "period": "day", "amount": "1"}, 422, "scope"),
        ({"scope": "mandate", "period": "year", "amount": "1"}, 422, "period"),
        ({"scope": "mandate", "period": "day"}, 422, "amount"),
        ({"scope": "mandate", "period": "day", "amount": "-1"}, 422, "amount"),
        ({"scope": "mandate", "period": "day", "amount": "1", "scopeId": stranger}, 422, "scopeId"),
        ({"scope": "user", "period": "day", "amount": "1"}, 422, "scopeId"),
        ({"scope": "model", "period": "day", "amount": "1", "scopeId": "a\nb"}, 422, "scopeId"),
        ({"scope": "user", "period": "day", "amount": "1", "scopeId": stranger}, 404, "scopeId"),
        ({"scope": "user", "period": "day", "amount": "1", "scopeId": "anna"}, 404, "scopeId"),
        ({"scope": "key", "period": "day", "amount": "1", "scopeId": str(uuid4())}, 404, "scopeId"),
    ]
    for body, status, field in bodies:
        code = "not_found" if status == 404 else "invalid_request"
        assert_problem(await api.post(f"{mandate}/limits", body), status, code, field)
    assert (await api.get(f"{mandate}/limits")).json()["limits"] == []


async def test_limits_of_another_mandate_are_unknown(api: Api, mandate: str) -> None:
    other = await api.mandate("Other")
    limit = await api.made(f"{other}/limits", {"scope": "mandate", "period": "day", "amount": "1"})
    path = f"{mandate}/limits/{limit['id']}"
    assert_problem(await api.call("DELETE", path), 404, "not_found")
    assert_problem(await api.call("PATCH", path, {"amount": "9"}), 404, "not_found")
    assert len((await api.get(f"{other}/limits")).json()["limits"]) == 1


async def test_notices_are_listed_newest_first(api: Api, mandate: str) -> None:
    mandate_id = mandate_id_of(mandate)
    for recipient, minutes in (("a@example.com", 2), ("b@example.com", 1)):
        await api.database.ledger_pool.execute(
            "INSERT INTO notice (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, channel, recipient,"
            " state, payload, attempts, next_attempt_at, created_at, updated_at, sent_at)"
            " VALUES ($1, $2, 'exhausted', $1, $2, $2, 'email', $3, 'SENT', '{}', 1, now(),"
            " now() - make_interval(mins => $4), now(), now())",
            mandate_id,
            new_id(),
            recipient,
            minutes,
        )
    first = (await api.get(f"{mandate}/notices", params={"limit": 1})).json()
    assert [(each["recipient"], each["state"], each["payer"]) for each in first["notices"]] == [
        ("b@example.com", "SENT", "pool")
    ]
    rest = (await api.get(f"{mandate}/notices", params={"cursor": first["nextCursor"]})).json()
    assert [each["recipient"] for each in rest["notices"]] == ["a@example.com"]
    assert rest["nextCursor"] is None
    assert (await api.get(f"{await api.mandate('Other')}/notices")).json()["notices"] == []
