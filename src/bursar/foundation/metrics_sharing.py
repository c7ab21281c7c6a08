"""Metrics of all workers of one server, through small files: each writes its own once a second, whoever is asked reads
all of them.

A worker has a slot, and its file the slot's name: the successor of one that died goes on from its numbers. Before an
answer is given the answering worker writes its own file, so that no number that was told once is ever smaller in
another worker's answer.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import orjson
import structlog

from bursar.foundation.metrics import FAMILIES, Snapshot, WorkerMetrics, added

log = structlog.get_logger(__name__)

WRITE_SECONDS: Final = 1.0
STALE_SECONDS: Final = 10.0
"""A worker that has not written for so long is gone, and its gauges with it."""


def prepare_directory(directory: Path) -> None:
    """Empty, for our eyes only. Called once, before any worker starts."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in directory.glob("worker-*"):
        path.unlink(missing_ok=True)


class SharedMetrics:
    """One worker's share; `start`, then `stop`. Without a directory there is one worker, and no file."""

    def __init__(self, metrics: WorkerMetrics, directory: Path | None = None, *, slot: int = 0) -> None:
        self._metrics = metrics
        self._directory = directory
        self._name = f"worker-{slot}.json"
        self._task: asyncio.Task[None] | None = None
        self._writing = asyncio.Lock()
        if directory is not None:
            _, before = _read(directory / self._name)
            metrics.go_on_from(before)

    async def start(self) -> None:
        if self._directory is not None:
            await self._write(self._directory)
            self._task = asyncio.create_task(self._run(self._directory), name="metrics")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        if self._directory is not None:
            await self._write(self._directory)

    async def _run(self, directory: Path) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            try:
                await self._write(directory)
            except OSError as error:
                log.warning("metrics_not_written", error=str(error))

    async def _write(self, directory: Path) -> Snapshot:
        async with self._writing:
            snapshot = self._metrics.snapshot()
            await asyncio.to_thread(_write, directory / self._name, snapshot)
        return snapshot

    async def summed(self) -> Snapshot:
        """Over all workers, this one at this moment, the others as of a second ago."""
        if self._directory is None:
            return self._metrics.snapshot()
        try:
            own = await self._write(self._directory)
        except OSError as error:
            log.warning("metrics_not_written", error=str(error))
            own = self._metrics.snapshot()
        others = await asyncio.to_thread(_read_others, self._directory, self._name)
        return added(own, *others)


def _write(path: Path, snapshot: Snapshot) -> None:
    families = {name: [[list(labels), value] for labels, value in values.items()] for name, values in snapshot.items()}
    partial = path.with_suffix(".partial")
    partial.write_bytes(orjson.dumps({"at": time.time(), "families": families}))
    partial.replace(path)


def _read_others(directory: Path, own_name: str) -> list[Snapshot]:
    now = time.time()
    found = []
    for path in sorted(directory.glob("worker-*.json")):
        if path.name == own_name:
            continue
        at, snapshot = _read(path)
        if now - at > STALE_SECONDS:
            snapshot = {name: values for name, values in snapshot.items() if FAMILIES[name].kind != "gauge"}
        found.append(snapshot)
    return found


def _read(path: Path) -> tuple[float, Snapshot]:
    """When it was written, and what; nothing where there is no such file."""
    with suppress(OSError, orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        content = orjson.loads(path.read_bytes())
        snapshot: Snapshot = {
            name: {tuple(labels): value for labels, value in values}
            for name, values in content["families"].items()
            if name in FAMILIES
        }
        return float(content["at"]), snapshot
    return 0.0, {}
