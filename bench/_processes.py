"""Start the servers that a bench compares, know when they answer, read what they cost, end them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Server:
    """A process that listens on 127.0.0.1:`port`."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpu_seconds(self) -> float:
        """CPU time of the process and its descendants so far; NaN where /proc does not tell."""
        try:
            return sum(_cpu_seconds(pid) for pid in _family(self.pid))
        except OSError:
            return float("nan")

    def resident_megabytes(self) -> float:
        """Memory of the process and its descendants, shared pages counted for each; NaN without /proc."""
        try:
            pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in _family(self.pid))
        except OSError:
            return float("nan")
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(descendant for child in children for descendant in _family(int(child)))]


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


@contextlib.asynccontextmanager
async def running(
    *arguments: str, port: int, environment: Mapping[str, str] | None = None, timeout_seconds: float = 30
) -> AsyncIterator[Server]:
    """Run `python ARGUMENTS…` until the block ends; yield when something listens on `port`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env={**os.environ, **(environment or {})},
    )
    try:
        await _until_listening(process, port, timeout_seconds)
        yield Server(process.pid, port)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), 10)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _until_listening(process: asyncio.subprocess.Process, port: int, timeout_seconds: float) -> None:
    deadline = time.monotonic() + timeout_seconds
    while True:
        if process.returncode is not None:
            raise RuntimeError(f"the server ended with {process.returncode} before it listened")
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


@contextlib.asynccontextmanager
async def running_upstream(port: int | None = None) -> AsyncIterator[Server]:
    """The canned upstream of `bench._upstream`."""
    port = port or free_port()
    async with running("-m", "bench._upstream", str(port), port=port) as server:
        yield server
