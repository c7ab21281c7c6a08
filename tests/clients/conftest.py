"""One running `bursar serve` for every client, behind a wire that counts requests; a new mandate for each test."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.clients import node_clients, python_clients
from tests.clients.counting import CountingWire, counting_wire
from tests.clients.facts import Facts, Task
from tests.support.cluster import PostgresCluster
from tests.support.serving import SECRET_KEY, serving

ROOT_KEY = "burroot_official_clients_0123456789abcdef0123456789abcdef"


@dataclass(frozen=True, slots=True)
class Tenant:
    """A mandate, its owner, and the owner's key."""

    mandate_id: str
    key: str
    http: httpx.Client

    def charges(self, count: int) -> list[dict[str, Any]]:
        """What was charged, oldest first, once there are `count` charges and nothing is held: a call is settled after
        its last byte."""
        deadline = time.monotonic() + 20
        while True:
            journal = self._get("transfers")["transfers"]
            charges = [row for row in reversed(journal) if row["kind"] == "CHARGE"]
            (pool, *_) = self._get("balance")["accounts"]
            if (len(charges) >= count and Decimal(pool["held"]) == 0) or time.monotonic() > deadline:
                assert len(charges) == count
                assert Decimal(pool["held"]) == 0
                assert Decimal(pool["posted"]) >= 0
                return charges
            time.sleep(0.02)

    def _get(self, what: str) -> Any:
        return self.http.get(f"/api/mandates/{self.mandate_id}/{what}").raise_for_status().json()


@dataclass(frozen=True, slots=True)
class Installation:
    wire: CountingWire
    http: httpx.Client
    """To the management API, with the root key, not by the wire."""

    def tenant(self, pool: str | None) -> Tenant:
        mandate = self._made("/api/mandates", {"name": "Kunden AG", "language": "en"})["id"]
        if pool is not None:
            self._made(f"/api/mandates/{mandate}/top-ups", {"amount": pool}, {"Idempotency-Key": "first"})
        person = {"email": "anna@kunden.example", "displayName": "Anna", "role": "owner", "language": "en"}
        user_id = self._made(f"/api/mandates/{mandate}/users", person)["id"]
        key = self._made(f"/api/mandates/{mandate}/keys", {"kind": "user", "userId": user_id, "name": "laptop"})["key"]
        return Tenant(mandate, key, self.http)

    def _made(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
        return self.http.post(path, json=body, headers=headers).raise_for_status().json()


@dataclass(frozen=True, slots=True)
class Driver:
    """Lets one client do a task."""

    name: str
    node: node_clients.NodeProcess | None
    loop: asyncio.Runner

    def __call__(self, operation: str, url: str, key: str, prompt: str) -> Facts:
        task = Task(operation, url, key, prompt)
        language, _, name = self.name.partition(": ")
        if language == "node":
            assert self.node is not None
            return self.node.run(node_clients.NODE_CLIENTS[name], task)
        return self.loop.run(python_clients.run(python_clients.PYTHON_CLIENTS[name], task))


@pytest.fixture(scope="session")
def installation(cluster: PostgresCluster) -> Iterator[Installation]:
    name, addresses = cluster.create_database()
    environ = {
        "BURSAR_DATABASE_URL": addresses.owner.dsn,
        "BURSAR_SECRET_KEY": SECRET_KEY,
        "BURSAR_ROOT_KEY": ROOT_KEY,
    }
    root = {"authorization": f"Bearer {ROOT_KEY}"}
    with (
        serving("--demo", environ=environ) as served,
        counting_wire(served.url) as wire,
        httpx.Client(base_url=served.url, headers=root, timeout=30) as http,
    ):
        yield Installation(wire, http)
    cluster.drop_database(name)


@pytest.fixture(scope="session")
def node() -> Iterator[node_clients.NodeProcess]:
    program = node_clients.node_program()
    node_clients.install(program)
    process = node_clients.NodeProcess(program)
    yield process
    process.end()


@pytest.fixture(scope="session")
def loop() -> Iterator[asyncio.Runner]:
    """One for all Python clients: `langchain-openai` keeps its connections for the next who asks."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def driver(request: pytest.FixtureRequest, loop: asyncio.Runner) -> Driver:
    """The client that a test's parameter names."""
    name: str = request.param
    return Driver(name, request.getfixturevalue("node") if name.startswith("node: ") else None, loop)
