"""Connections to PostgreSQL: embedded or external, as the narrow role for management or the one for money.

All pools share a few promises: UTC, `jsonb` is Python data, a lock is waited for at most two seconds,
a transaction that is forgotten open is ended by the server. Session state is never changed outside a
transaction, therefore connections go back to their pool without a reset. See docs/decisions/0003 for poolers.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, TypedDict
from uuid import UUID

import asyncpg
import orjson
import structlog

from bursar.foundation import migrate
from bursar.foundation.addresses import Address, DatabaseAddresses, embedded_addresses, external_addresses
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.embedded_directories import EmbeddedPostgresError
from bursar.foundation.origin import SETTING, origin_text
from bursar.foundation.provision import DatabaseSetupError, provision_embedded, provision_external

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    RawConnection: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:  # the stubs' classes are generic, asyncpg's are not
    Connection = asyncpg.pool.PoolConnectionProxy
    RawConnection = asyncpg.Connection

_KEEPER_INTERVAL_SECONDS: Final = 1.0
_SERVER_SETTINGS: Final[Mapping[str, str]] = {
    "timezone": "UTC",
    "jit": "off",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "30s",
}
_BY_KEY: Final[Mapping[str, str]] = {
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
}
"""For statements that look rows up by their keys and nothing else, as group commits do: whatever the statistics say of
a table that has just begun to grow, they go by the index, and are planned once and not at each execution. Not by a
bitmap: such a scan marks no dead entries as dead, and each call would walk past all that was settled since the last
vacuum."""
_PLAN_BY_KEY: Final = "SELECT " + ", ".join(f"set_config('{name}', '{value}', true)" for name, value in _BY_KEY.items())
_PLAN_FOR_MANY: Final = (
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('enable_hashjoin', 'on', true),"
    " set_config('enable_mergejoin', 'on', true)"
)
_STATEMENT_TIMEOUT: Final[Mapping[str, int]] = {"app": 30, "ledger": 15}
"""Seconds, by pool. A group commit takes milliseconds; whoever waits longer waits for something broken."""

_NO_MORE: Final[Mapping[str, str]] = {}

_AS_MANDATE: Final = "SELECT set_config('bursar.mandate_id', $1, true), set_config($2, $3, true)"
_AS_OPERATOR: Final = "SELECT set_config('bursar.operator', 'on', true), set_config($1, $2, true)"

_log = structlog.get_logger(__name__)


class DatabaseSettings(Protocol):
    """What of the settings matters here."""

    @property
    def database_url(self) -> str | None: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def workers(self) -> int: ...
    @property
    def app_pool_size(self) -> int: ...
    @property
    def ledger_pool_size(self) -> int: ...


class _Arguments(TypedDict):
    dsn: str
    server_settings: dict[str, str]
    command_timeout: float
    timeout: float


class _PlainConnection(RawConnection):
    """A connection without session state to clean up: saves a round trip per use."""

    def get_reset_query(self) -> str:
        return ""


@dataclass(frozen=True, slots=True)
class Database:
    """Three pools on one migrated database: management's, and two of `bursar_ledger`.

    `engine_pool` looks rows up by their keys, whatever the planner would think best; it is the ledger engine's alone.
    """

    addresses: DatabaseAddresses
    app_pool: asyncpg.Pool[asyncpg.Record]
    ledger_pool: asyncpg.Pool[asyncpg.Record]
    engine_pool: asyncpg.Pool[asyncpg.Record]

    @asynccontextmanager
    async def as_mandate(self, mandate_id: UUID) -> AsyncIterator[Connection]:
        """A transaction of `bursar_app` that sees this mandate's rows and no others."""
        async with self.app_pool.acquire() as connection, connection.transaction():
            await connection.execute(_AS_MANDATE, str(mandate_id), SETTING, origin_text())
            yield connection

    @asynccontextmanager
    async def as_operator(self) -> AsyncIterator[Connection]:
        """A transaction of `bursar_app` that sees all mandates: the operator's view, and look-ups before sign-in."""
        async with self.app_pool.acquire() as connection, connection.transaction():
            await connection.execute(_AS_OPERATOR, SETTING, origin_text())
            yield connection

    async def connect(self, *, name: str = "listener") -> RawConnection:
        """A connection of one's own as `bursar_ledger`, for LISTEN. The caller closes it."""
        return await asyncpg.connect(**_arguments(self.addresses.ledger, name, statement_timeout_seconds=30))

    async def ping(self) -> None:
        """Raises whatever asyncpg raises if the database does not answer."""
        await self.ledger_pool.fetchval("SELECT 1", timeout=2)


async def planned_by_key(connection: Connection) -> None:
    """The rest of this transaction goes by keys, as a pool for group commits does."""
    await connection.execute(_PLAN_BY_KEY)


async def planned_for_many(connection: Connection) -> None:
    """The rest of this transaction is planned for the rows that it has: by keys alone, joining many to many is slow."""
    await connection.execute(_PLAN_FOR_MANY)


@asynccontextmanager
async def open_database(settings: DatabaseSettings) -> AsyncIterator[Database]:
    """Everything: start or join the embedded server where no URL is set, migrate, open the pools.

    Raises `DatabaseSetupError` or `EmbeddedPostgresError`, both with one line for the operator.
    """
    async with (
        prepared_addresses(settings) as addresses,
        connect_database(
            addresses, app_pool_size=settings.app_pool_size, ledger_pool_size=settings.ledger_pool_size
        ) as database,
    ):
        yield database


@asynccontextmanager
async def prepared_addresses(settings: DatabaseSettings) -> AsyncIterator[DatabaseAddresses]:
    """A running, migrated database, for processes that hand its addresses to their workers."""
    if settings.database_url is not None:
        await provision_external(settings.database_url)
        addresses = external_addresses(settings.database_url)
        await asyncio.to_thread(migrate.upgrade, addresses.owner)
        yield addresses
        return
    # Each worker has its pools and a few listeners; commands beside the server have theirs.
    per_worker = settings.app_pool_size + 2 * settings.ledger_pool_size + 4
    connections = max(100, settings.workers * per_worker + 40)
    server = await asyncio.to_thread(
        EmbeddedPostgres.start_or_join,
        settings.data_dir,
        extra_settings={"max_connections": str(connections)},
    )
    keeper: asyncio.Task[None] | None = None
    try:
        await provision_embedded(server.address)
        addresses = embedded_addresses(server.address)
        await asyncio.to_thread(migrate.upgrade, addresses.owner)
        keeper = asyncio.create_task(_keep_running(server), name="embedded-postgresql")
        yield addresses
    finally:
        if keeper is not None:
            keeper.cancel()
            with suppress(asyncio.CancelledError):
                await keeper
        await asyncio.to_thread(server.stop)


@asynccontextmanager
async def connect_database(
    addresses: DatabaseAddresses, *, app_pool_size: int = 8, ledger_pool_size: int = 8
) -> AsyncIterator[Database]:
    """Pools on a database that is already migrated, as workers open it."""
    app, ledger = _STATEMENT_TIMEOUT["app"], _STATEMENT_TIMEOUT["ledger"]
    async with (
        _pool(addresses.app, "app", app, app_pool_size) as app_pool,
        _pool(addresses.ledger, "ledger", ledger, ledger_pool_size) as ledger_pool,
        _pool(addresses.ledger, "engine", ledger, ledger_pool_size, _BY_KEY) as engine_pool,
    ):
        yield Database(addresses, app_pool, ledger_pool, engine_pool)


@asynccontextmanager
async def _pool(
    address: Address, name: str, statement_timeout_seconds: int, size: int, more: Mapping[str, str] = _NO_MORE
) -> AsyncIterator[asyncpg.Pool[asyncpg.Record]]:
    arguments = _arguments(address, name, statement_timeout_seconds=statement_timeout_seconds)
    arguments["server_settings"].update(more)
    try:
        pool = await asyncpg.create_pool(
            **arguments, min_size=1, max_size=size, init=_initialise, connection_class=_PlainConnection
        )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        text = " ".join(str(error).split())
        raise DatabaseSetupError(f"cannot connect to the database as {name}: {text}") from error
    try:
        yield pool
    finally:
        try:
            await asyncio.wait_for(pool.close(), timeout=10)
        except TimeoutError:
            pool.terminate()


def _arguments(address: Address, name: str, *, statement_timeout_seconds: int) -> _Arguments:
    settings = {
        **_SERVER_SETTINGS,
        "application_name": f"bursar-{name}",
        "statement_timeout": f"{statement_timeout_seconds}s",
    }
    if address.role is not None:
        settings["role"] = address.role
    # The client gives up a little after the server should have: only a dead connection gets there.
    return {
        "dsn": address.dsn,
        "server_settings": settings,
        "command_timeout": statement_timeout_seconds + 5,
        "timeout": 30,
    }


async def _initialise(connection: RawConnection) -> None:
    await connection.set_type_codec(
        "jsonb", encoder=_encode_jsonb, decoder=_decode_jsonb, schema="pg_catalog", format="binary"
    )


def _encode_jsonb(value: object) -> bytes:
    return b"\x01" + orjson.dumps(value)


def _decode_jsonb(data: bytes) -> object:
    return orjson.loads(data[1:])


async def _keep_running(server: EmbeddedPostgres) -> None:
    """Bring the embedded server back if it dies (out of memory, a stray kill); the pools reconnect by themselves."""
    while True:
        await asyncio.sleep(_KEEPER_INTERVAL_SECONDS)
        try:
            if await asyncio.to_thread(server.ensure_running):
                _log.warning("embedded_postgresql_restarted", data_dir=str(server.data_dir))
        except (EmbeddedPostgresError, OSError) as error:
            _log.error("embedded_postgresql_down", error=str(error))
