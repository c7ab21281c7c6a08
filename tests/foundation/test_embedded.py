"""The embedded PostgreSQL's life, with real processes: start, join, adopt, recover, refuse."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from bursar.foundation.addresses import embedded_dsn
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.embedded_cluster import SUPERUSER
from bursar.foundation.embedded_directories import EmbeddedPostgresError, packaged_install
from tests.support.cluster import UNSAFE_BUT_FAST, new_data_directory, remove_data_directory

_SAFE = {**UNSAFE_BUT_FAST, "fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}
_AS_ROOT = sys.platform != "win32" and os.geteuid() == 0
_COMMAND = """
import sys
from pathlib import Path
from bursar.foundation.embedded import EmbeddedPostgres
from tests.foundation.test_embedded import _SAFE
server = EmbeddedPostgres.start_or_join(Path(sys.argv[1]), extra_settings=_SAFE)
print("up", server.address.host, flush=True)
sys.stdin.read()
print("last" if server.stop() else "not last", flush=True)
"""


class Command:
    """Another bursar command on the same data directory."""

    def __init__(self, data_dir: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, str(data_dir)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_until_up(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().split()
        assert line[0] == "up"
        return line[1]

    def end(self) -> str:
        answer, _ = self.process.communicate("", timeout=60)
        return answer.strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _join(data_dir: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres.start_or_join(data_dir, extra_settings=_SAFE)


def _query(server: EmbeddedPostgres, query: str) -> object:
    dsn = embedded_dsn(server.address, user=SUPERUSER, database="postgres")
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(query.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def _server_pid(data_dir: Path) -> int:
    return int((data_dir / "postgresql" / "postmaster.pid").read_text().split()[0])


def _kill_server(data_dir: Path) -> None:
    """A signal takes a moment to arrive."""
    os.kill(_server_pid(data_dir), signal.SIGKILL)
    while _runs(data_dir):
        time.sleep(0.01)


def _runs(data_dir: Path) -> bool:
    return EmbeddedPostgres(data_dir).is_running()


def test_a_second_command_joins_and_the_last_one_stops_the_server(data_dir: Path) -> None:
    first = Command(data_dir)
    socket_directory = first.wait_until_up()
    pid = _server_pid(data_dir)
    second = _join(data_dir)
    assert second.address.host == socket_directory
    assert _server_pid(data_dir) == pid
    assert first.end() == "not last"
    assert _query(second, "SELECT 1") == 1
    assert second.stop() is True
    assert second.stop() is False
    assert not _runs(data_dir)


def test_two_commands_that_start_at_once_share_one_server() -> None:
    """From an empty directory: even the cluster is made only once."""
    directory = new_data_directory()
    try:
        commands = [Command(directory) for _ in range(3)]
        assert len({command.wait_until_up() for command in commands}) == 1
        assert [command.end() for command in commands] == ["not last", "not last", "last"]
        assert not _runs(directory)
    finally:
        remove_data_directory(directory)


def test_a_server_that_outlived_its_killed_command_is_adopted_and_then_stopped(data_dir: Path) -> None:
    killed = Command(data_dir)
    killed.wait_until_up()
    pid = _server_pid(data_dir)
    killed.kill()
    assert _runs(data_dir)
    heir = _join(data_dir)
    assert _server_pid(data_dir) == pid
    assert heir.stop() is True
    assert not _runs(data_dir)


def test_after_a_kill_of_the_server_itself_what_was_committed_is_there(data_dir: Path) -> None:
    first = Command(data_dir)
    first.wait_until_up()
    server = _join(data_dir)
    _query(server, "CREATE TABLE kept AS SELECT 42 AS answer")
    _kill_server(data_dir)
    first.kill()
    server.stop()
    assert (data_dir / "postgresql" / "postmaster.pid").exists()
    heir = _join(data_dir)
    assert _query(heir, "SELECT answer FROM kept") == 42
    assert heir.stop() is True


def test_a_server_that_died_under_a_living_command_is_brought_back(data_dir: Path) -> None:
    server = _join(data_dir)
    address = server.address
    assert server.ensure_running() is False
    _kill_server(data_dir)
    assert server.ensure_running() is True
    assert server.address == address
    assert _query(server, "SELECT 1") == 1
    assert server.stop() is True


def test_a_stale_pid_file_whose_number_belongs_to_somebody_else_is_no_obstacle(data_dir: Path) -> None:
    """As after a restart of a container, where process numbers begin again."""
    server = _join(data_dir)
    user = server.server_user
    pid_file = data_dir / "postgresql" / "postmaster.pid"
    content = pid_file.read_text()
    server.stop()
    identity = {"user": user.uid, "group": user.gid} if user else {}
    with subprocess.Popen(["sleep", "60"], **identity) as somebody:  # type: ignore[call-overload]
        pid_file.write_text(f"{somebody.pid}\n" + content.partition("\n")[2])
        if user:
            os.chown(pid_file, user.uid, user.gid)
        heir = _join(data_dir)
        assert _query(heir, "SELECT 1") == 1
        assert somebody.poll() is None
        heir.stop()
        somebody.kill()


def test_an_interrupted_initdb_is_done_again() -> None:
    directory = new_data_directory()
    try:
        (directory / "postgresql.new").mkdir()
        (directory / "postgresql.new" / "PG_VERSION").write_text("18\n")
        server = EmbeddedPostgres.start_or_join(directory, extra_settings=UNSAFE_BUT_FAST)
        assert _query(server, "SHOW server_version_num") >= "180000"  # type: ignore[operator]
        server.stop()
    finally:
        remove_data_directory(directory)


def test_a_long_path_gets_a_short_socket_directory(initialised: Path) -> None:
    base = new_data_directory()
    directory = base / ("a" * 60) / ("b" * 60)
    directory.parent.mkdir()
    subprocess.run(["cp", "-a", str(initialised), str(directory)], check=True)
    try:
        server = _join(directory)
        assert len(server.address.host) < 90
        assert Path(server.address.host).stat().st_mode & 0o077 == 0
        assert _query(server, "SELECT 1") == 1
        server.stop()
        shutil.rmtree(server.address.host)
    finally:
        remove_data_directory(base)


def test_only_the_server_and_root_pass_to_the_socket_and_no_port_is_open(data_dir: Path) -> None:
    server = _join(data_dir)
    assert Path(server.address.host).stat().st_mode & 0o077 == 0
    assert (data_dir / "postgresql").stat().st_mode & 0o077 == 0
    assert _query(server, "SHOW listen_addresses") == ""
    server.stop()


def test_on_a_port_a_password_is_needed() -> None:
    """What Windows does, tried here: the same code with TCP instead of a Unix socket."""
    directory = new_data_directory()
    try:
        server = EmbeddedPostgres(directory, extra_settings=UNSAFE_BUT_FAST, transport="tcp")
        server.start()
        address = server.address
        assert address.host == "127.0.0.1"
        assert _query(server, "SELECT 1") == 1
        dsn = f"postgresql://{SUPERUSER}:wrong@{address.host}:{address.port}/postgres"
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(dsn)
        assert (directory / "postgresql.password").stat().st_mode & 0o077 == 0
        assert address.password is not None
        assert address.password not in repr(address)
        assert server.stop() is True
    finally:
        remove_data_directory(directory)


def test_a_server_that_cannot_start_says_why_in_one_line(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, extra_settings={"shared_buffers": "lots"})
    with pytest.raises(EmbeddedPostgresError, match="shared_buffers") as raised:
        server.start()
    assert "\n" not in str(raised.value)
    assert _join(data_dir).stop() is True


@pytest.mark.skipif(not _AS_ROOT, reason="only root runs the server as another user")
def test_a_directory_below_a_private_one_is_refused_and_never_opened_up() -> None:
    base = new_data_directory()
    private = base / "private"
    private.mkdir(mode=0o700)
    try:
        with pytest.raises(EmbeddedPostgresError, match=f"{private} is closed to the system user") as raised:
            EmbeddedPostgres(private / "data")
        assert "\n" not in str(raised.value)
        assert private.stat().st_mode & 0o777 == 0o700
    finally:
        shutil.rmtree(base)


@pytest.mark.skipif(not _AS_ROOT, reason="only root runs the server as another user")
def test_programs_below_a_private_directory_are_copied_not_opened_up(data_dir: Path) -> None:
    base = new_data_directory()
    site = base / "private" / "site-packages"
    site.parent.mkdir(mode=0o700)
    packaged = packaged_install()
    shutil.copytree(packaged, site / packaged.parent.name / packaged.name, symlinks=True)
    libraries = packaged.parent.parent / f"{packaged.parent.name}.libs"
    if libraries.exists():
        shutil.copytree(libraries, site / libraries.name)
    try:
        server = EmbeddedPostgres(data_dir, extra_settings=_SAFE, install=site / packaged.parent.name / packaged.name)
        server.start()
        assert _query(server, "SELECT 1") == 1
        assert server.bin_dir.is_relative_to(data_dir / "postgresql-18")
        assert site.parent.stat().st_mode & 0o777 == 0o700
        assert server.stop() is True
    finally:
        shutil.rmtree(base)
