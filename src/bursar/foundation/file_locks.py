"""Locks on files, which the operating system drops by itself when their holder dies, however it dies.

Two kinds: `exclusive_lock` serialises processes, `SharedLock` counts the users of something.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.02

if sys.platform == "win32":  # pragma: no cover - exercised on Windows only
    import msvcrt
    import secrets

    _BYTES = 4096

    def _try_exclusive(descriptor: int) -> bool:
        os.lseek(descriptor, 0, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, _BYTES)
        except OSError:
            return False
        return True

    def _try_shared(descriptor: int) -> bool:
        # Windows' C runtime knows no shared locks: each sharer locks one byte of its own instead.
        os.lseek(descriptor, secrets.randbelow(_BYTES), os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _try(descriptor: int, operation: int) -> bool:
        try:
            fcntl.flock(descriptor, operation | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _try_exclusive(descriptor: int) -> bool:
        return _try(descriptor, fcntl.LOCK_EX)

    def _try_shared(descriptor: int) -> bool:
        return _try(descriptor, fcntl.LOCK_SH)


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


@contextmanager
def exclusive_lock(path: Path, *, timeout_seconds: float) -> Iterator[None]:
    """Hold `path` alone. Raises `TimeoutError` if others hold it for longer than `timeout_seconds`."""
    descriptor = _open(path)
    try:
        deadline = time.monotonic() + timeout_seconds
        while not _try_exclusive(descriptor):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{path} is locked by another process")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


class SharedLock:
    """One user of something that several processes use; the last one to leave can tell that it is the last."""

    def __init__(self, path: Path, *, timeout_seconds: float = 10.0) -> None:
        self._path = path
        descriptor = _open(path)
        deadline = time.monotonic() + timeout_seconds
        while not _try_shared(descriptor):
            if time.monotonic() > deadline:
                os.close(descriptor)
                raise TimeoutError(f"{path} is locked by another process")
            time.sleep(_POLL_SECONDS)
        self._descriptor: int | None = descriptor

    def leave(self) -> bool:
        """Let go; true for whoever was the last user. Leaving twice changes nothing and answers false.

        Joining and leaving must be serialised by an `exclusive_lock`, or a newcomer may be overlooked.
        """
        if self._descriptor is None:
            return False
        self.release()
        return not is_shared(self._path)

    def release(self) -> None:
        """Let go without asking who else is there."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_shared(path: Path) -> bool:
    """Whether any process holds a `SharedLock` on `path`."""
    descriptor = _open(path)
    try:
        return not _try_exclusive(descriptor)
    finally:
        os.close(descriptor)
