"""The management API with sign-in, in process, and browsers that come to it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import orjson

from bursar.foundation.database import Database
from bursar.identity.sign_in.desk import SignIn, first_link
from bursar.identity.sign_in.providers import Provider
from tests.identity.sign_in.issuer_host import CLIENT_ID, CLIENT_SECRET, Issuer, path_of
from tests.support.management import PUBLIC_URL, SECRETS, Api, running_api


def provider_of(issuer: Issuer, **changes: Any) -> Provider:
    provider = Provider(
        name="test",
        title="Test & Co",
        discovery_url=f"{issuer.base}/.well-known/openid-configuration",
        issuer=issuer.issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        insecure_loopback=True,
    )
    return replace(provider, **changes)


@dataclass
class Browser:
    """Keeps cookies, follows the way to an issuer and back, sends a CSRF token with changes once it is signed in."""

    http: httpx.AsyncClient
    csrf: str | None = None

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.http.get(path, **more)

    async def change(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        sent = {"origin": PUBLIC_URL, **({"x-csrf-token": self.csrf} if self.csrf else {}), **(headers or {})}
        content = None if body is None else orjson.dumps(body)
        if content is not None:
            sent["content-type"] = "application/json"
        return await self.http.request(method, path, content=content, headers=sent)

    async def submit(self, path: str, form: Mapping[str, str], **headers: str) -> httpx.Response:
        """As a form of a page is sent."""
        return await self.http.post(path, data=form, headers={"origin": PUBLIC_URL, **headers})

    async def to_issuer(self, departure: httpx.Response) -> httpx.Response:
        """From our redirect to the issuer's, which leads back: that one is returned, not followed."""
        assert departure.status_code == 303, departure.text
        async with httpx.AsyncClient(trust_env=False) as outside:
            return await outside.get(departure.headers["location"])

    async def back(self, answer: httpx.Response) -> httpx.Response:
        assert answer.status_code == 302, answer.text
        return await self.get(path_of(answer.headers["location"]))

    async def sign_in(self, provider: str = "test", *, token: str | None = None) -> httpx.Response:
        """The whole way; the answer is what the browser gets when it comes back."""
        if token is None:
            departure = await self.get(f"/auth/start/{provider}?returnTo=/billing")
        else:
            departure = await self.submit(f"/auth/start/{provider}", {"token": token})
        return await self.back(await self.to_issuer(departure))

    async def session(self) -> dict[str, Any]:
        answer = await self.get("/api/session")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        self.csrf = found["csrfToken"]
        return found

    @property
    def cookie(self) -> str | None:
        return self.http.cookies.get("__Host-bursar_session")


@dataclass
class House:
    api: Api
    sign_in: SignIn
    opened: list[httpx.AsyncClient] = field(default_factory=list)

    @property
    def database(self) -> Database:
        return self.api.database

    def browser(self) -> Browser:
        transport = httpx.ASGITransport(self.api.app, raise_app_exceptions=False)
        http = httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL)
        self.opened.append(http)
        return Browser(http)

    async def mandate_with(self, name: str, email: str, role: str = "owner") -> tuple[str, str]:
        """A mandate's path and its user."""
        mandate = await self.api.mandate(name)
        return mandate, await self.api.user(mandate, email.split("@")[0], email=email, role=role)

    async def invited(self, mandate: str, email: str, role: str = "member") -> str:
        """The token that is on its way to the address."""
        await self.api.made(f"{mandate}/invitations", {"email": email, "role": role})
        return (await self.mailed())[-1]

    async def mailed(self) -> list[str]:
        """The tokens in all mails that wait, oldest first."""
        async with self.database.as_operator() as connection:
            rows = await connection.fetch(
                "SELECT sealed FROM sign_in_mail WHERE state = 'QUEUED' ORDER BY created_at, mail_id"
            )
        urls = [orjson.loads(SECRETS.decrypt(row["sealed"]))["values"]["url"] for row in rows]
        return [token_of(url) for url in urls]

    async def printed(self) -> str:
        """The token of the link that `bursar serve` prints."""
        url = await first_link(self.database, SECRETS, providers=self.sign_in.providers, public_url=PUBLIC_URL)
        assert url is not None
        return token_of(url)

    def forget_documents(self) -> None:
        """As after an hour: the issuers' documents and keys are fetched again."""
        for exchange in self.sign_in._exchanges.values():
            exchange.issuer._metadata = exchange.issuer._keys = None

    async def execute(self, statement: str, *values: Any) -> None:
        """As the tables' application, across mandates."""
        async with self.database.as_operator() as connection:
            await connection.execute(statement, *values)

    async def everything(self) -> str:
        """All that the sign-in's tables hold, as text."""
        tables = ("identity", "platform_operator", "membership", "sign_in_session", "sign_in_attempt", "invitation")
        more = ("sign_in_rate", "one_time_link", "sign_in_mail", "app_user")
        async with self.database.as_operator() as connection:
            rows = [
                await connection.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")  # noqa: S608
                for table in (*tables, *more)
            ]
        return " ".join(filter(None, rows))


def token_of(url: str) -> str:
    match = re.fullmatch(rf"{PUBLIC_URL}/auth/link\?token=(\S+)", url)
    assert match is not None
    return match[1]


@asynccontextmanager
async def running_house(database: Database, providers: Sequence[Provider]) -> AsyncIterator[House]:
    async with running_api(database, providers=providers, base_url=PUBLIC_URL) as api:
        assert api.wiring.sign_in is not None
        house = House(api, api.wiring.sign_in)
        try:
            yield house
        finally:
            for opened in house.opened:
                await opened.aclose()
