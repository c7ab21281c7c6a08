"""Sessions: their cookies, their end, and what a change by cookie needs."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest

from bursar.foundation.database import Database
from bursar.identity.sign_in.browser import Cookies
from tests.identity.sign_in.house import Browser, House, provider_of, running_house
from tests.identity.sign_in.issuer_host import Issuer
from tests.support.management import ROOT_KEY, assert_problem, mandate_id_of


async def signed_in(house: House, role: str = "owner") -> tuple[str, Browser]:
    mandate = await house.api.mandate()
    browser = house.browser()
    arrived = await browser.sign_in(token=await house.invited(mandate, "anna@example.com", role))
    assert arrived.status_code == 303
    await browser.session()
    return mandate, browser


async def test_cookies_are_for_this_host_and_no_script(house: House) -> None:
    mandate = await house.api.mandate()
    browser = house.browser()
    departure = await browser.submit("/auth/start/test", {"token": await house.invited(mandate, "anna@example.com")})
    arrived = await browser.back(await browser.to_issuer(departure))
    for answer, name in ((departure, "__Host-bursar_sign_in"), (arrived, "__Host-bursar_session")):
        cookie = SimpleCookie(next(c for c in answer.headers.get_list("set-cookie") if c.startswith(name)))[name]
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "lax")
        assert cookie["secure"] is True
        assert cookie["httponly"] is True
        assert answer.headers["cache-control"] == "no-store"
    assert browser.http.cookies.get("__Host-bursar_sign_in") is None


def test_without_tls_cookies_say_nothing_of_it() -> None:
    cookies = Cookies("http://127.0.0.1:8402")
    assert (cookies.session, cookies.is_secure) == ("bursar_session", False)


async def test_signing_in_again_ends_the_session_before(house: House) -> None:
    mandate, browser = await signed_in(house)
    former = browser.cookie
    assert (await browser.sign_in()).status_code == 303
    assert browser.cookie != former
    assert (await browser.get(mandate)).status_code == 200
    thief = house.browser()
    thief.http.cookies.set("__Host-bursar_session", str(former))
    assert_problem(await thief.get("/api/session"), 401, "unauthorized")


async def test_a_session_that_was_planted_is_never_used(house: House) -> None:
    """Whoever sets a victim's cookie beforehand does not know the session that the victim gets."""
    planted = "A" * 43
    mandate = await house.api.mandate()
    browser = house.browser()
    browser.http.cookies.set("__Host-bursar_session", planted, domain="bursar.example")
    await browser.sign_in(token=await house.invited(mandate, "anna@example.com"))
    thief = house.browser()
    thief.http.cookies.set("__Host-bursar_session", planted)
    assert_problem(await thief.get("/api/session"), 401, "unauthorized")


@pytest.mark.parametrize("column", ["expires_at = now()", "seen_at = now() - interval '12 hours 1 second'"])
async def test_a_session_ends_by_age_and_by_idleness(house: House, column: str) -> None:
    mandate, browser = await signed_in(house)
    await house.execute("UPDATE sign_in_session SET seen_at = now() - interval '11 hours'")
    assert (await browser.get(mandate)).status_code == 200, "used in time"
    async with house.database.as_operator() as connection:
        assert await connection.fetchval("SELECT now() - seen_at < interval '1 hour' FROM sign_in_session")
    await house.execute(f"UPDATE sign_in_session SET {column}")  # noqa: S608 -- from above
    assert_problem(await browser.get("/api/session"), 401, "unauthorized")
    assert_problem(await browser.get(mandate), 401, "unauthorized")


async def test_signing_out_ends_one_session_and_everywhere_all(house: House) -> None:
    mandate, first = await signed_in(house)
    second, third = house.browser(), house.browser()
    for browser in (second, third):
        await browser.sign_in()
        await browser.session()
    former = first.cookie
    assert (await first.change("POST", "/auth/sign-out")).status_code == 204
    assert first.cookie is None
    first.http.cookies.set("__Host-bursar_session", str(former))
    assert_problem(await first.get(mandate), 401, "unauthorized")
    assert (await second.get(mandate)).status_code == 200

    assert (await second.change("POST", "/auth/sign-out-everywhere")).status_code == 204
    assert_problem(await third.get(mandate), 401, "unauthorized")
    async with house.database.as_operator() as connection:
        assert await connection.fetchval("SELECT count(*) FROM sign_in_session") == 0


async def test_a_change_by_cookie_needs_the_token_and_our_own_page(house: House) -> None:
    mandate, browser = await signed_in(house)
    other = house.browser()
    await other.sign_in()
    await other.session()
    path, body = f"{mandate}/keys", {"kind": "admin", "name": "x"}
    foreign = [
        ({"x-csrf-token": ""}, "csrf"),
        ({"x-csrf-token": "x"}, "csrf"),
        ({"x-csrf-token": str(other.csrf)}, "csrf"),
        ({"origin": "https://evil.example"}, "cross_site"),
        ({"origin": "null"}, "cross_site"),
        ({"origin": "http://bursar.example"}, "cross_site"),
        ({"origin": "https://bursar.example.evil.example"}, "cross_site"),
        ({"sec-fetch-site": "cross-site"}, "cross_site"),
        ({"sec-fetch-site": "same-site"}, "cross_site"),
    ]
    for headers, code in foreign:
        assert_problem(await browser.change("POST", path, body, headers=headers), 403, code)
        for route in ("/auth/sign-out", "/auth/sign-out-everywhere"):
            assert_problem(await browser.change("POST", route, headers=headers), 403, code)
        assert_problem(
            await browser.change("PUT", "/api/session/language", {"language": "it"}, headers=headers), 403, code
        )
    assert (await house.api.get(f"{mandate}/keys")).json()["keys"] == []
    assert (await browser.change("POST", path, body, headers={"sec-fetch-site": "same-origin"})).status_code == 201
    # A key is no cookie: nobody sends it unasked.
    made = await browser.http.post(path, json=body, headers={"authorization": f"Bearer {ROOT_KEY}"})
    assert made.status_code == 201


async def test_a_wrong_key_is_not_made_good_by_a_cookie(house: House) -> None:
    mandate, browser = await signed_in(house)
    answer = await browser.get(mandate, headers={"authorization": "Bearer nonsense"})
    assert_problem(answer, 401, "unauthorized")


async def test_who_leaves_is_out_at_once_and_forgotten(house: House, issuer: Issuer) -> None:
    mandate, browser = await signed_in(house, "member")
    user_id = (await browser.session())["mandates"][0]["userId"]
    assert (await house.api.call("DELETE", f"{mandate}/users/{user_id}")).status_code == 204
    assert_problem(await browser.get(f"{mandate}/balance"), 401, "unauthorized")
    assert_problem(await browser.get("/api/session"), 401, "unauthorized")
    kept = await house.everything()
    assert issuer.subject not in kept
    assert "anna" not in kept.lower()
    assert user_id in kept


async def test_who_leaves_one_mandate_stays_in_the_other(house: House) -> None:
    mandate, browser = await signed_in(house)
    other = await house.api.mandate("Other")
    await browser.sign_in(token=await house.invited(other, "anna@other.example"))
    users = {each["name"]: each["userId"] for each in (await browser.session())["mandates"]}
    assert (await house.api.call("DELETE", f"{other}/users/{users['Other']}")).status_code == 204
    assert [each["id"] for each in (await browser.session())["mandates"]] == [mandate.rsplit("/", 1)[1]]
    assert_problem(await browser.get(f"{other}/balance"), 404, "not_found")
    assert (await browser.get(mandate)).status_code == 200


async def test_a_changed_role_counts_from_the_next_request_on(house: House) -> None:
    mandate, browser = await signed_in(house, "member")
    user_id = (await browser.session())["mandates"][0]["userId"]
    assert_problem(await browser.get(f"{mandate}/users"), 403, "forbidden")
    await house.api.call("PATCH", f"{mandate}/users/{user_id}", {"role": "owner"})
    assert (await browser.get(f"{mandate}/users")).status_code == 200


async def test_a_language_is_chosen_for_all_that_is_said(house: House) -> None:
    mandate, browser = await signed_in(house)
    session = await browser.session()
    assert session["language"] == "de", "the mandate's"
    answer = await browser.change("PUT", "/api/session/language", {"language": "fr"})
    assert answer.json()["language"] == "fr"
    assert (await browser.session())["language"] == "fr"
    user = await house.api.get(f"{mandate}/users/{session['mandates'][0]['userId']}")
    assert user.json()["language"] == "fr"
    assert_problem(
        await browser.change("PUT", "/api/session/language", {"language": "xx"}), 422, "invalid_request", "language"
    )


async def test_a_mandate_s_own_transaction_sees_no_session_and_no_identity(house: House) -> None:
    """The second wall: what is across mandates is not there for a query of one mandate that forgot its `where`."""
    mandate, _ = await signed_in(house)
    other = await house.api.mandate("Other")
    for table in ("identity", "sign_in_session", "sign_in_attempt", "one_time_link", "sign_in_mail", "sign_in_rate"):
        async with house.database.as_mandate(mandate_id_of(mandate)) as connection:
            assert await connection.fetch(f"SELECT FROM {table}") == [], table
    for table in ("membership", "invitation"):
        async with house.database.as_mandate(mandate_id_of(mandate)) as connection:
            assert len(await connection.fetch(f"SELECT FROM {table}")) == 1, table
        async with house.database.as_mandate(mandate_id_of(other)) as connection:
            assert await connection.fetch(f"SELECT FROM {table}") == [], table


async def test_attempts_are_limited_and_said_how_long(database: Database, issuer: Issuer) -> None:
    async with running_house(database, [provider_of(issuer)]) as house:
        browser = house.browser()
        await browser.get("/auth/start/test")
        await house.execute("UPDATE sign_in_rate SET attempts = 99")
        assert (await browser.get("/auth/start/test")).status_code == 303
        for path in ("/auth/start/test", "/auth/callback/test?state=x", "/auth/link?token=x"):
            answer = await browser.get(path)
            assert answer.status_code == 429, path
            assert 0 < int(answer.headers["retry-after"]) <= 600
        assert (await browser.submit("/auth/link", {"token": "x"})).status_code == 429
        await house.execute("UPDATE sign_in_rate SET expires_at = now()")
        assert (await browser.get("/auth/start/test")).status_code == 303
