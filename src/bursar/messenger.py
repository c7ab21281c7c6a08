"""Whoever tells people, as a process of its own beside the workers: writing mails must not cost calls their time.

One for each `bursar serve`, at a low priority, replaced when it dies. Several servers on one database each have one;
what is due is claimed row by row, so that they share the work. It ends with whoever started it, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import pickle
import signal
import sys
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import connect_database
from bursar.foundation.logs import configure_logs
from bursar.foundation.metrics import WorkerMetrics
from bursar.foundation.metrics_sharing import SharedMetrics
from bursar.foundation.secrets import Secrets, secret_keys
from bursar.foundation.settings import Settings
from bursar.notices.telling import running_notices

log = structlog.get_logger(__name__)

NICENESS: Final = 10
LEDGER_CONNECTIONS: Final = 4
STOP_SECONDS: Final = 15.0
RESTART_SECONDS: Final = (1.0, 30.0)
"""The pause before it is started again: the first time, doubling up to the last while it dies at once."""
LIVED_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the messenger is told by whoever starts it, on its standard input."""

    settings: Settings
    addresses: DatabaseAddresses
    metrics_dir: Path | None
    slot: int


# --- the side of whoever starts it -----------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def kept_messenger(assignment: Assignment) -> AsyncIterator[None]:
    """Keep a messenger at work until the block ends."""
    task = asyncio.create_task(_keep(assignment), name="messenger")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _keep(assignment: Assignment) -> None:
    loop = asyncio.get_running_loop()
    pause = RESTART_SECONDS[0]
    while True:
        began = loop.time()
        try:
            exit_code = await _run_once(assignment)
        except OSError as error:
            log.error("messenger_not_started", error=str(error), alert="operator")
        else:
            log.error("messenger_died", exit_code=exit_code, alert="operator")
        lived = loop.time() - began > LIVED_SECONDS
        pause = RESTART_SECONDS[0] if lived else pause
        await asyncio.sleep(pause)
        pause = min(pause * 2, RESTART_SECONDS[1])


async def _run_once(assignment: Assignment) -> int:
    """Its exit status; stopped in order when this is cancelled. Raises `OSError` if it cannot be started."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from bursar.messenger import main; main()", stdin=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    try:
        process.stdin.write(pickle.dumps(assignment))
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        return await process.wait()
    except asyncio.CancelledError:
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        raise
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


# --- the messenger itself --------------------------------------------------------------------------------------------


async def work(assignment: Assignment, stopping: asyncio.Event) -> None:
    """Tell people until `stopping`. Raises `SettingsError`, `SecretsError`, `DatabaseSetupError`, each of one line."""
    settings = assignment.settings
    async with connect_database(assignment.addresses, app_pool_size=1, ledger_pool_size=LEDGER_CONNECTIONS) as database:
        secrets = Secrets(secret_keys(settings.secret_keys, settings.data_dir))
        async with running_notices(settings, database, secrets) as telling:
            metrics = WorkerMetrics(serves=False)
            metrics.watch_labelled("bursar_notices", telling.outcomes)
            shared = SharedMetrics(metrics, assignment.metrics_dir, slot=assignment.slot)
            await shared.start()
            try:
                await stopping.wait()
            finally:
                await shared.stop()


async def _until_told(assignment: Assignment) -> None:
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    descriptor = sys.stdin.fileno()

    def wait_for_the_end() -> None:
        while os.read(descriptor, 4096):
            pass
        with contextlib.suppress(RuntimeError):  # The loop has ended already.
            loop.call_soon_threadsafe(stopping.set)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGTERM, stopping.set)
    await work(assignment, stopping)


def main() -> None:
    # The keyboard's signals go to all processes; ours is the end of standard input, after calls have been drained.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(AttributeError, OSError):
        os.nice(NICENESS)
    assignment: Assignment = pickle.load(sys.stdin.buffer)
    configure_logs(level=assignment.settings.log_level, log_format=assignment.settings.log_format)
    work_done = _until_told(assignment)
    try:
        import uvloop
    except ImportError:
        asyncio.run(work_done)
    else:
        uvloop.run(work_done)
