"""Management of users over HTTP."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

from bursar.identity.departure import return_what_was_left_behind
from tests.support.management import Api, assert_problem, mandate_id_of


async def test_a_user_is_added_read_changed_and_listed(api: Api) -> None:
    mandate = await api.mandate()
    body = {"email": "anna@example.com", "displayName": "Anna", "role": "finance", "language": "it"}
    answer = await api.post(f"{mandate}/users", {**body, "externalId": "a-1", "timeZone": "Asia/Tokyo"})
    assert answer.status_code == 201
    anna = answer.json()
    assert {name: anna[name] for name in body} == body
    path = f"{mandate}/users/{anna['id']}"
    assert answer.headers["location"] == path
    assert (await api.get(path)).json() == anna

    changed = await api.call("PATCH", path, {"displayName": "Anna M.", "language": None, "role": None})
    assert changed.json() == {**anna, "displayName": "Anna M.", "language": None}
    assert (await api.get(f"{mandate}/users")).json() == {"users": [changed.json()], "nextCursor": None}


async def test_a_user_needs_one_name_of_any_kind(api: Api) -> None:
    mandate = await api.mandate()
    assert (await api.made(f"{mandate}/users", {"externalId": "x-1"}))["displayName"] == "x-1"
    assert (await api.made(f"{mandate}/users", {"email": "b@example.com"}))["displayName"] == "b@example.com"
    assert_problem(await api.post(f"{mandate}/users", {}), 422, "invalid_request", "email")


NOT_ACCEPTABLE: list[tuple[dict[str, object], int, str]] = [
    ({"email": "nobody"}, 422, "email"),
    ({"email": "a@b.ch\r\nBcc: c@d.ch"}, 422, "email"),
    ({"email": "a@b.ch", "role": "king"}, 422, "role"),
    ({"email": "a@b.ch", "externalId": ""}, 422, "externalId"),
    ({"email": "a@b.ch", "externalId": " x"}, 422, "externalId"),
    ({"email": "a@b.ch", "timeZone": "Nowhere"}, 422, "timeZone"),
    ({"email": "a@b.ch", "isAdmin": True}, 422, "isAdmin"),
    ({"email": "ANNA@example.com"}, 409, "email"),
    ({"email": "b@example.com", "externalId": "anna"}, 409, "externalId"),
]


async def test_what_is_not_acceptable_is_named(api: Api) -> None:
    mandate = await api.mandate()
    await api.user(mandate, "anna")
    for body, status, field in NOT_ACCEPTABLE:
        code = "already_exists" if status == 409 else "invalid_request"
        problem = assert_problem(await api.post(f"{mandate}/users", body), status, code, field)
        assert "input" not in problem


async def test_an_address_is_free_in_another_mandate(api: Api) -> None:
    for name in ("One", "Two"):
        await api.user(await api.mandate(name), "anna")


async def test_a_stale_change_is_refused(api: Api) -> None:
    mandate = await api.mandate()
    path = f"{mandate}/users/{await api.user(mandate)}"
    etag = (await api.get(path)).headers["etag"]
    assert (await api.call("PATCH", path, {"displayName": "B"}, headers={"If-Match": etag})).status_code == 200
    answer = await api.call("PATCH", path, {"displayName": "C"}, headers={"If-Match": etag})
    assert_problem(answer, 412, "changed_meanwhile", "If-Match")


async def test_the_last_owner_stays_unless_the_operator_says_otherwise(api: Api) -> None:
    mandate = await api.mandate()
    user_id, key = await api.person_key(mandate, "owner")
    path = f"{mandate}/users/{user_id}"
    assert_problem(await api.call("PATCH", path, {"role": "member"}, key=key), 409, "last_owner")
    assert_problem(await api.call("DELETE", path, key=key), 409, "last_owner")
    await api.user(mandate, "second", role="owner")
    assert (await api.call("PATCH", path, {"role": "member"}, key=key)).status_code == 200
    second = (await api.get(f"{mandate}/users")).json()["users"][1]["id"]
    assert (await api.call("DELETE", f"{mandate}/users/{second}")).status_code == 204


async def test_of_two_owners_who_demote_each_other_one_stays(api: Api) -> None:
    mandate = await api.mandate()
    people = [await api.person_key(mandate, "owner", name) for name in ("anna", "berta")]
    answers = await asyncio.gather(
        *[
            api.call("PATCH", f"{mandate}/users/{user_id}", {"role": "member"}, key=key)
            for (user_id, _), (_, key) in zip(people, reversed(people), strict=True)
        ]
    )
    assert 200 in [answer.status_code for answer in answers]
    roles = [user["role"] for user in (await api.get(f"{mandate}/users")).json()["users"]]
    assert "owner" in roles


async def test_somebody_who_leaves_leaves_an_id_and_returns_the_money(api: Api) -> None:
    mandate = await api.mandate(billingModel="PREPAY_USER")
    user_id = await api.user(mandate)
    key = await api.key(mandate, "user", user_id)
    await api.top_up(mandate, "12.50", user_id)

    assert (await api.call("DELETE", f"{mandate}/users/{user_id}")).status_code == 204

    assert await api.wiring.authenticator.authenticate(key) is None
    assert (await api.balance(mandate))["posted"] == "12.500000000"
    assert (await api.get(f"{mandate}/users")).json()["users"] == []
    assert_problem(await api.get(f"{mandate}/users/{user_id}"), 404, "not_found")
    assert_problem(await api.call("DELETE", f"{mandate}/users/{user_id}"), 404, "not_found")
    moved, top_up = (await api.get(f"{mandate}/transfers")).json()["transfers"]
    assert (moved["kind"], moved["amount"], moved["userId"]) == ("WALLET_TRANSFER", "-12.500000000", user_id)
    assert top_up["userId"] == user_id
    async with api.database.as_operator() as connection:
        rows = await connection.fetch("SELECT * FROM app_user")
    assert [row["user_id"] for row in rows] == [UUID(user_id)]
    assert "anna" not in str([dict(row) for row in rows]).lower()


async def test_what_a_leaver_s_call_still_holds_comes_home_later(api: Api) -> None:
    mandate = await api.mandate(billingModel="PREPAY_USER")
    user_id = await api.user(mandate)
    service = await api.key(mandate, "service")
    await api.top_up(mandate, "10", user_id)
    hold = await api.made(f"{mandate}/holds", {"userId": "anna", "desired": "1"}, key=service)
    assert (await api.call("DELETE", f"{mandate}/users/{user_id}")).status_code == 204
    assert (await api.balance(mandate))["posted"] == "9.000000000"

    settled = await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "0.25"}, key=service)
    assert settled.json()["charged"] == "0.250000000"
    assert await return_what_was_left_behind(api.database, api.ledger) == 1
    assert (await api.balance(mandate))["posted"] == "9.750000000"
    assert await return_what_was_left_behind(api.database, api.ledger) == 0


async def test_users_of_another_mandate_are_unknown(api: Api) -> None:
    one, two = await api.mandate("One"), await api.mandate("Two")
    stranger = await api.user(two)
    path = f"{one}/users/{stranger}"
    for answer in (
        await api.get(path),
        await api.call("PATCH", path, {"role": "owner"}),
        await api.call("DELETE", path),
        await api.get(f"{one}/users/{uuid4()}"),
        await api.get(f"{one}/users/x"),
    ):
        assert_problem(answer, 404, "not_found")


async def test_a_query_that_forgot_its_where_stays_inside_of_the_mandate(api: Api) -> None:
    """The second wall: row-level security, forced on the role that serves management."""
    one, two = await api.mandate("One"), await api.mandate("Two")
    for mandate in (one, two):
        await api.user(mandate)
        await api.key(mandate)
        await api.top_up(mandate, "1")
    for table in ("mandate", "billing_settings", "app_user", "api_key", "identity_revision", "account", "transfer"):
        async with api.database.as_mandate(mandate_id_of(one)) as connection:
            rows = await connection.fetch(f"SELECT mandate_id FROM {table}")  # noqa: S608 -- names from above
            assert {row["mandate_id"] for row in rows} == {mandate_id_of(one)}, table
        async with api.database.app_pool.acquire() as connection:
            assert await connection.fetch(f"SELECT mandate_id FROM {table}") == [], table  # noqa: S608
    async with api.database.as_mandate(mandate_id_of(one)) as connection:
        changed = await connection.execute("UPDATE app_user SET display_name = 'changed'")
    assert changed == "UPDATE 1"
