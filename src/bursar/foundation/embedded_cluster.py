"""One PostgreSQL cluster in a directory: create it, launch its server, see whether it runs, stop it.

Callers hold the data directory's start lock: nothing here guards against a second launcher.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from bursar.foundation.embedded_directories import (
    EmbeddedPostgresError,
    ServerUser,
    binaries,
    own_directory,
    socket_directory,
)

SUPERUSER: Final = "postgres"
_PORT: Final = 5432
_POLL_SECONDS: Final = 0.02
_STOP_TIMEOUT_SECONDS: Final = 60.0
_MAX_LOG_BYTES: Final = 10_000_000
_PID_FILE_LINES: Final = 8
_SETTINGS: Final[Mapping[str, str]] = {
    "fsync": "on",
    "synchronous_commit": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "max_wal_size": "1GB",
    "jit": "off",
    "unix_socket_permissions": "0700",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_line_prefix": "%m [%p] ",
}
_RETRIED: Final = ("is still in use", "lock file")
"""What PostgreSQL says while processes of its killed predecessor are still dying."""

Transport = Literal["unix", "tcp"]


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where the embedded server listens: a socket directory, or 127.0.0.1 with a port and a password (Windows)."""

    host: str
    port: int
    password: str | None = field(default=None, repr=False)

    def accepts(self) -> bool:
        """Whether anything listens there. A server that is still recovering listens, too."""
        try:
            if self.password is not None:
                socket.create_connection((self.host, self.port), timeout=1).close()
                return True
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(1)
                connection.connect(f"{self.host}/.s.PGSQL.{self.port}")
        except OSError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class _PidFile:
    """What PostgreSQL writes into postmaster.pid about itself."""

    pid: int
    port: int
    socket_dir: str
    host: str
    ready: bool


class Cluster:
    """The cluster below `data_dir`. Every method may raise `EmbeddedPostgresError`."""

    def __init__(
        self,
        data_dir: Path,
        user: ServerUser | None,
        *,
        extra_settings: Mapping[str, str],
        transport: Transport,
        install: Path | None,
    ) -> None:
        self._data_dir = data_dir
        self._directory = data_dir / "postgresql"
        self._log = data_dir / "postgresql.log"
        self._password_file = data_dir / "postgresql.password"
        self._user = user
        self._settings = {**_SETTINGS, **extra_settings}
        self._transport = transport
        self._install = install
        self._process: subprocess.Popen[bytes] | None = None
        self._last_port: int | None = None
        self._log_start = 0

    def bin_dir(self) -> Path:
        return binaries(self._data_dir, self._user, install=self._install)

    def running(self) -> ServerAddress | None:
        """The address of a server that listens, whoever started it; `None` if there is none."""
        pid_file = self._read_pid_file()
        if pid_file is None:
            return None
        address = self._address(pid_file)
        return address if address.accepts() else None

    def bring_up(self, timeout_seconds: float) -> ServerAddress:
        """Join the server that runs or is starting, or create and launch one, and wait until it is ready."""
        deadline = time.monotonic() + timeout_seconds
        if not (self._directory / "PG_VERSION").exists():
            self._initialise()
        while time.monotonic() < deadline:
            self._reap()
            pid_file = self._read_pid_file()
            if pid_file is not None and self._address(pid_file).accepts():
                if pid_file.ready:
                    self._last_port = pid_file.port
                    return self._address(pid_file)
            elif self._process is None and not (pid_file is not None and self._is_alive(pid_file.pid)):
                if pid_file is not None:
                    self._disown_pid_file(pid_file.pid)
                self._launch()
            time.sleep(_POLL_SECONDS)
        raise EmbeddedPostgresError(
            f"the embedded PostgreSQL was not ready within {timeout_seconds:g} seconds: {self._last_words()}"
        )

    def stop(self) -> None:
        """Fast shutdown; what does not end in time is ended as by a crash, which PostgreSQL recovers from."""
        for mode in ("fast", "immediate"):
            deadline = time.monotonic() + _STOP_TIMEOUT_SECONDS
            if self.running() is None:
                break
            try:
                self._run("pg_ctl", "stop", "-D", str(self._directory), "-m", mode, "-W")
            except EmbeddedPostgresError:
                # It may have died between the question and the signal.
                if self.running() is not None:
                    raise
            while self._is_stopping() and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_POLL_SECONDS)
            self._process = None

    def _is_stopping(self) -> bool:
        """PostgreSQL removes its postmaster.pid last of all, unless it was killed."""
        if self._process is not None:
            self._process.poll()
        pid_file = self._read_pid_file()
        return pid_file is not None and self._is_alive(pid_file.pid)

    def _reap(self) -> None:
        """Forget a server of ours that ended. Raises `EmbeddedPostgresError` if trying again is pointless."""
        if self._process is None or self._process.poll() is None:
            return
        self._process = None
        words = self._last_words()
        if "FATAL" in words and not any(text in words for text in _RETRIED):
            raise EmbeddedPostgresError(f"the embedded PostgreSQL did not start: {words}")

    def _read_pid_file(self) -> _PidFile | None:
        with suppress(OSError, ValueError):
            lines = (self._directory / "postmaster.pid").read_text().splitlines()
            lines += [""] * (_PID_FILE_LINES - len(lines))
            ready = lines[7].strip() == "ready"
            return _PidFile(int(lines[0]), int(lines[3] or _PORT), lines[4], lines[5], ready)
        return None

    def _address(self, pid_file: _PidFile) -> ServerAddress:
        if self._transport == "tcp":
            return ServerAddress(pid_file.host or "127.0.0.1", pid_file.port, self._password_file.read_text())
        return ServerAddress(pid_file.socket_dir or "/nonexistent", pid_file.port)

    def _is_alive(self, pid: int) -> bool:
        """Whether that process is this cluster's server: starting, running, or on its way out."""
        import psutil

        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            process = psutil.Process(pid)
            return process.status() != psutil.STATUS_ZOMBIE and Path(process.cwd()) == self._directory
        return False

    def _disown_pid_file(self, pid: int) -> None:
        """Make a left-over postmaster.pid harmless, if its number is something else by now, or a zombie.

        PostgreSQL would refuse to start while that number is alive, which is common after a restart of a
        container. Removing the file would also remove PostgreSQL's own check for surviving backends (it names
        their shared memory), so only the number is replaced, by one that is certainly dead.
        """
        import psutil

        if not psutil.pid_exists(pid):
            return
        with subprocess.Popen([sys.executable, "-c", ""]) as dead:
            dead.wait()
        path = self._directory / "postmaster.pid"
        # Opened without creating it: a server on its way out may be removing it just now.
        with suppress(FileNotFoundError), path.open("r+") as file:
            _, newline, rest = file.read().partition("\n")
            file.seek(0)
            file.write(f"{dead.pid}{newline}{rest}")
            file.truncate()

    def _initialise(self) -> None:
        """initdb beside and rename, so that a cluster is complete or absent."""
        new = self._data_dir / "postgresql.new"
        shutil.rmtree(new, ignore_errors=True)
        own_directory(new, self._user)
        arguments = ["--username", SUPERUSER, "--encoding", "UTF8", "--locale-provider", "builtin"]
        arguments += ["--builtin-locale", "C.UTF-8", "--locale", "C", "--auth-local", "trust", "-D", str(new)]
        if self._settings["fsync"] == "off":
            arguments.append("--no-sync")
        if self._transport == "tcp":
            arguments += ["--auth-host", "scram-sha-256", "--pwfile", str(self._new_password())]
        else:
            arguments += ["--auth-host", "reject"]
        self._run("initdb", *arguments)
        new.rename(self._directory)

    def _new_password(self) -> Path:
        self._password_file.unlink(missing_ok=True)
        descriptor = os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(32))
        if self._user:
            os.chown(self._password_file, self._user.uid, self._user.gid)
        return self._password_file

    def _launch(self) -> None:
        """Start the server in a session of its own, so that Ctrl-C in a terminal reaches only Bursar."""
        settings = dict(self._settings)
        if self._transport == "tcp":
            port = self._last_port or _free_port()
            settings |= {"listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": ""}
        else:
            directory = socket_directory(self._data_dir, self._user)
            settings |= {
                "listen_addresses": "",
                "port": str(_PORT),
                "unix_socket_directories": _quoted(directory),
            }
        command = [str(self.bin_dir() / _program("postgres")), "-D", str(self._directory)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        if self._log.exists() and self._log.stat().st_size > _MAX_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._directory,
                env=_environment(),
                start_new_session=True,
                **_as_user(self._user),
            )

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.bin_dir() / _program(program)), *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self._data_dir,
            env=_environment(),
            check=False,
            **_as_user(self._user),
        )
        if done.returncode != 0:
            words = " ".join((done.stderr.strip() or done.stdout.strip()).split())
            raise EmbeddedPostgresError(f"{program} of the embedded PostgreSQL failed: {words}")

    def _last_words(self) -> str:
        """The telling line of what the server last wrote, and where the rest is."""
        with suppress(OSError), self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read(_MAX_LOG_BYTES).decode(errors="replace").splitlines()
            fatal = [line for line in lines if "FATAL" in line or "PANIC" in line]
            return f"{(fatal or lines or ['it said nothing'])[-1].strip()} (see {self._log})"
        return f"see {self._log}"


def _as_user(user: ServerUser | None) -> dict[str, Any]:
    return {"user": user.uid, "group": user.gid, "extra_groups": []} if user else {}


def _environment() -> dict[str, str]:
    """Ours without what would steer PostgreSQL (PGDATA, PGPORT, …) or its messages' language."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C", "LANG": "C"}


def _program(name: str) -> str:
    return f"{name}.exe" if sys.platform == "win32" else name


def _quoted(directory: Path) -> str:
    """A directory as one item of a PostgreSQL list setting."""
    return '"' + str(directory).replace('"', '""') + '"'


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
