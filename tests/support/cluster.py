"""One PostgreSQL for a whole test session, shared by all its processes; a fresh database per test from a template."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
from psycopg import sql

from bursar.foundation import migrate
from bursar.foundation.addresses import APP, LEDGER, OWNER, DatabaseAddresses, embedded_addresses, embedded_dsn
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.embedded_cluster import SUPERUSER
from bursar.foundation.file_locks import exclusive_lock, is_shared
from bursar.foundation.provision import provision_embedded

_PREFIX: Final = "bursar-tests-"
_TEMPLATE: Final = "bursar_template"
UNSAFE_BUT_FAST: Final[Mapping[str, str]] = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "300",
    "autovacuum": "off",
}


def new_session_directory() -> Path:
    """A directory that PostgreSQL's own user can pass, too, where tests run as root."""
    directory = Path(tempfile.mkdtemp(prefix=_PREFIX))
    directory.chmod(0o755)
    return directory


def new_data_directory() -> Path:
    """For a test's own server; passable like the session's."""
    directory = Path(tempfile.mkdtemp(prefix="bursar-data-"))
    directory.chmod(0o755)
    return directory


def remove_data_directory(directory: Path) -> None:
    """Stops what a crashed worker may have left running."""
    with suppress(Exception):
        server = EmbeddedPostgres(directory, extra_settings=UNSAFE_BUT_FAST)
        if server.is_running():
            server.start()
            server.stop()
    shutil.rmtree(directory, ignore_errors=True)


def remove_abandoned_directories() -> None:
    """Sessions that were killed leave a server behind: the next session ends those that nobody uses."""
    mine = os.getuid() if sys.platform != "win32" else 0
    for directory in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            status = directory.stat()
            # A session that is just beginning has made its directory and not yet locked it.
            young = time.time() - status.st_mtime < 60
            in_use = any(is_shared(directory / name) for name in ("session.lock", "users.lock"))
            if status.st_uid == mine and not young and not in_use:
                remove_data_directory(directory)


class PostgresCluster:
    """The session's server: makes and drops databases. Blocking; a call takes some tens of milliseconds."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.server = EmbeddedPostgres.start_or_join(directory, extra_settings=UNSAFE_BUT_FAST)
        with exclusive_lock(directory / "template.lock", timeout_seconds=120):
            asyncio.run(provision_embedded(self.server.address, database=_TEMPLATE))
            # So that tests can also use the owner's URL like that of an external database.
            self._execute("GRANT {}, {} TO {}", APP, LEDGER, OWNER)
            migrate.upgrade(embedded_addresses(self.server.address, database=_TEMPLATE).owner)

    def close(self) -> None:
        self.server.stop()

    def superuser_dsn(self, database: str = "postgres") -> str:
        return embedded_dsn(self.server.address, user=SUPERUSER, database=database)

    def create_database(self, *, migrated: bool = True) -> tuple[str, DatabaseAddresses]:
        """A new database and its name: a copy of the migrated template, or an empty one."""
        name = f"test_{uuid4().hex}"
        self._execute("CREATE DATABASE {} TEMPLATE {} OWNER {}", name, _TEMPLATE if migrated else "template0", OWNER)
        return name, embedded_addresses(self.server.address, database=name)

    def drop_database(self, name: str) -> None:
        self._execute("DROP DATABASE IF EXISTS {} WITH (FORCE)", name)

    def _execute(self, statement: str, *names: str) -> None:
        with psycopg.connect(self.superuser_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
