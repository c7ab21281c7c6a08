"""Signing in with a provider: who gets in, as whom, and what stays behind."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

from bursar.foundation.database import Database
from bursar.identity.sign_in.desk import first_link
from tests.identity.sign_in.house import House, provider_of, running_house
from tests.identity.sign_in.issuer_host import Issuer, running_issuer
from tests.support.management import PUBLIC_URL, assert_problem


async def test_who_is_invited_signs_in_and_is_known_from_then_on(house: House, issuer: Issuer) -> None:
    mandate = await house.api.mandate("Helvetia Treuhand AG")
    token = await house.invited(mandate, "anna@example.com", "finance")
    issuer.profile = {"name": "Anna Muster", "email": "somewhere@else.example", "email_verified": True}
    browser = house.browser()
    arrived = await browser.sign_in(token=token)
    assert (arrived.status_code, arrived.headers["location"]) == (303, "/")

    session = await browser.session()
    assert session["person"]["displayName"] == "Anna Muster"
    assert session["person"]["email"] == "anna@example.com"
    assert not session["operator"]
    assert [(each["name"], each["role"]) for each in session["mandates"]] == [("Helvetia Treuhand AG", "finance")]
    assert (await browser.get(f"{mandate}/balance")).status_code == 200
    assert_problem(await browser.get(f"{mandate}/users"), 403, "forbidden")
    assert_problem(await browser.get("/api/mandates"), 403, "forbidden")

    again = house.browser()
    back = await again.sign_in()
    assert (back.status_code, back.headers["location"]) == (303, "/billing")
    assert (await again.session())["person"]["identityId"] == session["person"]["identityId"]


async def test_one_identity_is_somebody_else_in_each_mandate(house: House) -> None:
    one, two, three = [await house.api.mandate(name) for name in ("One", "Two", "Three")]
    browser = house.browser()
    await browser.sign_in(token=await house.invited(one, "anna@one.example", "owner"))
    await browser.sign_in(token=await house.invited(two, "anna@two.example", "member"))
    session = await browser.session()
    assert [(each["name"], each["role"]) for each in session["mandates"]] == [("One", "owner"), ("Two", "member")]
    assert (await browser.get(f"{one}/users")).status_code == 200
    assert_problem(await browser.get(f"{two}/users"), 403, "forbidden")
    assert_problem(await browser.get(f"{three}/users"), 404, "not_found")
    assert_problem(await browser.get("/api/mandates/nonsense/users"), 404, "not_found")
    made = await browser.change("POST", f"{one}/keys", {"kind": "admin", "name": "mine"})
    assert made.status_code == 201, made.text
    assert made.json()["createdBy"] == f"user:{session['mandates'][0]['userId']}"


async def test_nothing_of_the_exchange_is_kept(house: House, issuer: Issuer) -> None:
    mandate = await house.api.mandate()
    browser = house.browser()
    token = await house.invited(mandate, "anna@example.com")
    await browser.sign_in(token=token)
    departure = await house.browser().get("/auth/start/test")
    begun = {name: values[0] for name, values in parse_qs(urlsplit(departure.headers["location"]).query).items()}
    assert begun["code_challenge_method"] == "S256"
    kept = await house.everything()
    assert issuer.subject in kept
    opening = [*issuer.tokens, token, begun["state"], begun["nonce"], browser.cookie]
    assert [text for text in opening if text is None or text in kept] == []
    assert len(issuer.tokens) == 3


async def test_a_stranger_stays_outside_and_unknown(house: House, issuer: Issuer) -> None:
    mandate, _ = await house.mandate_with("One", "anna@example.com")
    issuer.profile = {"email": "anna@example.com", "email_verified": True}
    browser = house.browser()
    refused = await browser.sign_in()
    assert refused.status_code == 403
    assert "belong to no mandate" in refused.text
    assert browser.cookie is None
    assert_problem(await browser.get("/api/session"), 401, "unauthorized")
    assert_problem(await browser.get(mandate), 401, "unauthorized")
    assert issuer.subject not in await house.everything()


async def test_a_verified_address_links_only_where_the_setting_says_so(database: Database, issuer: Issuer) -> None:
    async with running_house(database, [provider_of(issuer, link_by_email=True)]) as house:
        _, user_id = await house.mandate_with("One", "Anna@example.com")
        issuer.profile = {"email": "anna@example.com"}
        assert (await house.browser().sign_in()).status_code == 403
        issuer.profile["email_verified"] = "true"
        assert (await house.browser().sign_in()).status_code == 403
        issuer.profile["email_verified"] = True
        browser = house.browser()
        assert (await browser.sign_in()).status_code == 303
        assert [each["userId"] for each in (await browser.session())["mandates"]] == [user_id]
        # The user is somebody's now: the same address with another subject is another person.
        issuer.subject = "somebody-else"
        assert (await house.browser().sign_in()).status_code == 403
        # And the person stays who they are when the address changes hands.
        issuer.subject, issuer.profile = "anna-at-the-issuer", {}
        assert (await house.browser().sign_in()).status_code == 303


async def test_an_operator_by_the_settings_and_no_longer(database: Database, issuer: Issuer) -> None:
    provider = provider_of(issuer, operators=frozenset({"anna-at-the-issuer"}))
    async with running_house(database, [provider]) as house:
        mandate = await house.api.mandate()
        browser = house.browser()
        assert (await browser.sign_in()).status_code == 303
        assert (await browser.session())["operator"]
        assert (await browser.get("/api/mandates")).status_code == 200
        made = await browser.change("POST", f"{mandate}/keys", {"kind": "admin", "name": "mine"})
        assert made.json()["createdBy"].startswith("identity:")
        cookies = browser.http.cookies
    async with running_house(database, [replace(provider, operators=frozenset())]) as house:
        browser = house.browser()
        browser.http.cookies = cookies
        # Nobody in any mandate: forgotten, and signed out with it.
        assert_problem(await browser.get("/api/session"), 401, "unauthorized")
        assert_problem(await browser.get("/api/mandates"), 401, "unauthorized")
        assert (await house.browser().sign_in()).status_code == 403


async def test_the_first_operator_signs_in_by_the_printed_link(house: House) -> None:
    token = await house.printed()
    page = await house.browser().get("/auth/link", params={"token": token})
    assert "operator of this installation" in page.text
    assert "Continue with Test &amp; Co" in page.text
    browser = house.browser()
    assert (await browser.sign_in(token=token)).status_code == 303
    assert (await browser.session())["operator"]
    providers = house.sign_in.providers
    link = await first_link(house.database, house.sign_in.secrets, providers=providers, public_url=PUBLIC_URL)
    assert link is None
    assert (await house.browser().sign_in(token=token)).status_code == 410


async def test_each_tenant_is_an_issuer_of_its_own(database: Database) -> None:
    """As Microsoft's shared endpoints are: the issuer's name holds the token's own tenant."""
    tenant, other = "11111111-2222-3333-4444-555555555555", "99999999-2222-3333-4444-555555555555"
    async with running_issuer(templated=True) as issuer:
        provider = replace(provider_of(issuer), issuer=None, tenants=frozenset({tenant}), operators=frozenset({"anna"}))
        async with running_house(database, [provider]) as house:
            issuer.subject = "anna"
            cases = [
                ({"tid": tenant, "iss": f"{issuer.base}/{tenant}/v2.0"}, 303),
                ({"tid": other, "iss": f"{issuer.base}/{other}/v2.0"}, 403),
                ({"tid": tenant, "iss": f"{issuer.base}/{other}/v2.0"}, 403),
                ({"tid": tenant, "iss": issuer.issuer}, 403),
                ({"tid": "x", "iss": f"{issuer.base}/x/v2.0"}, 403),
                ({"iss": f"{issuer.base}/{tenant}/v2.0"}, 403),
            ]
            for claims, status in cases:
                issuer.claims = claims
                assert (await house.browser().sign_in()).status_code == status, claims
            # A key that is one tenant's signs for no other.
            issuer.claims = cases[0][0]
            key = dict(issuer.keys[0].as_dict(private=False))
            for of, status in ((tenant, 303), (other, 403), ("{tenantid}", 303)):
                issuer.rotate()
                key = dict(issuer.keys[0].as_dict(private=False))
                issuer.published = [{**key, "issuer": f"{issuer.base}/{of}/v2.0"}]
                assert (await house.browser().sign_in()).status_code == status, of
