"""What an issuer, or somebody between it and us, may try: all of it refused, and nobody signed in."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from joserfc.jwk import OctKey

from bursar.foundation.database import Database
from tests.identity.sign_in.house import House, provider_of, running_house
from tests.identity.sign_in.issuer_host import (
    CLIENT_ID,
    CLIENT_SECRET,
    Issuer,
    a_key,
    running_issuer,
    signed_by,
    signed_with_text,
    unsigned,
)

Lie = Callable[[Issuer], None]


def says(**claims: Any) -> Lie:
    def lie(issuer: Issuer) -> None:
        issuer.claims = claims

    return lie


def signs(sign: Callable[[dict[str, Any], dict[str, Any]], str]) -> Lie:
    def lie(issuer: Issuer) -> None:
        issuer.sign = sign

    return lie


def announces(**metadata: Any) -> Lie:
    def lie(issuer: Issuer) -> None:
        issuer.metadata = metadata

    return lie


def answers_as(iss: str) -> Lie:
    def lie(issuer: Issuer) -> None:
        issuer.iss_parameter = iss

    return lie


def publishes_a_secret(issuer: Issuer) -> None:
    """A shared secret among the public keys, and a token signed by it."""
    key = OctKey.import_key("a-secret-that-everybody-can-read-0123", {"kid": str(issuer.keys[0].kid)})
    issuer.published = [dict(key.as_dict(private=True))]
    issuer.sign = signed_by(key, "HS256")


def signs_with_the_public_key(issuer: Issuer) -> None:
    """The old trick: the public key's text as the secret of an HMAC."""
    issuer.sign = signed_with_text(issuer.keys[0].as_pem(private=False))


def takes_any_code_for_another(issuer: Issuer) -> None:
    issuer.claims = {"at_hash": "bm90LXRoZS1oYXNoLWF0"}


NOW = int(time.time())
LIES: dict[str, Lie] = {
    "no signature": signs(unsigned),
    "a stranger's signature": signs(lambda header, claims: signed_by(a_key(99))(header, claims)),
    "signed with the client's secret": signs(signed_with_text(CLIENT_SECRET.encode())),
    "signed with the public key": signs_with_the_public_key,
    "a published secret": publishes_a_secret,
    "for another audience": says(aud="somebody-else"),
    "for others, too": says(aud=[CLIENT_ID, "somebody-else"], azp=CLIENT_ID),
    "no audience": says(aud=None),
    "for another party": says(azp="somebody-else"),
    "expired": says(exp=NOW - 120),
    "no expiry": says(exp=None),
    "expiry is no number": says(exp="tomorrow"),
    "from the future": says(iat=NOW + 600),
    "no issue time": says(iat=None),
    "not valid yet": says(nbf=NOW + 600),
    "another nonce": says(nonce="another-nonce-than-the-one-we-sent"),
    "no nonce": says(nonce=None),
    "another issuer": says(iss="https://accounts.google.com"),
    "almost the issuer": lambda issuer: says(iss=issuer.issuer + "/")(issuer),
    "no issuer": says(iss=None),
    "no subject": says(sub=None),
    "an empty subject": says(sub=""),
    "a subject without end": says(sub="x" * 256),
    "a subject that is no text": says(sub=["anna"]),
    "another access token": takes_any_code_for_another,
    "speaks for another issuer": announces(issuer="https://accounts.google.com"),
    "signs by shared secrets only": announces(id_token_signing_alg_values_supported=["none", "HS256"]),
    "an endpoint without TLS": announces(token_endpoint="http://evil.example/token"),
    "keys from elsewhere without TLS": announces(jwks_uri="http://evil.example/jwks"),
    "answers as another issuer": answers_as("https://accounts.google.com"),
    "promises to name itself": announces(authorization_response_iss_parameter_supported=True),
}
UNUSABLE = {
    "speaks for another issuer",
    "signs by shared secrets only",
    "an endpoint without TLS",
    "keys from elsewhere without TLS",
}
"""Not a refusal of somebody, but of the issuer: 503."""


@pytest.fixture
async def known(database: Database, issuer: Issuer) -> Any:
    """A house in which the issuer's subject is an operator: whoever proves to be that gets in."""
    async with running_house(database, [provider_of(issuer, operators=frozenset({issuer.subject}))]) as house:
        yield house


async def test_lies_are_refused_and_the_truth_is_not(known: House, issuer: Issuer) -> None:
    """All in one house, so that what an honest sign-in leaves behind (keys, documents) is there as well."""
    assert (await known.browser().sign_in()).status_code == 303
    honest = issuer.keys[0]
    wrong = []
    for name, lie in LIES.items():
        issuer.claims, issuer.metadata, issuer.sign, issuer.published = {}, {}, None, None
        issuer.iss_parameter = None
        issuer.keys = [honest]
        lie(issuer)
        known.forget_documents()
        await known.execute("DELETE FROM sign_in_rate")
        browser = known.browser()
        departure = await browser.get("/auth/start/test")
        answer = departure
        if departure.status_code == 303:
            answer = await browser.back(await browser.to_issuer(departure))
        if answer.status_code != (503 if name in UNUSABLE else 403) or browser.cookie is not None:
            wrong.append((name, answer.status_code))
    assert wrong == []
    issuer.claims, issuer.metadata, issuer.published, issuer.sign = {}, {}, None, None
    issuer.iss_parameter = issuer.issuer
    known.forget_documents()
    assert (await known.browser().sign_in()).status_code == 303


async def test_a_little_difference_of_clocks_is_nothing(known: House, issuer: Issuer) -> None:
    for claim, seconds in (("exp", -20), ("iat", 20), ("nbf", 20)):
        issuer.claims = {claim: int(time.time()) + seconds}
        assert (await known.browser().sign_in()).status_code == 303, claim


async def test_new_keys_are_asked_for_and_old_ones_are_over(known: House, issuer: Issuer) -> None:
    assert (await known.browser().sign_in()).status_code == 303
    before = list(issuer.fetched)
    assert (await known.browser().sign_in()).status_code == 303
    assert issuer.fetched == before, "documents are remembered"
    old = issuer.keys[0]
    issuer.rotate()
    assert (await known.browser().sign_in()).status_code == 303
    assert issuer.fetched == [*before, "jwks"]
    issuer.sign = lambda header, claims: signed_by(old)({**header, "kid": old.kid}, claims)
    assert (await known.browser().sign_in()).status_code == 403


async def test_a_code_without_its_verifier_is_worth_nothing(known: House, issuer: Issuer) -> None:
    """Somebody has caught a code and gives it to their own sign-in: state and nonce are theirs, the verifier is not."""
    victim, thief = known.browser(), known.browser()
    caught = await victim.to_issuer(await victim.get("/auth/start/test"))
    code = parse_qs(urlsplit(caught.headers["location"]).query)["code"][0]
    own = await thief.to_issuer(await thief.get("/auth/start/test"))
    state = parse_qs(urlsplit(own.headers["location"]).query)["state"][0]
    stolen = await thief.get(f"/auth/callback/test?{urlencode({'code': code, 'state': state})}")
    assert stolen.status_code == 403
    assert thief.cookie is None


async def test_an_issuer_that_got_no_challenge_gives_nothing(known: House, issuer: Issuer) -> None:
    """The issuer of these tests insists on PKCE: without the challenge, the flow does not end in a session."""
    browser = known.browser()
    departure = await browser.get("/auth/start/test")
    parts = urlsplit(departure.headers["location"])
    asked = {name: values[0] for name, values in parse_qs(parts.query).items() if not name.startswith("code_chall")}
    async with httpx.AsyncClient(trust_env=False) as outside:
        answer = await outside.get(f"{issuer.base}/authorize?{urlencode(asked)}")
    assert (await browser.back(answer)).status_code == 403


async def test_a_state_is_good_once_for_its_own_browser(known: House, issuer: Issuer) -> None:
    browser = known.browser()
    answer = await browser.to_issuer(await browser.get("/auth/start/test"))
    nobody, stranger = known.browser(), known.browser()
    assert (await nobody.back(answer)).status_code == 400, "a browser that never began"
    await stranger.get("/auth/start/test")
    assert (await stranger.back(answer)).status_code == 400, "a browser that began something else"
    # It was taken up by the wrong browser: it is over for the right one as well.
    assert (await browser.back(answer)).status_code == 400

    answer = await browser.to_issuer(await browser.get("/auth/start/test"))
    assert (await browser.back(answer)).status_code == 303
    assert (await browser.back(answer)).status_code == 400

    await known.execute("DELETE FROM sign_in_attempt")
    answer = await browser.to_issuer(await browser.get("/auth/start/test"))
    await _age_attempts(known)
    assert (await browser.back(answer)).status_code == 400
    for query in ("", "?state=x&code=y", "?code=y", f"?state={'A' * 43}&code=y", "?state=a&state=b"):
        assert (await browser.get(f"/auth/callback/test{query}")).status_code == 400
    assert (await browser.get("/auth/callback/nobody?state=x&code=y")).status_code == 404


async def _age_attempts(house: House) -> None:
    """Attempts cannot be changed by the application: they are written anew, as of a while ago."""
    async with house.database.as_operator() as connection:
        row = await connection.fetchrow("DELETE FROM sign_in_attempt RETURNING *")
        assert row is not None
        await connection.execute(
            "INSERT INTO sign_in_attempt VALUES ($1, $2, $3, $4, now() - interval '1 second')",
            row["state_hash"], row["browser_hash"], row["provider"], row["sealed"],
        )  # fmt: skip


async def test_an_answer_for_one_issuer_is_none_for_another(database: Database, issuer: Issuer) -> None:
    """The mix-up: begun with the honest one, and brought back as if the other had answered."""
    async with running_issuer() as other:
        providers = [
            provider_of(issuer, operators=frozenset({issuer.subject})),
            provider_of(other, name="other", operators=frozenset({issuer.subject})),
        ]
        async with running_house(database, providers) as house:
            browser = house.browser()
            answer = await browser.to_issuer(await browser.get("/auth/start/test"))
            query = urlsplit(answer.headers["location"]).query
            assert (await browser.get(f"/auth/callback/other?{query}")).status_code == 400
            assert other.fetched == []
            # The same subject at another issuer is another identity.
            assert (await browser.sign_in("test")).status_code == 303
            first = (await browser.session())["person"]["identityId"]
            second = house.browser()
            assert (await second.sign_in("other")).status_code == 303
            assert (await second.session())["person"]["identityId"] != first


async def test_an_issuer_that_is_away_says_so_and_keeps_nobody_out_for_good(known: House, issuer: Issuer) -> None:
    issuer.metadata = {"jwks_uri": f"{issuer.base}/nowhere"}
    assert (await known.browser().sign_in()).status_code == 503
    issuer.metadata = {}
    known.forget_documents()
    assert (await known.browser().sign_in()).status_code == 303


async def test_somebody_who_says_no_there_is_told_so_here(known: House) -> None:
    browser = known.browser()
    departure = await browser.get("/auth/start/test")
    state = parse_qs(urlsplit(departure.headers["location"]).query)["state"][0]
    answer = await browser.get(f"/auth/callback/test?error=access_denied&error_description=<b>x&state={state}")
    assert answer.status_code == 403
    assert "did not sign you in" in answer.text
    assert "<b>" not in answer.text


WAYS_BACK = {
    "/billing?mandate=1": "/billing?mandate=1",
    "//evil.example": "/",
    "https://evil.example": "/",
    "/\\evil.example": "/",
    "/a\r\nx: y": "/",
    "": "/",
    "/" + "x" * 600: "/",
}


async def test_the_way_back_stays_within_the_house(known: House) -> None:
    browser = known.browser()
    for given, expected in WAYS_BACK.items():
        departure = await browser.get("/auth/start/test", params={"returnTo": given})
        back = await browser.back(await browser.to_issuer(departure))
        assert back.headers["location"] == expected, given
