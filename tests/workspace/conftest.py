"""Two workers of one installation, as processes of their own, and a demo upstream that counts its calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from bursar.foundation.addresses import DatabaseAddresses
from tests.support.cluster import PostgresCluster
from tests.support.demo_upstream import shared_demo_upstream
from tests.support.serving import SECRET_KEY, serving
from tests.workspace.world import Mandate, Person, Worker, new_mandate, new_person, write_config

ROOT_KEY = "burroot_workspace_0123456789abcdef0123456789abcdef012"


@dataclass(frozen=True)
class Installation:
    """`first` and `second` share everything but memory; `arguments` and `environ` start a third."""

    first: Worker
    second: Worker
    upstream: str
    addresses: DatabaseAddresses
    arguments: tuple[str, ...]
    environ: dict[str, str]

    def upstream_calls(self) -> int:
        return int(httpx.get(self.upstream.removesuffix("/v1") + "/demo/stats").json()["calls"])

    def mandate(self, pool: str, **fields: str) -> Mandate:
        return new_mandate(self.first, pool, **fields)

    def person(self, pool: str = "1.00", role: str = "owner", language: str = "en") -> Person:
        """Somebody in a mandate of their own."""
        return new_person(self.mandate(pool), self.first, role, language)

    def elsewhere(self, person: Person, worker: Worker) -> Person:
        """The same person, working on another worker."""
        http = httpx.Client(base_url=worker.url, headers=person.http.headers, timeout=120)
        return Person(person.mandate, person.user_id, http, person.threads)


@pytest.fixture(scope="session")
def house(cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    directory: Path = tmp_path_factory.mktemp("workspace")
    name, addresses = cluster.create_database()
    environ = {
        "BURSAR_DATABASE_URL": addresses.owner.dsn,
        "BURSAR_SECRET_KEY": SECRET_KEY,
        "BURSAR_ROOT_KEY": ROOT_KEY,
        "BURSAR_DATA_DIR": str(directory / "data"),
    }
    with shared_demo_upstream(faults=True) as upstream:
        arguments = ("--config", str(write_config(directory / "bursar.toml", upstream)))
        with serving(*arguments, environ=environ) as one, serving(*arguments, environ=environ) as two:
            workers = [Worker.at(served.url, ROOT_KEY) for served in (one, two)]
            yield Installation(workers[0], workers[1], upstream, addresses, arguments, environ)
    cluster.drop_database(name)
