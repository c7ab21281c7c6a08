"""Management of keys over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bursar.identity.keys import parse_key
from tests.support.management import Api, assert_problem


async def test_a_key_is_shown_once_and_stored_as_a_hash(api: Api) -> None:
    mandate = await api.mandate()
    user_id = await api.user(mandate)
    answer = await api.post(f"{mandate}/keys", {"kind": "user", "userId": user_id, "name": "laptop"})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    made = answer.json()
    text = made.pop("key")
    assert parse_key(text) is not None
    assert text.startswith(made["prefix"])
    assert (made["kind"], made["userId"], made["createdBy"]) == ("user", user_id, "root")
    listed = await api.get(f"{mandate}/keys")
    assert listed.json() == {"keys": [made], "nextCursor": None}
    async with api.database.as_operator() as connection:
        stored = str([dict(row) for row in await connection.fetch("SELECT * FROM api_key")])
    assert text not in stored
    assert text[-20:] not in stored


async def test_a_revoked_key_ends_and_can_be_revoked_again(api: Api) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/keys", {"kind": "admin", "name": "x"})
    assert (await api.get(mandate, key=made["key"])).status_code == 200
    path = f"{mandate}/keys/{made['id']}"
    assert (await api.call("DELETE", path)).status_code == 204
    assert_problem(await api.get(mandate, key=made["key"]), 401, "unauthorized")
    first = (await api.get(f"{mandate}/keys")).json()["keys"][0]["revokedAt"]
    assert (await api.call("DELETE", path)).status_code == 204
    assert (await api.get(f"{mandate}/keys")).json()["keys"][0]["revokedAt"] == first


NOT_ACCEPTABLE: list[tuple[dict[str, object], int, str | None]] = [
    ({"name": "x"}, 422, "kind"),
    ({"kind": "root", "name": "x"}, 422, "kind"),
    ({"kind": "user", "name": "x"}, 422, "userId"),
    ({"kind": "service", "name": "x", "userId": "ANNA"}, 422, "userId"),
    ({"kind": "service"}, 422, "name"),
    ({"kind": "service", "name": ""}, 422, "name"),
    ({"kind": "service", "name": "x", "expiresAt": "2020-01-01T00:00:00Z"}, 422, "expiresAt"),
    ({"kind": "service", "name": "x", "expiresAt": "2999-01-01T00:00:00"}, 422, "expiresAt"),
    ({"kind": "service", "name": "x", "scopes": []}, 422, "scopes"),
    ({"kind": "user", "name": "x", "userId": "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"}, 404, "userId"),
]


async def test_what_is_not_acceptable_is_named(api: Api) -> None:
    mandate = await api.mandate()
    anna = await api.user(mandate)
    for body, status, field in NOT_ACCEPTABLE:
        body = {name: anna if value == "ANNA" else value for name, value in body.items()}
        code = "not_found" if status == 404 else "invalid_request"
        assert_problem(await api.post(f"{mandate}/keys", body), status, code, field)


async def test_a_key_can_have_an_end(api: Api) -> None:
    mandate = await api.mandate()
    ends = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    made = await api.made(f"{mandate}/keys", {"kind": "admin", "name": "x", "expiresAt": ends})
    assert datetime.fromisoformat(made["expiresAt"]) == datetime.fromisoformat(ends)
    assert (await api.get(mandate, key=made["key"])).status_code == 200
    async with api.database.as_operator() as connection:
        await connection.execute("UPDATE api_key SET expires_at = now()")
    api.wiring.authenticator._keys.clear()
    assert (await api.get(mandate, key=made["key"])).status_code == 401


@pytest.mark.parametrize("role", ["finance", "member"])
async def test_people_manage_their_own_user_keys_and_no_others(api: Api, role: str) -> None:
    mandate = await api.mandate()
    own_id, own = await api.person_key(mandate, role)
    other_id = await api.user(mandate, "other")
    made = await api.made(f"{mandate}/keys", {"kind": "user", "name": "mine"}, key=own)
    assert made["userId"] == own_id
    others = await api.made(f"{mandate}/keys", {"kind": "user", "userId": other_id, "name": "theirs"})

    listed = (await api.get(f"{mandate}/keys", key=own)).json()["keys"]
    assert [key["id"] for key in listed] == [made["id"]], "neither the others' nor the mandate's keys"
    body = {"kind": "user", "userId": other_id, "name": "x"}
    assert_problem(await api.post(f"{mandate}/keys", body, key=own), 404, "not_found", "userId")
    for kind in ("service", "admin"):
        assert_problem(
            await api.post(f"{mandate}/keys", {"kind": kind, "name": "x"}, key=own), 403, "forbidden", "kind"
        )
    assert_problem(await api.call("DELETE", f"{mandate}/keys/{others['id']}", key=own), 404, "not_found")
    assert (await api.call("DELETE", f"{mandate}/keys/{made['id']}", key=own)).status_code == 204


async def test_keys_of_another_mandate_are_unknown(api: Api) -> None:
    one, two = await api.mandate("One"), await api.mandate("Two")
    made = await api.made(f"{two}/keys", {"kind": "service", "name": "x"})
    for path in (f"{one}/keys/{made['id']}", f"{one}/keys/nonsense"):
        assert_problem(await api.call("DELETE", path), 404, "not_found")
    assert (await api.get(f"{two}/keys")).json()["keys"][0]["revokedAt"] is None
