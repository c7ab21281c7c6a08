"""One-time links: where there is no provider, they alone sign in."""

from __future__ import annotations

import asyncio
import re

from tests.identity.sign_in.house import House
from tests.support.management import PUBLIC_URL, assert_problem


async def test_the_printed_link_signs_the_operator_in_once(plain_house: House) -> None:
    token = await plain_house.printed()
    browser = plain_house.browser()
    for _ in range(3):
        page = await browser.get("/auth/link", params={"token": token}, headers={"accept-language": "de-CH"})
        assert page.status_code == 200
        assert "Bei Bursar anmelden" in page.text
        assert browser.cookie is None, "to look at it uses nothing"
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        assert page.headers["referrer-policy"] == "same-origin"
    form = re.search(r'<form method="post" action="(\S+)"><input type="hidden" name="token" value="(\S+)">', page.text)
    assert form is not None
    arrived = await browser.submit(form[1], {"token": form[2]})
    assert arrived.status_code == 303
    assert (await browser.session())["operator"]
    assert (await browser.change("POST", "/api/mandates", {"name": "New"})).status_code == 201

    later = plain_house.browser()
    assert (await later.submit("/auth/link", {"token": token})).status_code == 410
    assert (await later.get("/auth/link", params={"token": token})).status_code == 410
    assert later.cookie is None


async def test_of_many_at_once_one_gets_in(plain_house: House) -> None:
    token = await plain_house.printed()
    browsers = [plain_house.browser() for _ in range(12)]
    answers = await asyncio.gather(*[browser.submit("/auth/link", {"token": token}) for browser in browsers])
    assert sorted(answer.status_code for answer in answers) == [303] + [410] * 11
    assert len([browser for browser in browsers if browser.cookie]) == 1


async def test_another_site_cannot_make_a_browser_use_a_link(plain_house: House) -> None:
    token = await plain_house.printed()
    browser = plain_house.browser()
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        answer = await browser.http.post("/auth/link", data={"token": token}, headers=headers)
        assert answer.status_code == 403
        assert browser.cookie is None
    assert (await browser.submit("/auth/link", {"token": token})).status_code == 303


async def test_an_old_or_made_up_link_is_worth_nothing(plain_house: House) -> None:
    token = await plain_house.printed()
    for made_up in ("", "x", "lnk_" + "A" * 43, token[:-1], token + "A", "inv_" + "0" * 32 + "_" + "A" * 43, "<b>"):
        assert (await plain_house.browser().submit("/auth/link", {"token": made_up})).status_code == 410, made_up
    async with plain_house.database.as_operator() as connection:
        row = await connection.fetchrow("DELETE FROM one_time_link RETURNING link_hash, purpose")
        assert row is not None
        await connection.execute(
            "INSERT INTO one_time_link VALUES ($1, $2, NULL, now())", row["link_hash"], row["purpose"]
        )
    assert (await plain_house.browser().submit("/auth/link", {"token": token})).status_code == 410


async def test_a_link_is_mailed_to_whom_it_belongs_and_nobody_learns_who_that_is(plain_house: House) -> None:
    mandate, user_id = await plain_house.mandate_with("One", "anna@example.com")
    other, other_id = await plain_house.mandate_with("Two", "ANNA@example.com", "member")
    browser = plain_house.browser()
    unknown = await browser.change("POST", "/auth/link-requests", {"email": "nobody@example.com"})
    assert await plain_house.mailed() == []
    known = await browser.change("POST", "/auth/link-requests", {"email": "Anna@Example.com"})
    assert (known.status_code, known.content) == (unknown.status_code, unknown.content) == (202, unknown.content)
    assert_problem(await browser.change("POST", "/auth/link-requests", {"email": "x"}), 422, "invalid_request", "email")
    (token,) = await plain_house.mailed()
    kept = await plain_house.everything()
    assert token not in kept
    assert (await browser.submit("/auth/link", {"token": token})).status_code == 303
    session = await browser.session()
    assert {(each["userId"], each["role"]) for each in session["mandates"]} == {
        (user_id, "owner"),
        (other_id, "member"),
    }
    assert (await browser.get(f"{mandate}/users")).status_code == 200
    assert_problem(await browser.get(f"{other}/users"), 403, "forbidden")


async def test_who_edits_an_address_inherits_no_other_mandate(plain_house: House) -> None:
    """An owner gives a user their own address: they sign in as that user there, and nowhere else."""
    mandate, user_id = await plain_house.mandate_with("One", "anna@example.com", "member")
    other, _ = await plain_house.mandate_with("Two", "anna@example.com")
    browser = plain_house.browser()
    await browser.change("POST", "/auth/link-requests", {"email": "anna@example.com"})
    await browser.submit("/auth/link", {"token": (await plain_house.mailed())[-1]})
    assert (await browser.get(f"{other}/users")).status_code == 200

    await plain_house.api.call("PATCH", f"{mandate}/users/{user_id}", {"email": "mallory@example.com"})
    mallory = plain_house.browser()
    await mallory.change("POST", "/auth/link-requests", {"email": "mallory@example.com"})
    await mallory.submit("/auth/link", {"token": (await plain_house.mailed())[-1]})
    assert [each["name"] for each in (await mallory.session())["mandates"]] == ["One"]
    assert_problem(await mallory.get(f"{other}/users"), 404, "not_found")
    assert [each["name"] for each in (await browser.session())["mandates"]] == ["Two"]


async def test_an_address_gets_five_links_an_hour(plain_house: House) -> None:
    await plain_house.mandate_with("One", "anna@example.com")
    browser = plain_house.browser()
    for number in range(7):
        answer = await browser.change("POST", "/auth/link-requests", {"email": "anna@example.com"})
        assert answer.status_code == (202 if number < 5 else 429)
    assert_problem(answer, 429, "too_many_attempts")
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    assert len(await plain_house.mailed()) == 5
    assert (await browser.change("POST", "/auth/link-requests", {"email": "b@example.com"})).status_code == 202


async def test_where_there_is_a_provider_no_link_signs_in(plain_house: House, house: House) -> None:
    """Links that were made before the provider was configured; both houses share the database."""
    await plain_house.mandate_with("One", "anna@example.com")
    browser = plain_house.browser()
    await browser.change("POST", "/auth/link-requests", {"email": "anna@example.com"})
    for token in (await plain_house.printed(), *(await plain_house.mailed())):
        visitor = house.browser()
        assert (await visitor.get("/auth/link", params={"token": token})).status_code == 410
        assert (await visitor.submit("/auth/link", {"token": token})).status_code == 410
        assert (await visitor.sign_in(token=token)).status_code == 410
        assert visitor.cookie is None
    answer = await house.browser().change("POST", "/auth/link-requests", {"email": "anna@example.com"})
    assert_problem(answer, 404, "not_found")
    ways = (await house.browser().get("/auth/providers")).json()
    assert ways == {
        "providers": [{"name": "test", "title": "Test & Co", "startUrl": "/auth/start/test"}],
        "byMail": False,
    }
    assert (await plain_house.browser().get("/auth/providers")).json() == {"providers": [], "byMail": True}
    assert house.sign_in.public_url == PUBLIC_URL
