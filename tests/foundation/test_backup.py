"""Backups of real books: complete, of one moment, and restored only where they belong."""

from __future__ import annotations

import asyncio
import os
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import psycopg
import pytest
from psycopg import sql

from bursar.foundation import migrate
from bursar.foundation.addresses import Address, DatabaseAddresses
from bursar.foundation.backup import BackupError, Manifest, backup, read_manifest, restore
from bursar.foundation.database import Database, connect_database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Granted, Posted, Settled
from bursar.ledger.pruning import Pruning, resolved_holds
from bursar.ledger.verify import verify
from tests.ledger.books_support import UNIT, Mandate, create_mandate
from tests.notices.money_side import MoneySide
from tests.support.aging import age, id_of
from tests.support.cluster import PostgresCluster

ODD = "tab\there, line\nbreak, back\\slash, \\N, \\., ünï¢ødé, 'quoted' \"twice\""


@pytest.fixture
def target(cluster: PostgresCluster) -> Iterator[DatabaseAddresses]:
    """Another migrated database, still empty."""
    name, addresses = cluster.create_database()
    yield addresses
    cluster.drop_database(name)


async def fill(database: Database) -> UUID:
    """A bit of everything; answers the mandate."""
    side = MoneySide(database)
    told = await side.mandate("finance@example.org", name=ODD[:80])
    await side.refuse(told, user_id=await side.person(told, ODD))
    await side.service_key(told, "back end")
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    mandate = Mandate(ledger, await create_mandate(database))
    assert isinstance(await mandate.post(100 * UNIT, reference=ODD), Posted)
    await ledger.create_limit(
        mandate.mandate_id, scope="mandate", scope_id=str(mandate.mandate_id), period="month", amount_nanos=90 * UNIT
    )
    for days_ago in (100, 0):
        for _ in range(5):
            hold_id = id_of(days_ago)
            assert isinstance(await mandate.reserve(2 * UNIT, hold_id=hold_id, tags={"odd": ODD}), Granted)
            assert isinstance(await mandate.settle(hold_id, UNIT, usage_details={"input_tokens": 7}), Settled)
    assert isinstance(await mandate.reserve(3 * UNIT), Granted)
    await ledger.stop()
    return mandate.mandate_id


async def contents(addresses: DatabaseAddresses) -> dict[str, list[str]]:
    """Every row of every table, as text."""
    connection = await asyncpg.connect(addresses.owner.dsn)
    try:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        return {
            name: sorted(row[0] for row in await connection.fetch(f"SELECT t::text FROM {name} t"))  # noqa: S608
            for (name,) in await connection.fetch(names)
        }
    finally:
        await connection.close()


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


async def rights(addresses: DatabaseAddresses) -> dict[str, list[Any]]:
    """Who may do what: privileges, policies, forced walls, triggers."""
    connection = await asyncpg.connect(addresses.owner.dsn)
    try:
        return {
            query: [tuple(row) for row in await connection.fetch(query)]
            for query in (
                "SELECT relname::text, relowner::regrole::text, relrowsecurity, relforcerowsecurity, relacl::text"
                " FROM pg_class WHERE relnamespace = 'public'::regnamespace ORDER BY 1",
                "SELECT tablename::text, policyname::text, roles::text, qual, with_check FROM pg_policies"
                " ORDER BY 1, 2",
                "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1",
                "SELECT tgrelid::regclass::text, tgname::text, tgenabled::text FROM pg_trigger"
                " WHERE NOT tgisinternal ORDER BY 1, 2",
                "SELECT proname::text, proacl::text FROM pg_proc"
                " WHERE pronamespace = 'public'::regnamespace ORDER BY 1",
            )
        }
    finally:
        await connection.close()


async def test_what_is_restored_is_what_was_there(
    database: Database, target: DatabaseAddresses, tmp_path: Path
) -> None:
    mandate_id = await fill(database)
    before, rights_before = await contents(database.addresses), await rights(target)
    assert {"hold", "transfer", "notice", "alert", "api_key", "app_user", "limit_counter"} <= {
        name for name, rows in before.items() if rows
    }
    written = await backup(database.addresses, tmp_path / "bursar.backup")
    restored = await restore(target, tmp_path / "bursar.backup")
    assert restored == written
    assert restored.rows == sum(len(rows) for rows in before.values())
    assert await contents(target) == before
    assert await rights(target) == rights_before
    async with connect_database(target) as again:
        assert await verify(again.ledger_pool, thorough=True) == []
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await again.ledger_pool.execute("DELETE FROM transfer")
        async with again.as_mandate(uuid4()) as connection:
            assert await connection.fetchval("SELECT count(*) FROM transfer") == 0
        ledger = Ledger(again.engine_pool)
        await ledger.start()
        mandate = Mandate(ledger, mandate_id)
        hold_id = new_id()
        assert isinstance(await mandate.reserve(UNIT, hold_id=hold_id), Granted)
        assert isinstance(await mandate.settle(hold_id, UNIT), Settled)
        await ledger.stop()
        await create_mandate(again)
        zones = "SELECT count(*) FROM mandate m LEFT JOIN mandate_time_zone z USING (mandate_id) WHERE z IS NULL"
        async with again.as_operator() as connection:
            assert await connection.fetchval(zones) == 0
        assert await verify(again.ledger_pool, thorough=True) == []


async def test_a_checkpoint_is_restored_with_its_books(
    database: Database, target: DatabaseAddresses, tmp_path: Path
) -> None:
    await fill(database)
    await age(database, 50)
    assert (await Pruning(database.ledger_pool, [resolved_holds(35)]).round())["holds"] == 5
    await backup(database.addresses, tmp_path / "bursar.backup")
    await restore(target, tmp_path / "bursar.backup")
    async with connect_database(target) as again:
        assert await again.ledger_pool.fetchval("SELECT sum(holds) FROM hold_checkpoint") == 5
        assert await verify(again.ledger_pool) == []


async def test_a_backup_is_of_one_moment_while_calls_go_on(
    database: Database, target: DatabaseAddresses, tmp_path: Path
) -> None:
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(1000 * UNIT)
    done, ending = 0, asyncio.Event()

    async def call() -> None:
        nonlocal done
        while not ending.is_set():
            hold_id = new_id()
            assert isinstance(await mandate.reserve(UNIT // 50, hold_id=hold_id), Granted)
            assert isinstance(await mandate.settle(hold_id, UNIT // 100), Settled)
            done += 1

    calls = [asyncio.create_task(call()) for _ in range(8)]
    written: list[Manifest] = []
    went_on = 0
    while went_on < 3 and len(written) < 100:
        before = done
        written.append(await backup(database.addresses, tmp_path / "bursar.backup"))
        went_on += done > before
    ending.set()
    await asyncio.gather(*calls)
    await ledger.stop()
    assert went_on == 3
    transfers = [next(t.rows for t in manifest.tables if t.name == "transfer") for manifest in written]
    assert transfers == sorted(transfers)
    assert transfers[0] < transfers[-1] < done + 2
    await restore(target, tmp_path / "bursar.backup")
    async with connect_database(target) as again:
        assert await verify(again.ledger_pool) == []


async def test_the_file_is_for_its_owner_only_and_complete_or_as_before(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(database)
    path = tmp_path / "bursar.backup"
    path.write_text("the one of yesterday")
    path.chmod(0o644)

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("bursar.foundation.backup_file.os.fsync", full)
        with pytest.raises(BackupError, match="No space left on device"):
            await backup(database.addresses, path)
    assert path.read_text() == "the one of yesterday"
    old_mask = os.umask(0)
    try:
        await backup(database.addresses, path)
    finally:
        os.umask(old_mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert names_in(tmp_path) == ["bursar.backup"]
    assert read_manifest(path, check=True).revision == migrate.known_revisions()[-1]
    with pytest.raises(BackupError, match="cannot write"):
        await backup(database.addresses, tmp_path / "missing" / "bursar.backup")


async def test_a_database_with_anything_in_it_is_refused(
    database: Database, target: DatabaseAddresses, tmp_path: Path
) -> None:
    await fill(database)
    await backup(database.addresses, tmp_path / "bursar.backup")
    async with connect_database(target) as other:
        await create_mandate(other)
    before = await contents(target)
    with pytest.raises(BackupError, match=r"not empty \(there are rows in \w+\)"):
        await restore(target, tmp_path / "bursar.backup")
    assert await contents(target) == before


async def test_a_database_in_use_is_refused(
    database: Database, target: DatabaseAddresses, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await backup(database.addresses, tmp_path / "bursar.backup")
    monkeypatch.setattr("bursar.foundation.backup._SETTINGS", {"lock_timeout": "50ms"})
    async with connect_database(target) as other, other.as_operator() as connection:
        await connection.execute("SELECT count(*) FROM mandate")
        with pytest.raises(BackupError, match="in use"):
            await restore(target, tmp_path / "bursar.backup")


async def test_the_root_key_of_the_backup_wins(database: Database, target: DatabaseAddresses, tmp_path: Path) -> None:
    for addresses, value in ((database.addresses, b"old"), (target, b"new")):
        connection = await asyncpg.connect(addresses.owner.dsn)
        await connection.execute("UPDATE installation SET root_key_hash = $1", value)
        await connection.close()
    await backup(database.addresses, tmp_path / "bursar.backup")
    await restore(target, tmp_path / "bursar.backup")
    assert (await contents(target))["installation"] == (await contents(database.addresses))["installation"]


def changed(path: Path, change: Callable[[dict[str, Any]], None], skip: str = "") -> None:
    """Write the backup again with another manifest, or without an entry."""
    with zipfile.ZipFile(path) as old:
        entries = {name: old.read(name) for name in old.namelist() if name != skip}
    manifest = orjson.loads(entries["manifest.json"])
    change(manifest)
    entries["manifest.json"] = orjson.dumps(manifest)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in entries.items():
            new.writestr(name, content)


def set_in(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda manifest: manifest.update(values)


def other_checksum(manifest: dict[str, Any]) -> None:
    next(table for table in manifest["tables"] if table["name"] == "transfer")["sha256"] = "0" * 64


def fewer_rows(manifest: dict[str, Any]) -> None:
    next(table for table in manifest["tables"] if table["name"] == "transfer")["rows"] += 1


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "another schema": (
        lambda path: changed(path, set_in(revision="0001", bursarVersion="0.0.9")),
        r"has the schema 0001, this version has \d{4}: restore it with bursar 0.0.9, then upgrade",
    ),
    "a later schema": (
        lambda path: changed(path, set_in(revision="9999", bursarVersion="9.1")),
        r"has the schema 9999, this version has \d{4}: install bursar 9.1 or later",
    ),
    "another format": (lambda path: changed(path, set_in(format=2)), "has the format 2"),
    "a table that is missing": (lambda path: changed(path, set_in(tables=[])), "other tables: account"),
    "another checksum": (lambda path: changed(path, other_checksum), "the table transfer has another checksum"),
    "rows that are missing": (lambda path: changed(path, fewer_rows), r"has \d+ rows where the backup names"),
    "an entry that is missing": (
        lambda path: changed(path, lambda _: None, "tables/transfer.copy"),
        "the table transfer cannot be read",
    ),
    "a file cut off": (lambda path: os.truncate(path, path.stat().st_size // 2), "no backup of Bursar's, or is cut"),
    "another file": (lambda path: path.write_text("mandate,amount\n"), "no backup of Bursar's"),
    "no file": (lambda path: path.unlink(), "cannot read .*: No such file"),
}


async def test_what_does_not_belong_or_is_damaged_changes_nothing(
    database: Database, target: DatabaseAddresses, tmp_path: Path
) -> None:
    await fill(database)
    path = tmp_path / "bursar.backup"
    await backup(database.addresses, path)
    good, before, rights_before = path.read_bytes(), await contents(target), await rights(target)
    for case, (spoil, message) in REFUSED.items():
        path.write_bytes(good)
        spoil(path)
        with pytest.raises(BackupError, match=message) as raised:
            await restore(target, path)
        assert "\n" not in str(raised.value), case
        assert await contents(target) == before, case
        assert await rights(target) == rights_before, case
    path.write_bytes(good)
    assert await restore(target, path) == read_manifest(path)


async def test_a_flipped_bit_is_found_without_a_database(database: Database, tmp_path: Path) -> None:
    await fill(database)
    path = tmp_path / "bursar.backup"
    await backup(database.addresses, path)
    with zipfile.ZipFile(path) as archive:
        place = archive.getinfo("tables/transfer.copy").header_offset + 200
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    with pytest.raises(BackupError, match="the table transfer"):
        read_manifest(path, check=True)


async def test_an_installation_may_move_to_another_owner(
    cluster: PostgresCluster, database: Database, tmp_path: Path
) -> None:
    """From the embedded database, with its three logins, into an external one with a single login."""
    await fill(database)
    await backup(database.addresses, tmp_path / "bursar.backup")
    owner, name = f"other_{uuid4().hex[:8]}", f"moved_{uuid4().hex[:8]}"
    with psycopg.connect(cluster.superuser_dsn(), autocommit=True) as connection:
        for statement in (
            "CREATE ROLE {owner} LOGIN",
            "GRANT bursar_app, bursar_ledger TO {owner}",
            "CREATE DATABASE {name} TEMPLATE template0 OWNER {owner}",
        ):
            connection.execute(sql.SQL(statement).format(owner=sql.Identifier(owner), name=sql.Identifier(name)))
    login = cluster.superuser_dsn(name).replace("postgres@", f"{owner}@", 1)
    addresses = DatabaseAddresses(Address(login), Address(login, "bursar_app"), Address(login, "bursar_ledger"))
    try:
        await asyncio.to_thread(migrate.upgrade, addresses.owner)
        await restore(addresses, tmp_path / "bursar.backup")
        assert await contents(addresses) == await contents(database.addresses)
        async with connect_database(addresses) as again:
            assert await verify(again.ledger_pool) == []
    finally:
        cluster.drop_database(name)
        with psycopg.connect(cluster.superuser_dsn(), autocommit=True) as connection:
            connection.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(owner)))


async def test_a_database_without_a_schema_has_nothing_to_back_up(
    empty_database_addresses: DatabaseAddresses, tmp_path: Path
) -> None:
    with pytest.raises(BackupError, match="no schema"):
        await backup(empty_database_addresses, tmp_path / "bursar.backup")
    assert names_in(tmp_path) == []
