"""The file of a backup: a ZIP with a table in each entry, as PostgreSQL's COPY writes text, and a manifest.

Complete or absent: it is written beside its final name with mode 0600, brought to the disk, and then renamed. Every
table has a checksum of its own, so that what is read back is known to be what was written.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final

import orjson

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
CHUNK_BYTES: Final = 1 << 20
_LEVEL: Final = 3
_BROKEN: Final = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError)


class BackupError(ValueError):
    """A backup that cannot be written, read or restored; the message is one line for the operator."""


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One table as it stands in the file. `sha256` is of the uncompressed entry."""

    name: str
    columns: tuple[str, ...]
    rows: int
    size_bytes: int
    sha256: str

    @property
    def entry(self) -> str:
        return f"tables/{self.name}.copy"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup says about itself. `created_at` is the moment (RFC 3339) that its data are of."""

    revision: str
    created_at: str
    bursar_version: str
    server_version: str
    tables: tuple[TableEntry, ...]

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)

    def to_json(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "revision": self.revision,
            "createdAt": self.created_at,
            "bursarVersion": self.bursar_version,
            "serverVersion": self.server_version,
            "tables": [
                {
                    "name": table.name,
                    "columns": list(table.columns),
                    "rows": table.rows,
                    "bytes": table.size_bytes,
                    "sha256": table.sha256,
                }
                for table in self.tables
            ],
        }

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Manifest:
        tables = tuple(
            TableEntry(table["name"], tuple(table["columns"]), table["rows"], table["bytes"], table["sha256"])
            for table in found["tables"]
        )
        return cls(found["revision"], found["createdAt"], found["bursarVersion"], found["serverVersion"], tables)


@dataclass
class TableWriter:
    """Collects what one COPY sends."""

    _file: IO[bytes]
    _digest: Any = field(default_factory=hashlib.sha256)
    _waiting: bytearray = field(default_factory=bytearray)
    size_bytes: int = 0

    async def write(self, data: bytes) -> None:
        """Rows come one by one; they are compressed by the megabyte."""
        self._waiting += data
        if len(self._waiting) >= CHUNK_BYTES:
            self.flush()

    def flush(self) -> None:
        self.size_bytes += len(self._waiting)
        self._digest.update(self._waiting)
        self._file.write(self._waiting)
        self._waiting = bytearray()

    @property
    def sha256(self) -> str:
        return str(self._digest.hexdigest())


class BackupWriter:
    """A context: what is left without an exception is renamed to `path`; otherwise nothing remains.

    Raises `BackupError` where the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")

    def __enter__(self) -> BackupWriter:
        try:
            descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise BackupError(f"cannot write {self._path}: {error.strerror}") from error
        self._file = os.fdopen(descriptor, "wb")
        self._zip = zipfile.ZipFile(self._file, "w", zipfile.ZIP_DEFLATED, compresslevel=_LEVEL)
        return self

    @contextmanager
    def table(self, name: str) -> Iterator[TableWriter]:
        with self._zip.open(f"tables/{name}.copy", "w", force_zip64=True) as entry:
            writer = TableWriter(entry)
            yield writer
            writer.flush()

    def finish(self, manifest: Manifest) -> None:
        self._zip.writestr(MANIFEST, orjson.dumps(manifest.to_json(), option=orjson.OPT_INDENT_2))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if kind is None:
                self._zip.close()
                self._file.flush()
                os.fsync(self._file.fileno())
                self._file.close()
                self._partial.replace(self._path)
                _sync_directory(self._path.parent)
        except OSError as trouble:
            raise BackupError(f"cannot write {self._path}: {trouble.strerror}") from trouble
        finally:
            # Where it was closed above, this does nothing; else what it writes is thrown away.
            with suppress(Exception):
                self._zip.close()
            with suppress(OSError):
                self._file.close()
            self._partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.strerror:
            raise BackupError(f"cannot write {self._path}: {error.strerror}") from error


class BackupReader:
    """A context around a backup that is read. Raises `BackupError` for what is none, or is damaged."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> BackupReader:
        try:
            self._zip = zipfile.ZipFile(self._path)
        except OSError as error:
            raise BackupError(f"cannot read {self._path}: {error.strerror}") from error
        except zipfile.BadZipFile as error:
            raise BackupError(f"{self._path} is no backup of Bursar's, or is cut off") from error
        try:
            self.manifest = self._read_manifest()
        except BaseException:
            self._zip.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def _read_manifest(self) -> Manifest:
        try:
            found = orjson.loads(self._zip.read(MANIFEST))
            if found["format"] != FORMAT:
                raise BackupError(f"{self._path} has the format {found['format']}; this version reads {FORMAT}")
            return Manifest.from_json(found)
        except (*_BROKEN, KeyError, TypeError, orjson.JSONDecodeError) as error:
            raise BackupError(f"{self._path} is no backup of Bursar's, or is damaged") from error

    def chunks(self, table: TableEntry) -> Iterator[bytes]:
        """The table's content. Raises `BackupError` at the end if it is not what was written."""
        digest, size = hashlib.sha256(), 0
        try:
            with self._zip.open(table.entry) as entry:
                while chunk := entry.read(CHUNK_BYTES):
                    digest.update(chunk)
                    size += len(chunk)
                    yield chunk
        except (*_BROKEN, KeyError) as error:
            raise BackupError(f"{self._path} is damaged: the table {table.name} cannot be read") from error
        if digest.hexdigest() != table.sha256 or size != table.size_bytes:
            raise BackupError(f"{self._path} is damaged: the table {table.name} has another checksum")


def _sync_directory(directory: Path) -> None:
    """So that the new name survives a power cut, too. Not every system can."""
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
