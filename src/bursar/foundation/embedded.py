"""The embedded PostgreSQL: one server per data directory, shared by every bursar command on that directory.

Whoever comes first starts it, later ones join it, the last one to leave stops it. Users are counted by
a shared file lock, which the system drops when a process dies: a server that outlived a killed bursar is
simply joined by the next one. Only the wheel's binaries are used, see docs/decisions/0002.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final

from bursar.foundation.embedded_cluster import Cluster, ServerAddress, Transport
from bursar.foundation.embedded_directories import (
    EmbeddedPostgresError,
    ServerUser,
    ensure_server_user,
    prepare_data_dir,
)
from bursar.foundation.file_locks import SharedLock, exclusive_lock

_LOCK_TIMEOUT_SECONDS: Final = 120.0
_TRANSPORT: Final[Transport] = "tcp" if sys.platform == "win32" else "unix"


class EmbeddedPostgres:
    """This process's share in the server of one data directory. All methods block; call them off the event loop."""

    def __init__(
        self,
        data_dir: Path,
        *,
        extra_settings: Mapping[str, str] | None = None,
        start_timeout_seconds: float = 60.0,
        transport: Transport = _TRANSPORT,
        install: Path | None = None,
    ) -> None:
        """Nothing is started yet. Raises `EmbeddedPostgresError` if `data_dir` cannot be used.

        `extra_settings` override PostgreSQL's; `transport` and `install` are what tests vary.
        """
        self.server_user: ServerUser | None = ensure_server_user()
        self.data_dir = prepare_data_dir(data_dir, self.server_user)
        self._cluster = Cluster(
            self.data_dir,
            self.server_user,
            extra_settings=extra_settings or {},
            transport=transport,
            install=install,
        )
        self._start_timeout_seconds = start_timeout_seconds
        self._share: SharedLock | None = None
        self._address: ServerAddress | None = None

    @classmethod
    def start_or_join(cls, data_dir: Path, *, extra_settings: Mapping[str, str] | None = None) -> EmbeddedPostgres:
        """The running server of `data_dir`, created and started as needed. Raises `EmbeddedPostgresError`."""
        server = cls(data_dir, extra_settings=extra_settings)
        server.start()
        return server

    @property
    def address(self) -> ServerAddress:
        if self._address is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL was not started")
        return self._address

    def is_running(self) -> bool:
        """Whether a server of this data directory listens, whoever started it."""
        return self._cluster.running() is not None

    @property
    def bin_dir(self) -> Path:
        """PostgreSQL's programs, for backup and restore."""
        return self._cluster.bin_dir()

    def start(self) -> None:
        """Start or join the server; also brings back one that died. Raises `EmbeddedPostgresError`."""
        with self._alone():
            share = self._share or SharedLock(self.data_dir / "users.lock")
            try:
                self._address = self._cluster.bring_up(self._start_timeout_seconds)
            except BaseException:
                if self._share is None:
                    share.leave()
                raise
            self._share = share

    def ensure_running(self) -> bool:
        """Bring back a server that died under us; true if that was needed. Raises `EmbeddedPostgresError`."""
        if self._share is None or self.address.accepts():
            return False
        self.start()
        return True

    def stop(self) -> bool:
        """Leave; stops the server and answers true if nobody else uses it. Stopping twice changes nothing."""
        if self._share is None:
            return False
        with self._alone():
            last = self._share.leave()
            self._share = None
            if last:
                self._cluster.stop()
        return last

    def _alone(self) -> AbstractContextManager[None]:
        return exclusive_lock(self.data_dir / "start.lock", timeout_seconds=_LOCK_TIMEOUT_SECONDS)
