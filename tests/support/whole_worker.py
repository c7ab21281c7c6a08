"""One whole worker in this process, on a port of its own: everything that `bursar serve` composes but its processes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx

from bursar.app import Worker, running_parts
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.settings import Settings
from bursar.identity.sign_in import members, sessions
from bursar.identity.sign_in.tokens import csrf_token
from tests.gateway.world import served
from tests.support.management import ROOT_KEY


@dataclass
class WholeWorker:
    worker: Worker
    url: str
    http: httpx.AsyncClient
    """With the root key."""

    async def made(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        answer = await self.http.post(path, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def mandate(self, name: str = "Helvetia Treuhand AG", **fields: Any) -> str:
        """A new mandate's path."""
        return f"/api/mandates/{(await self.made('/api/mandates', {'name': name, **fields}))['id']}"

    async def user(self, mandate: str, name: str, role: str = "member") -> UUID:
        body = {"email": f"{name}@example.com", "displayName": name.capitalize(), "role": role}
        return UUID((await self.made(f"{mandate}/users", body))["id"])

    async def top_up(self, mandate: str, amount: str, user_id: UUID | None = None) -> dict[str, Any]:
        body = {"amount": amount, **({"userId": str(user_id)} if user_id else {})}
        return await self.made(f"{mandate}/top-ups", body, **{"Idempotency-Key": str(uuid4())})

    async def signed_in(self, email: str) -> httpx.AsyncClient:
        """A browser's cookies and its CSRF token, for the user with this address."""
        async with self.worker.database.as_operator() as connection:
            identity_id = await members.seen_identity(
                connection, members.MAILBOX_ISSUER, members.mailbox_subject(email), None
            )
            await members.link_by_email(connection, identity_id, email, linked_by="mailbox")
            text = await sessions.new_session(connection, identity_id, "mailbox", None)
        return httpx.AsyncClient(
            base_url=self.url, cookies={"bursar_session": text}, headers={"x-csrf-token": csrf_token(text)}
        )


@asynccontextmanager
async def running_worker(settings: Settings, addresses: DatabaseAddresses) -> AsyncIterator[WholeWorker]:
    """`settings` should have `root_key` as `ROOT_KEY`, and a `public_url` of http."""
    async with (
        running_parts(settings, addresses) as worker,
        served(worker.app) as url,
        httpx.AsyncClient(base_url=url, headers=_root(), timeout=30) as http,
    ):
        try:
            yield WholeWorker(worker, url, http)
        finally:
            worker.live.end_all()


def _root() -> Mapping[str, str]:
    return {"authorization": f"Bearer {ROOT_KEY}"}
