"""Migrations: from nothing, at once from several processes, and never backwards."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from bursar.foundation import migrate
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.provision import DatabaseSetupError

_UPGRADE = """
import sys
from bursar.foundation import migrate
from bursar.foundation.addresses import Address
print(migrate.upgrade(Address(sys.argv[1])))
"""
_MIGRATION = '''
from alembic import op
revision = "{revision}"
down_revision = {down_revision!r}
branch_labels = depends_on = None
def upgrade():
    op.execute("""{statement}""")
'''


@pytest.fixture
def migrations_dir(tmp_path: Path) -> Path:
    """The house's way of running migrations, with none in it yet."""
    directory = tmp_path / "migrations"
    (directory / "versions").mkdir(parents=True)
    (directory / "env.py").write_text((migrate.MIGRATIONS_DIR / "env.py").read_text())
    return directory


def _add(directory: Path, revision: str, down_revision: str | None, statement: str) -> None:
    content = _MIGRATION.format(revision=revision, down_revision=down_revision, statement=statement)
    (directory / "versions" / f"{revision}_test.py").write_text(content)


def _tables(addresses: DatabaseAddresses) -> set[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(addresses.owner.dsn) as connection:
        return {str(row[0]) for row in connection.execute(query)}


def test_an_empty_database_gets_the_whole_schema_once(empty_database_addresses: DatabaseAddresses) -> None:
    owner = empty_database_addresses.owner
    assert migrate.current_revision(owner) is None
    assert migrate.upgrade(owner) is True
    assert migrate.upgrade(owner) is False
    assert migrate.current_revision(owner) == migrate.known_revisions()[-1]
    assert {"mandate", "installation"} <= _tables(empty_database_addresses)


def test_processes_that_start_at_once_migrate_once(empty_database_addresses: DatabaseAddresses) -> None:
    command = [sys.executable, "-c", _UPGRADE, empty_database_addresses.owner.dsn]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert answers == ["False", "False", "False", "True"]


def test_only_what_is_missing_runs(empty_database_addresses: DatabaseAddresses, migrations_dir: Path) -> None:
    owner = empty_database_addresses.owner
    _add(migrations_dir, "0001", None, "CREATE TABLE one ()")
    assert migrate.upgrade(owner, migrations_dir=migrations_dir) is True
    _add(migrations_dir, "0002", "0001", "CREATE TABLE two ()")
    assert migrate.upgrade(owner, migrations_dir=migrations_dir) is True
    assert {"one", "two"} <= _tables(empty_database_addresses)


def test_a_migration_that_fails_leaves_the_schema_as_it_was(
    empty_database_addresses: DatabaseAddresses, migrations_dir: Path
) -> None:
    owner = empty_database_addresses.owner
    _add(migrations_dir, "0001", None, "CREATE TABLE one ()")
    _add(migrations_dir, "0002", "0001", "CREATE TABLE broken (column_of no_such_type)")
    with pytest.raises(DatabaseSetupError, match="no_such_type") as raised:
        migrate.upgrade(owner, migrations_dir=migrations_dir)
    assert "\n" not in str(raised.value)
    assert migrate.current_revision(owner) is None
    assert "one" not in _tables(empty_database_addresses)


def test_a_schema_newer_than_the_code_is_refused(
    empty_database_addresses: DatabaseAddresses, migrations_dir: Path
) -> None:
    owner = empty_database_addresses.owner
    _add(migrations_dir, "0001", None, "CREATE TABLE one ()")
    _add(migrations_dir, "0002", "0001", "CREATE TABLE two ()")
    migrate.upgrade(owner, migrations_dir=migrations_dir)
    (migrations_dir / "versions" / "0002_test.py").unlink()
    with pytest.raises(DatabaseSetupError, match=r"schema \(0002\) is newer than .* \(0001\)"):
        migrate.upgrade(owner, migrations_dir=migrations_dir)


def test_a_files_name_begins_with_its_revision_and_they_form_one_chain() -> None:
    """`known_revisions` reads names only."""
    previous = None
    for revision in migrate.known_revisions():
        (path,) = (migrate.MIGRATIONS_DIR / "versions").glob(f"{revision}_*.py")
        found = dict(re.findall(r'^(revision|down_revision) = (?:"(\w+)"|None)$', path.read_text(), re.MULTILINE))
        assert found == {"revision": revision, "down_revision": previous or ""}
        previous = revision
