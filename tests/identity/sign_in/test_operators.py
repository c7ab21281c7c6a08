"""Operators: listed, added by those who are, removed at once; those of the settings are the settings' affair."""

from __future__ import annotations

from bursar.foundation.database import Database
from tests.identity.sign_in.house import House, provider_of, running_house
from tests.identity.sign_in.issuer_host import Issuer
from tests.support.management import Api, assert_problem

SOMEBODY = {"issuer": "https://issuer.example", "subject": "somebody"}


async def test_who_is_named_operates_from_the_first_sign_in_on(house: House, issuer: Issuer) -> None:
    added = await house.api.made("/api/operators", {"issuer": issuer.issuer, "subject": "anna-at-the-issuer"})
    assert added["grantedBy"] == "operator"
    browser = house.browser()
    assert (await browser.sign_in()).status_code == 303
    session = await browser.session()
    assert session["operator"]
    assert session["person"]["identityId"] == added["id"]
    assert (await browser.get("/api/mandates")).status_code == 200


async def test_a_removed_operator_is_out_at_once_and_forgotten(house: House, issuer: Issuer) -> None:
    added = await house.api.made("/api/operators", {"issuer": issuer.issuer, "subject": "anna-at-the-issuer"})
    browser = house.browser()
    await browser.sign_in()
    await browser.session()
    assert (await house.api.call("DELETE", f"/api/operators/{added['id']}")).status_code == 204
    assert_problem(await browser.get("/api/mandates"), 401, "unauthorized")
    assert "anna-at-the-issuer" not in await house.everything()
    assert_problem(await house.api.call("DELETE", f"/api/operators/{added['id']}"), 404, "not_found")


async def test_who_belongs_to_a_mandate_stays_known_there(api: Api) -> None:
    mandate = await api.mandate()
    user = await api.user(mandate, "anna")
    session = await api.signed_in(mandate, user)
    identity = (await api.get("/api/session", key=None, headers=session)).json()["person"]["identityId"]
    await api.made("/api/operators", {"identityId": identity})
    assert (await api.get("/api/mandates", key=None, headers=session)).status_code == 200
    await api.call("DELETE", f"/api/operators/{identity}")
    assert_problem(await api.get("/api/mandates", key=None, headers=session), 403, "forbidden")
    assert (await api.get(f"{mandate}/balance", key=None, headers=session)).status_code == 200


async def test_they_are_listed_page_by_page(api: Api) -> None:
    for number in range(3):
        await api.made("/api/operators", {**SOMEBODY, "subject": f"number {number}"})
    first = (await api.get("/api/operators", params={"limit": 2})).json()
    rest = (await api.get("/api/operators", params={"limit": 2, "cursor": first["nextCursor"]})).json()
    assert [each["subject"] for each in first["operators"] + rest["operators"]] == ["number 0", "number 1", "number 2"]
    assert rest["nextCursor"] is None


async def test_what_is_not_somebody_is_refused_by_name(api: Api) -> None:
    await api.made("/api/operators", SOMEBODY)
    assert_problem(await api.post("/api/operators", SOMEBODY), 409, "already_exists")
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, "identityId"),
        ({"issuer": "https://issuer.example"}, "identityId"),
        ({**SOMEBODY, "identityId": "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"}, "identityId"),
        ({**SOMEBODY, "issuer": "urn:bursar:mailbox"}, "issuer"),
        ({**SOMEBODY, "issuer": "http://issuer.example"}, "issuer"),
        ({**SOMEBODY, "subject": ""}, "subject"),
    ]
    for body, field in wrong:
        assert_problem(await api.post("/api/operators", body), 422, "invalid_request", field)
    unknown = {"identityId": "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"}
    assert_problem(await api.post("/api/operators", unknown), 404, "not_found", "identityId")


async def test_one_of_the_settings_is_changed_there(database: Database, issuer: Issuer) -> None:
    provider = provider_of(issuer, operators=frozenset({"anna-at-the-issuer"}))
    async with running_house(database, [provider]) as house:
        browser = house.browser()
        await browser.sign_in()
        identity = (await browser.session())["person"]["identityId"]
        refused = await house.api.call("DELETE", f"/api/operators/{identity}")
        assert_problem(refused, 409, "named_in_settings")
        assert (await browser.get("/api/mandates")).status_code == 200
        log = (await house.api.get("/api/audit")).json()["entries"]
        assert [(entry["action"], entry["after"]) for entry in log] == [("operator.added", {"grantedBy": "settings"})]
