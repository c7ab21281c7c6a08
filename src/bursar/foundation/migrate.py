"""Brings the schema to what this code expects; safe when several processes start at once.

Alembic is imported only when there is something to do: an up-to-date database costs one query.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import psycopg

from bursar.foundation.addresses import Address
from bursar.foundation.provision import DatabaseSetupError

MIGRATIONS_DIR: Final = Path(__file__).parent / "migrations"
_LOCK: Final = 7_264_002
_FILE_NAME: Final = re.compile(r"(?P<revision>[0-9]{4})_\w+\.py")


def known_revisions(migrations_dir: Path = MIGRATIONS_DIR) -> tuple[str, ...]:
    """The revisions in order; a file's first four digits are its revision (a test holds them together)."""
    matches = (_FILE_NAME.fullmatch(path.name) for path in (migrations_dir / "versions").iterdir())
    return tuple(sorted(match["revision"] for match in matches if match))


def current_revision(owner: Address) -> str | None:
    """The schema's revision in the database; `None` if it is empty."""
    with psycopg.connect(owner.dsn, autocommit=True) as connection:
        return _current(connection)


def upgrade(owner: Address, *, migrations_dir: Path = MIGRATIONS_DIR) -> bool:
    """Run what is missing; true if anything was. Raises `DatabaseSetupError` if the schema is newer than the code."""
    known = known_revisions(migrations_dir)
    try:
        with psycopg.connect(owner.dsn, autocommit=True) as connection:
            if _is_current(_current(connection), known):
                return False
            connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
            if _is_current(_current(connection), known):
                return False
            _run(owner, migrations_dir)
            return True
    except psycopg.Error as error:
        raise DatabaseSetupError(f"the database cannot be migrated: {' '.join(str(error).split())}") from error


def _current(connection: psycopg.Connection[tuple[object, ...]]) -> str | None:
    row = connection.execute("SELECT to_regclass('alembic_version') IS NOT NULL").fetchone()
    if row is None or not row[0]:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _is_current(current: str | None, known: tuple[str, ...]) -> bool:
    if current is not None and current not in known:
        newest = known[-1] if known else "none"
        raise DatabaseSetupError(
            f"the database's schema ({current}) is newer than this version of bursar knows ({newest}): "
            "install the newer version again"
        )
    return not known or current == known[-1]


def _run(owner: Address, migrations_dir: Path) -> None:
    """All missing migrations in one transaction: an interrupted upgrade leaves the schema as it was."""
    import sqlalchemy
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(migrations_dir).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    engine = sqlalchemy.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(owner.dsn), poolclass=sqlalchemy.NullPool
    )
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except sqlalchemy.exc.DBAPIError as error:
            raise DatabaseSetupError(f"the database cannot be migrated: {' '.join(str(error.orig).split())}") from error
