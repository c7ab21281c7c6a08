"""Where the database is, for each of the three roles. Plain values: they may be handed to other processes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote, urlencode

from bursar.foundation.embedded_cluster import ServerAddress

OWNER: Final = "bursar_owner"
APP: Final = "bursar_app"
LEDGER: Final = "bursar_ledger"


@dataclass(frozen=True, slots=True)
class Address:
    """One way in: a libpq URL, and the role to take on after connecting (external databases have one login)."""

    dsn: str = field(repr=False)
    role: str | None = None


@dataclass(frozen=True, slots=True)
class DatabaseAddresses:
    """The owner migrates, `app` serves management routes, `ledger` moves money."""

    owner: Address
    app: Address
    ledger: Address


def embedded_dsn(server: ServerAddress, *, user: str, database: str) -> str:
    if server.password is not None:
        return f"postgresql://{user}:{quote(server.password)}@{server.host}:{server.port}/{database}"
    return f"postgresql://{user}@/{database}?{urlencode({'host': server.host, 'port': server.port})}"


def embedded_addresses(server: ServerAddress, *, database: str = "bursar") -> DatabaseAddresses:
    """Three logins of the embedded server. Its superuser is not among them."""
    return DatabaseAddresses(
        *(Address(embedded_dsn(server, user=role, database=database)) for role in (OWNER, APP, LEDGER))
    )


def external_addresses(url: str) -> DatabaseAddresses:
    """One login that takes on the two narrow roles, whoever the URL names being the owner."""
    return DatabaseAddresses(Address(url), Address(url, APP), Address(url, LEDGER))
