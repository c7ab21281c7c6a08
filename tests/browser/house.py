"""The server that browsers open: `bursar serve` with its messenger on a real PostgreSQL, and people with sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar
from uuid import uuid4

import httpx

from bursar.foundation.addresses import DatabaseAddresses
from tests.support.browser_session import new_link, new_operator_session, new_session
from tests.support.cluster import PostgresCluster
from tests.support.demo_upstream import shared_demo_upstream
from tests.support.serving import SECRET_KEY, serving
from tests.workspace.world import Mandate, Worker, new_mandate, write_config

ROOT_KEY = "burroot_browser_0123456789abcdef0123456789abcdef01234"
Language = Literal["de", "en", "fr", "it"]
Role = Literal["owner", "finance", "member"]
T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """To its end, in a thread of its own: Playwright's loop runs in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


@dataclass(frozen=True)
class Somebody:
    """A user of a mandate, or an operator, who has signed in: `session` is the cookie's value."""

    name: str
    email: str | None
    session: str
    language: Language
    mandate: Mandate | None = None
    user_id: str | None = None


@dataclass(frozen=True)
class House:
    """`root` asks the API with the root key; mails lie in the maildir `mails`."""

    url: str
    root: httpx.Client
    addresses: DatabaseAddresses
    mails: Path

    def mandate(self, pool: str = "1.00", **fields: Any) -> Mandate:
        """A new mandate with that much in its pool: `top_up`, `change` (billing settings), `charges`, `spent`."""
        return new_mandate(Worker(self.url, self.root), pool, **fields)

    def somebody(
        self,
        role: Role = "owner",
        *,
        mandate: Mandate | None = None,
        language: Language = "en",
        name: str = "Anna Muster",
    ) -> Somebody:
        """A new user, in a new mandate unless one is given, with a session."""
        mandate = mandate or self.mandate()
        email = f"{role}-{uuid4().hex[:8]}@werkstatt.example"
        body = {"email": email, "displayName": name, "role": role, "language": language}
        user_id = mandate.made("users", body)["id"]
        session = run(new_session(self.addresses, email))
        return Somebody(name, email, session, language, mandate, user_id)

    def operator(self, language: Language = "en") -> Somebody:
        return Somebody("operator", None, run(new_operator_session(self.addresses)), language)

    def sign_in_link(self, email: str | None) -> str:
        """The address of a one-time link as it is mailed to `email`, or printed for the operator (`None`)."""
        return f"{self.url}/auth/link?token={run(new_link(self.addresses, email))}"


@contextmanager
def running_house(
    cluster: PostgresCluster, directory: Path, settings: Mapping[str, str] | None = None
) -> Iterator[House]:
    """`settings` of the environment go before the usual ones."""
    name, addresses = cluster.create_database()
    mails = directory / "mails"
    environ = {
        "BURSAR_DATABASE_URL": addresses.owner.dsn,
        "BURSAR_SECRET_KEY": SECRET_KEY,
        "BURSAR_ROOT_KEY": ROOT_KEY,
        "BURSAR_DATA_DIR": str(directory / "data"),
        "BURSAR_MAIL_URL": f"maildir:{mails}",
        **(settings or {}),
    }
    with shared_demo_upstream(faults=True) as upstream:
        config = write_config(directory / "bursar.toml", upstream)
        with (
            serving("--config", str(config), environ=environ) as served,
            httpx.Client(base_url=served.url, headers={"authorization": f"Bearer {ROOT_KEY}"}, timeout=60) as root,
        ):
            yield House(served.url, root, addresses, mails)
    cluster.drop_database(name)
