"""Roles and database, before migrations: created where possible, otherwise refused with what a DBA must run."""

from __future__ import annotations

import asyncpg

from bursar.foundation.addresses import APP, LEDGER, OWNER, embedded_dsn
from bursar.foundation.embedded_cluster import SUPERUSER, ServerAddress

_LOCK = 7_264_001
_ATTEMPTS = 5


class DatabaseSetupError(RuntimeError):
    """The database cannot be used as it is; the message is one line for the operator."""


async def provision_embedded(server: ServerAddress, *, database: str = "bursar") -> None:
    """Create the three login roles and the owner's database. The only thing that the superuser ever does."""
    dsn = embedded_dsn(server, user=SUPERUSER, database="postgres")
    connection = await asyncpg.connect(dsn, timeout=30)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
        for role in (OWNER, APP, LEDGER):
            if not await _role_exists(connection, role):
                create = "SELECT format('CREATE ROLE %I LOGIN PASSWORD %L', $1::text, $2::text)"
                await connection.execute(await connection.fetchval(create, role, server.password))
        exists = "SELECT true FROM pg_database WHERE datname = $1"
        if not await connection.fetchval(exists, database):
            create = "SELECT format('CREATE DATABASE %I OWNER %I', $1::text, $2::text)"
            await connection.execute(await connection.fetchval(create, database, OWNER))
    finally:
        await connection.close()


async def provision_external(url: str) -> None:
    """Create the two narrow roles and let the URL's user take them on. Raises `DatabaseSetupError`.

    Roles belong to the whole server, so that another installation may be doing the same at this moment.
    """
    try:
        connection = await asyncpg.connect(url, timeout=30)
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TimeoutError) as error:
        raise DatabaseSetupError(f"BURSAR_DATABASE_URL: cannot connect: {_one_line(error)}") from error
    try:
        for role in (APP, LEDGER):
            await _take_on(connection, role)
    finally:
        await connection.close()


async def _take_on(connection: asyncpg.Connection[asyncpg.Record], role: str) -> None:
    for attempt in range(_ATTEMPTS):
        if await _may_take_on(connection, role):
            return
        try:
            if not await _role_exists(connection, role):
                await _execute(connection, "CREATE ROLE %I NOLOGIN", role)
            if not await _may_take_on(connection, role):
                await _execute(connection, "GRANT %I TO CURRENT_USER", role)
        except asyncpg.InsufficientPrivilegeError as error:
            user = await connection.fetchval("SELECT quote_ident(current_user)")
            raise DatabaseSetupError(
                f"BURSAR_DATABASE_URL: {user} may not create or take on the role {role}; have an administrator run: "
                f"CREATE ROLE {APP} NOLOGIN; CREATE ROLE {LEDGER} NOLOGIN; GRANT {APP}, {LEDGER} TO {user};"
            ) from error
        except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError, asyncpg.InternalServerError):
            # Somebody else was faster ("tuple concurrently updated" is an internal error).
            if attempt == _ATTEMPTS - 1:
                raise


async def _execute(connection: asyncpg.Connection[asyncpg.Record], template: str, role: str) -> None:
    await connection.execute(await connection.fetchval("SELECT format($1, $2::text)", template, role))


async def _role_exists(connection: asyncpg.Connection[asyncpg.Record], role: str) -> bool:
    return bool(await connection.fetchval("SELECT true FROM pg_roles WHERE rolname = $1", role))


async def _may_take_on(connection: asyncpg.Connection[asyncpg.Record], role: str) -> bool:
    if not await _role_exists(connection, role):
        return False
    # From version 16 on, membership alone does not include the right to SET ROLE.
    privilege = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    return bool(await connection.fetchval("SELECT pg_has_role(current_user, $1, $2)", role, privilege))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
