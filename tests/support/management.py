"""The management API over a real database and a real ledger, in process."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI

from bursar.app import management_api
from bursar.foundation.database import Database
from bursar.foundation.secrets import Secrets
from bursar.foundation.settings import load_settings
from bursar.gateway.health import UpstreamHealth
from bursar.gateway.routes_operator import Serving
from bursar.gateway.wiring import Configuration
from bursar.identity.authenticator import Authenticator
from bursar.identity.sign_in import members, sessions
from bursar.identity.sign_in.browser import Cookies
from bursar.identity.sign_in.desk import SignIn
from bursar.identity.sign_in.providers import Provider
from bursar.identity.sign_in.tokens import csrf_token
from bursar.identity.wiring import Wiring
from bursar.ledger.engine import Ledger
from bursar.notices.live.hub import LiveHub
from bursar.notices.rider import NoticeRider

ROOT_KEY = "the-root-key-of-the-tests"
PUBLIC_URL = "https://bursar.example"
SECRETS = Secrets(["a-secret-key-for-tests-only-0123456789"])


Headers = dict[str, str]


@dataclass
class Api:
    """Sends requests as whoever's key is given; the root key unless told otherwise."""

    http: httpx.AsyncClient
    app: FastAPI
    wiring: Wiring
    ledger: Ledger
    database: Database
    keys: dict[str, str] = field(default_factory=lambda: {"root": ROOT_KEY})

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str | None = ROOT_KEY,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> httpx.Response:
        sent = {} if key is None else {"Authorization": f"Bearer {key}"}
        if body is not None:
            more["json"] = body
        return await self.http.request(method, path, headers={**sent, **(headers or {})}, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.call("POST", path, body, **more)

    async def made(self, path: str, body: Any, **more: Any) -> dict[str, Any]:
        """A POST that must succeed."""
        answer = await self.post(path, body, **more)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    # --- common things -----------------------------------------------------------------------------------------------

    async def mandate(self, name: str = "Helvetia Treuhand AG", **fields: Any) -> str:
        """A new mandate's path, `/api/mandates/…`."""
        made = await self.made("/api/mandates", {"name": name, **fields})
        return f"/api/mandates/{made['id']}"

    async def user(self, mandate: str, name: str = "anna", **fields: Any) -> str:
        body = {"email": f"{name}@example.com", "displayName": name.capitalize(), "externalId": name, **fields}
        return str((await self.made(f"{mandate}/users", body))["id"])

    async def key(self, mandate: str, kind: str = "admin", user_id: str | None = None) -> str:
        body = {"kind": kind, "name": f"{kind} key"} | ({"userId": user_id} if user_id else {})
        return str((await self.made(f"{mandate}/keys", body))["key"])

    async def person_key(self, mandate: str, role: str, name: str | None = None) -> tuple[str, str]:
        """A user of that role, and an admin key by which they manage what they may."""
        user_id = await self.user(mandate, name or role, role=role)
        return user_id, await self.key(mandate, "admin", user_id)

    async def top_up(self, mandate: str, amount: str, user_id: str | None = None) -> dict[str, Any]:
        body = {"amount": amount, "reference": "by transfer"} | ({"userId": user_id} if user_id else {})
        return await self.made(f"{mandate}/top-ups", body, headers={"Idempotency-Key": str(uuid4())})

    async def signed_in(
        self, mandate: str | None = None, user_id: str | None = None, *, operates: bool = False
    ) -> Headers:
        """A new session, as the headers that its browser sends with a change; of a user, of an operator, or of both."""
        async with self.database.as_operator() as connection:
            subject = user_id or "operator"
            identity_id = await members.seen_identity(connection, "https://issuer.example", subject, None)
            if mandate is not None and user_id is not None:
                await connection.execute(
                    "INSERT INTO membership (mandate_id, user_id, identity_id, linked_by)"
                    " VALUES ($1, $2, $3, 'invitation') ON CONFLICT DO NOTHING",
                    mandate_id_of(mandate), UUID(user_id), identity_id,
                )  # fmt: skip
            if operates:
                await members.make_operator(connection, identity_id, granted_by="link")
            text = await sessions.new_session(connection, identity_id, "test", None)
        return {"Cookie": f"{Cookies(PUBLIC_URL).session}={text}", "x-csrf-token": csrf_token(text)}

    async def balance(self, mandate: str, payer: str = "pool") -> dict[str, Any]:
        accounts = (await self.get(f"{mandate}/balance")).json()["accounts"]
        return next(account for account in accounts if account["payer"] == payer)


@dataclass
class Idle:
    """A gateway that is set to nothing."""

    configuration: Configuration = field(default_factory=lambda: Configuration.from_settings(load_settings({})))
    health: UpstreamHealth = field(default_factory=lambda: UpstreamHealth(time.monotonic))


@asynccontextmanager
async def running_api(
    database: Database,
    *,
    providers: Sequence[Provider] = (),
    rider: NoticeRider | None = None,
    base_url: str = "http://bursar.test",
    serving: Serving | None = None,
    **more: Any,
) -> AsyncIterator[Api]:
    """The management API of all rooms, as it is composed for a worker, in process."""
    ledger = Ledger(database.engine_pool, rider=rider)
    await ledger.start()
    authenticator = Authenticator(database, root_key=ROOT_KEY)
    sign_in = SignIn(database, SECRETS, public_url=PUBLIC_URL, providers=providers)
    await sign_in.start()
    wiring = Wiring(
        database=database, authenticator=authenticator, ledger=ledger, public_url=PUBLIC_URL, sign_in=sign_in, **more
    )
    app = management_api(wiring, SECRETS, LiveHub(database, authenticator), serving or Idle())
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=base_url) as http:
            yield Api(http, app, wiring, ledger, database)
    finally:
        await sign_in.aclose()
        await authenticator.stop()
        await ledger.stop()


def mandate_id_of(path: str) -> UUID:
    return UUID(path.rsplit("/", 1)[1])


def assert_problem(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    """The answer is this problem, in the shape of RFC 9457."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == status
    assert problem["code"] == code
    assert problem["title"]
    assert problem["detail"]
    assert problem.get("field") == field
    return problem
