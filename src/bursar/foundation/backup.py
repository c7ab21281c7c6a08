"""Backup and restore of everything in the database, by COPY, as the owner.

A backup is of one moment (a repeatable-read snapshot), while calls go on. It holds data only: the schema, its roles and
its rights are made by the migrations, so that a backup of an embedded database can be restored into an external one,
under another owner, or on another version of PostgreSQL. See docs/decisions/0011.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import asyncpg

from bursar.foundation.addresses import Address, DatabaseAddresses
from bursar.foundation.backup_file import BackupError, BackupReader, BackupWriter, Manifest, TableEntry
from bursar.foundation.database import RawConnection
from bursar.foundation.migrate import known_revisions

__all__ = ["BackupError", "Manifest", "backup", "read_manifest", "restore"]

LOCK_SECONDS: Final = 5
_ALWAYS_THERE: Final = frozenset({"installation"})
"""Tables with rows in a new database: they are replaced."""
_SETTINGS: Final[Mapping[str, str]] = {
    "application_name": "bursar-backup",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "3",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": f"{LOCK_SECONDS}s",
}

_REVISION: Final = "SELECT version_num FROM alembic_version"
_TABLES: Final = """
    SELECT c.oid, c.relname AS name, c.relforcerowsecurity AS forced,
           ARRAY(SELECT a.attname::text FROM pg_attribute a
                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                  ORDER BY a.attnum) AS columns,
           ARRAY(SELECT DISTINCT k.confrelid FROM pg_constraint k
                  WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS needs
      FROM pg_class c
     WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname <> 'alembic_version'
       AND pg_has_role(c.relowner, 'USAGE')
     ORDER BY c.relname"""

_FREE_INDEXES: Final = """
    SELECT i.indexrelid::regclass::text AS name, pg_get_indexdef(i.indexrelid) AS definition
      FROM pg_index i
     WHERE i.indrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
     ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class _Table:
    oid: int
    name: str
    forced: bool
    columns: tuple[str, ...]
    needs: frozenset[int]

    @property
    def quoted(self) -> str:
        return _quoted(self.name)


async def backup(addresses: DatabaseAddresses, path: Path) -> Manifest:
    """Write all of the database to `path`, which is replaced if it exists. Raises `BackupError`.

    The file is readable by its owner only: it has names and addresses of people, and hashes of keys. It does not have
    the secret key (`BURSAR_SECRET_KEY`, or `secret.key` in the data directory): that must be kept elsewhere.
    """
    async with _connected(addresses.owner) as connection:
        with BackupWriter(path) as writer:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                revision, created_at = await _moment(connection)
                tables = [await _dump(connection, writer, table) for table in await _tables(connection)]
            manifest = Manifest(
                revision=revision,
                created_at=created_at,
                bursar_version=_own_version(),
                server_version=".".join(str(part) for part in connection.get_server_version()[:2]),
                tables=tuple(tables),
            )
            writer.finish(manifest)
    return manifest


async def restore(addresses: DatabaseAddresses, path: Path) -> Manifest:
    """Fill an empty, migrated database from `path`, all or nothing. Raises `BackupError`.

    Refused: a database with anything in it, a backup of another schema, a damaged file. Run `verify` afterwards.
    """
    with BackupReader(path) as reader:
        manifest = reader.manifest
        _check_known(manifest)
        async with _connected(addresses.owner) as connection:
            try:
                async with connection.transaction():
                    tables = await _emptied(connection, manifest)
                    indexes = [index for table in tables for index in await _open_up(connection, table)]
                    for table in tables:
                        await _load(connection, reader, table, manifest)
                    for index in indexes:
                        await connection.execute(index)
                    for table in tables:
                        await _close_again(connection, table)
            except asyncpg.LockNotAvailableError as error:
                raise BackupError("the database is in use: stop `bursar serve` before restoring") from error
            except (asyncpg.IntegrityConstraintViolationError, asyncpg.DataError) as error:
                raise BackupError(f"the backup does not fit into the schema: {_one_line(error)}") from error
            # The planner knows nothing yet about what has just come in.
            await connection.execute("ANALYZE")
    return manifest


def read_manifest(path: Path, *, check: bool = False) -> Manifest:
    """What a backup says about itself; with `check`, all of it is read and compared with its checksums.

    Raises `BackupError`.
    """
    with BackupReader(path) as reader:
        for table in reader.manifest.tables if check else ():
            for _ in reader.chunks(table):
                pass
        return reader.manifest


# --- out -------------------------------------------------------------------------------------------------------------


async def _moment(connection: RawConnection) -> tuple[str, str]:
    try:
        revision = await connection.fetchval(_REVISION)
    except asyncpg.UndefinedTableError as error:
        raise BackupError("the database has no schema of Bursar's") from error
    at = await connection.fetchval("""SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')""")
    return str(revision), str(at)


async def _dump(connection: RawConnection, writer: BackupWriter, table: _Table) -> TableEntry:
    columns = ", ".join(map(_quoted, table.columns))
    with writer.table(table.name) as entry:
        query = f"SELECT {columns} FROM {table.quoted}"  # noqa: S608 -- names of the catalogue's, quoted
        status = await connection.copy_from_query(query, output=entry.write, format="text", encoding="utf-8")
    return TableEntry(table.name, table.columns, int(status.rpartition(" ")[2]), entry.size_bytes, entry.sha256)


# --- in --------------------------------------------------------------------------------------------------------------


def _check_known(manifest: Manifest) -> None:
    revision = known_revisions()[-1]
    if manifest.revision != revision:
        older = manifest.revision < revision
        advice = (
            f"restore it with bursar {manifest.bursar_version}, then upgrade"
            if older
            else f"install bursar {manifest.bursar_version} or later"
        )
        raise BackupError(f"the backup has the schema {manifest.revision}, this version has {revision}: {advice}")


async def _emptied(connection: RawConnection, manifest: Manifest) -> list[_Table]:
    """The tables, locked against everybody else, empty, in the order in which they can be filled."""
    revision = await connection.fetchval(_REVISION)
    tables = await _tables(connection)
    here = {table.name: table.columns for table in tables}
    there = {table.name: table.columns for table in manifest.tables}
    if revision != manifest.revision or here != there:
        differing = sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name))
        what = f"the schema {revision}" if revision != manifest.revision else f"other tables: {', '.join(differing)}"
        raise BackupError(f"the database has {what}; the backup has the schema {manifest.revision}")
    names = ", ".join(table.quoted for table in tables)
    await connection.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    for table in tables:
        if table.name in _ALWAYS_THERE:
            await connection.execute(f"DELETE FROM {table.quoted}")  # noqa: S608
        elif await connection.fetchval(f"SELECT EXISTS (SELECT FROM {table.quoted})"):  # noqa: S608
            raise BackupError(f"the database is not empty (there are rows in {table.name}): restore into a new one")
    return tables


async def _open_up(connection: RawConnection, table: _Table) -> list[str]:
    """COPY cannot write where row-level security binds its user; and what triggers have written is in the backup.

    Indexes that no constraint needs are quicker to make afterwards: answers the statements that do so.
    """
    await connection.execute(f"ALTER TABLE {table.quoted} DISABLE TRIGGER USER")
    if table.forced:
        await connection.execute(f"ALTER TABLE {table.quoted} NO FORCE ROW LEVEL SECURITY")
    indexes = await connection.fetch(_FREE_INDEXES, table.oid)
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    return [str(index["definition"]) for index in indexes]


async def _load(connection: RawConnection, reader: BackupReader, table: _Table, manifest: Manifest) -> None:
    (entry,) = (entry for entry in manifest.tables if entry.name == table.name)
    status = await connection.copy_to_table(
        table.name,
        source=_handed_over(reader.chunks(entry)),
        columns=table.columns,
        format="text",
        encoding="utf-8",
    )
    rows = int(status.rpartition(" ")[2])
    if rows != entry.rows:
        raise BackupError(f"the table {table.name} has {rows} rows where the backup names {entry.rows}")


async def _handed_over(chunks: Iterable[bytes]) -> AsyncIterator[bytes]:
    iterator = iter(chunks)
    while (chunk := await asyncio.to_thread(next, iterator, None)) is not None:
        yield chunk


async def _close_again(connection: RawConnection, table: _Table) -> None:
    await connection.execute(f"ALTER TABLE {table.quoted} ENABLE TRIGGER USER")
    if table.forced:
        await connection.execute(f"ALTER TABLE {table.quoted} FORCE ROW LEVEL SECURITY")


# --- both ------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _connected(owner: Address) -> AsyncIterator[RawConnection]:
    try:
        connection = await asyncpg.connect(owner.dsn, server_settings=dict(_SETTINGS), timeout=30)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise BackupError(f"cannot connect to the database: {_one_line(error)}") from error
    try:
        yield connection
    except asyncpg.PostgresConnectionError as error:
        raise BackupError(f"the connection to the database was lost: {_one_line(error)}") from error
    finally:
        await connection.close()


async def _tables(connection: RawConnection) -> list[_Table]:
    """All of them, those that others refer to first."""
    found = [
        _Table(row["oid"], row["name"], row["forced"], tuple(row["columns"]), frozenset(row["needs"]))
        for row in await connection.fetch(_TABLES)
    ]
    ordered: list[_Table] = []
    placed: set[int] = set()
    while len(ordered) < len(found):
        ready = [table for table in found if table.oid not in placed and table.needs <= placed]
        if not ready:
            raise BackupError("the schema's tables refer to each other in a circle")
        ordered += ready
        placed |= {table.oid for table in ready}
    return ordered


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _own_version() -> str:
    try:
        return version("bursar")
    except PackageNotFoundError:
        return "unknown"


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
