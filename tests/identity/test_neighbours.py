"""Ids of a neighbour's things are as unknown as ids that never were: in paths, in queries, in bodies, in headers."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.identity.test_access import routes_of
from tests.support.management import Api, assert_problem

NEVER_WAS = "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"
BODIES: dict[str, dict[str, Any]] = {
    "userId": {"displayName": "mine"},
    "keyId": {"name": "mine"},
    "limitId": {"amount": "1"},
    "replay": {"since": "2026-01-01T00:00:00Z"},
    "extend": {"amount": "1"},
    "settle": {"amount": "1"},
    "rotate": {},
}


async def things(api: Api, mandate: str) -> dict[str, str]:
    """One of each thing that a path can name, by the name that paths have for it."""
    in_a_day = datetime.now(UTC) + timedelta(days=1)
    user, person = await api.person_key(mandate, "member", "anna")
    made = {
        "keyId": await api.made(f"{mandate}/keys", {"kind": "service", "name": "x"}),
        "limitId": await api.made(f"{mandate}/limits", {"scope": "mandate", "period": "total", "amount": "50"}),
        "transferId": await api.top_up(mandate, "10"),
        "holdId": await api.made(f"{mandate}/holds", {"desired": "1"}),
        "invitationId": await api.made(f"{mandate}/invitations", {"email": "b@example.com"}),
        "silenceId": await api.made(f"{mandate}/silences", {"endsAt": in_a_day.isoformat()}),
        "webhookId": await api.made(f"{mandate}/webhooks", {"url": "https://hooks.example.com/1"}),
        "requestId": await api.made(f"{mandate}/top-up-requests", {"reason": "x"}, key=person),
    }
    return {"userId": user, **{name: str(each["id"]) for name, each in made.items()}}


async def state(api: Api, mandate: str) -> list[Any]:
    """All that may be read of a mandate."""
    paths = ("", "/users", "/keys", "/limits", "/holds", "/invitations", "/webhooks", "/balance", "/top-up-requests")
    found = [(await api.get(mandate + path)).json() for path in paths]
    for key in found[2]["keys"]:
        key.pop("lastUsedAt")
    return found


@pytest.mark.parametrize("rank", ["owner", "finance", "member", "service"])
async def test_a_neighbour_s_id_in_one_s_own_path_is_unknown(api: Api, rank: str) -> None:
    mandate, neighbour = await api.mandate(), await api.mandate("Neighbour")
    theirs = await things(api, neighbour)
    key = await api.key(mandate, "service") if rank == "service" else (await api.person_key(mandate, rank))[1]
    before = await state(api, neighbour)
    tried = 0
    for route in routes_of(api.app):
        names = re.findall(r"\{(\w+)\}", route.path)
        if len(names) != 2 or names[0] != "mandateId" or names[1] not in theirs:
            continue
        body = BODIES.get(route.path.rsplit("/", 1)[1], BODIES.get(names[1], {}))
        sent = body if route.method in ("POST", "PATCH", "PUT") else None
        below = route.path.removeprefix("/api/mandates/{mandateId}")
        answers = [
            await api.call(route.method, mandate + re.sub(r"\{\w+\}", each, below), sent, key=key)
            for each in (theirs[names[1]], NEVER_WAS)
        ]
        assert answers[0].status_code in (403, 404) or not answers[0].json().get("items"), (route, answers[0].text)
        assert answers[0].status_code == answers[1].status_code, route
        assert answers[0].content == answers[1].content, route
        tried += 1
    assert tried >= 18
    assert await state(api, neighbour) == before


async def test_a_neighbour_s_id_in_a_body_or_a_query_is_unknown(api: Api) -> None:
    mandate, neighbour = await api.mandate(), await api.mandate("Neighbour")
    await api.top_up(mandate, "5")
    theirs = await things(api, neighbour)
    owner = (await api.person_key(mandate, "owner"))[1]
    user, their_key = theirs["userId"], theirs["keyId"]
    before = await state(api, neighbour)
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("keys", {"kind": "user", "name": "x", "userId": user}, "userId"),
        ("keys", {"kind": "admin", "name": "x", "userId": user}, "userId"),
        ("limits", {"scope": "user", "scopeId": user, "period": "day", "amount": "1"}, "scopeId"),
        ("limits", {"scope": "key", "scopeId": their_key, "period": "day", "amount": "1"}, "scopeId"),
        ("wallet-transfers", {"userId": user, "amount": "1"}, "userId"),
        ("wallet-transfers", {"userId": user, "amount": "-1"}, "userId"),
        ("holds", {"userId": user, "desired": "1"}, "userId"),
        ("vouchers/redeem", {"userId": user, "code": "x"}, "userId"),
    ]
    for path, body, field in refused:
        assert_problem(await api.post(f"{mandate}/{path}", body, key=owner), 404, "not_found", field)
    for path in ("top-ups", "corrections", "refunds"):
        body = {"userId": user, "amount": "1"} | ({} if path == "top-ups" else {"reason": "x"})
        answer = await api.post(f"{mandate}/{path}", body, headers={"Idempotency-Key": "k"})
        assert_problem(answer, 404, "not_found", "userId")
    seen = await api.get(f"{mandate}/transfers", params={"userId": user}, key=owner)
    assert seen.json()["transfers"] == []
    header = {"x-bursar-user": user}
    service = await api.key(mandate, "service")
    answer = await api.post(f"{mandate}/holds", {"desired": "1"}, key=service, headers=header)
    assert_problem(answer, 404, "not_found", "x-bursar-user")
    assert await state(api, neighbour) == before


async def test_a_role_is_raised_by_owners_only_and_none_raises_their_own(api: Api) -> None:
    mandate = await api.mandate()
    people = {role: await api.person_key(mandate, role) for role in ("owner", "finance", "member")}
    for role in ("finance", "member"):
        user, key = people[role]
        session = await api.signed_in(mandate, user)
        for sent in ({"key": key}, {"key": None, "headers": session}):
            own = await api.call("PATCH", f"{mandate}/users/{user}", {"role": "owner"}, **sent)
            assert_problem(own, 403, "forbidden")
            invited = {"email": "me@example.com", "role": "owner"}
            for path, body in (
                ("invitations", invited),
                ("users", invited),
                ("keys", {"kind": "admin", "name": "wider"}),
                ("keys", {"kind": "admin", "name": "theirs", "userId": people["owner"][0]}),
                ("keys", {"kind": "service", "name": "nobody's"}),
            ):
                refused = await api.call("POST", f"{mandate}/{path}", body, **sent)
                assert refused.status_code == 403, (role, path, refused.text)
    last = await api.call("PATCH", f"{mandate}/users/{people['owner'][0]}", {"role": "member"}, key=people["owner"][1])
    assert_problem(last, 409, "last_owner")


async def test_a_cookie_from_elsewhere_or_beside_a_key_opens_nothing(api: Api) -> None:
    """No session is taken over from what a browser brings along, and a wrong key is not made good by a cookie."""
    mandate = await api.mandate()
    user, _ = await api.person_key(mandate, "owner")
    session = await api.signed_in(mandate, user)
    name = "__Host-bursar_session"
    for cookie in (f"{name}={'A' * 43}", session["Cookie"].replace("__Host-", ""), f"{name}="):
        answer = await api.get(f"{mandate}/balance", key=None, headers={"Cookie": cookie})
        assert_problem(answer, 401, "unauthorized")
    wrong = await api.get(f"{mandate}/balance", key="bur_wrong", headers=session)
    assert_problem(wrong, 401, "unauthorized")
    smuggled = {**session, "x-bursar-user": user, "x-forwarded-user": user, "x-original-url": "/api/mandates"}
    assert_problem(await api.get("/api/mandates", key=None, headers=smuggled), 403, "forbidden")
