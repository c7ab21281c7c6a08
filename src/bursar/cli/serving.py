"""`bursar serve`: the database, the demo, the socket, and one worker or several."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from multiprocessing.process import BaseProcess
from multiprocessing.synchronize import Semaphore
from typing import Final

import structlog

from bursar.app import Place
from bursar.cli import demo
from bursar.cli.sockets import bound_socket, worker_socket
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database, connect_database, prepared_addresses
from bursar.foundation.logs import configure_logs
from bursar.foundation.metrics_sharing import prepare_directory
from bursar.foundation.secrets import Secrets, secret_keys
from bursar.foundation.settings import Settings, reload_settings
from bursar.gateway.demo_upstream.process import running_demo_upstream
from bursar.identity.root_key import ensure_root_key
from bursar.identity.sign_in.desk import first_link
from bursar.identity.sign_in.providers import read_providers
from bursar.messenger import Assignment, kept_messenger
from bursar.notices.telling import read_mail_settings
from bursar.worker import run_worker

log = structlog.get_logger(__name__)

WORKER_STOP_SECONDS: Final = 30.0


def run(main: object) -> None:
    """Run a coroutine on uvloop where there is one."""
    try:
        import uvloop
    except ImportError:
        asyncio.run(main)  # type: ignore[arg-type]
    else:
        uvloop.run(main)  # type: ignore[arg-type]


async def serve(settings: Settings) -> None:
    """Serve until told to stop. Raises `DatabaseSetupError`, `EmbeddedPostgresError` or `OSError` at the start."""
    if settings.demo:
        demo.check_loopback(settings)
    with bound_socket(settings.host, settings.port, workers=settings.workers) as bound:
        settings = replace(settings, port=bound.getsockname()[1])
        if settings.public_url.endswith(":0"):
            settings = replace(settings, public_url=f"http://{settings.host}:{settings.port}")
        read_mail_settings(mail_url=settings.mail_url, mail_from=settings.mail_from, public_url=settings.public_url)
        async with prepared_addresses(settings) as addresses:
            async with connect_database(addresses, app_pool_size=2, ledger_pool_size=2) as database:
                root_key = None if settings.root_key else await ensure_root_key(database)
                link = await _sign_in_link(settings, database)
            async with _demo(settings, addresses) as (settings, made):
                metrics_dir = settings.data_dir / "metrics" / str(settings.port)
                await asyncio.to_thread(prepare_directory, metrics_dir)
                messenger = Assignment(settings, addresses, metrics_dir, slot=settings.workers)
                async with kept_messenger(messenger):
                    await _serve(settings, addresses, bound, lambda: announce(settings, root_key, link, made))


async def _serve(
    settings: Settings, addresses: DatabaseAddresses, bound: socket.socket, on_started: Callable[[], None]
) -> None:
    place = Place(0, settings.data_dir / "metrics" / str(settings.port))
    if settings.workers == 1:
        await run_worker(settings, addresses, bound, place=place, on_started=on_started)
    else:
        await _run_workers(settings, addresses, bound, place, on_started)


@contextlib.asynccontextmanager
async def _demo(settings: Settings, addresses: DatabaseAddresses) -> AsyncIterator[tuple[Settings, demo.Demo | None]]:
    if not settings.demo:
        yield settings, None
        return
    async with running_demo_upstream() as base_url:
        async with connect_database(addresses, app_pool_size=2, ledger_pool_size=4) as database:
            made = await demo.prepare_demo(
                database,
                Secrets(secret_keys(settings.secret_keys, settings.data_dir)),
                public_url=settings.public_url,
                has_providers=bool(read_providers(settings.sign_in, os.environ)),
            )
        yield demo.with_demo_upstream(settings, base_url), made


async def _sign_in_link(settings: Settings, database: Database) -> str | None:
    """A one-time link for whoever runs this, where nobody could sign in otherwise."""
    secrets = Secrets(secret_keys(settings.secret_keys, settings.data_dir))
    providers = read_providers(settings.sign_in, os.environ)
    return await first_link(database, secrets, providers=providers, public_url=settings.public_url)


def announce(settings: Settings, root_key: str | None, link: str | None, made: demo.Demo | None) -> None:
    """What a person needs now, on standard output: URLs, keys that are shown once, a call that works when pasted."""
    lines = [f"Bursar listens on http://{settings.host}:{settings.port}"]
    if root_key is not None:
        lines.append(f"Root key (shown once, keep it): {root_key}")
    if link is not None:
        lines.append(f"Sign in as operator (works once, not for long): {link}")
    if made is not None:
        lines.extend(demo.lines(made, settings))
    lines.append("Ready. Stop with Ctrl-C.")
    print("\n".join(lines), flush=True)


# --- several workers -------------------------------------------------------------------------------------------------


async def _run_workers(
    settings: Settings,
    addresses: DatabaseAddresses,
    bound: socket.socket,
    place: Place,
    on_started: Callable[[], None],
) -> None:
    """Keep `settings.workers` processes on one port; one that dies is replaced, a signal ends them all.

    `place` is the first one's.
    """
    context = multiprocessing.get_context("spawn")
    started = context.Semaphore(0)
    stopping = asyncio.Event()
    reloading = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    if hasattr(signal, "SIGHUP"):
        loop.add_signal_handler(signal.SIGHUP, reloading.set)

    def start(slot: int) -> BaseProcess:
        arguments = (settings, addresses, bound, replace(place, slot=slot), started)
        process = context.Process(target=_worker_process, args=arguments, daemon=True)
        process.start()
        return process

    workers = [start(slot) for slot in range(settings.workers)]
    waiting = settings.workers
    try:
        while not stopping.is_set():
            while waiting and started.acquire(block=False):
                waiting -= 1
                if not waiting:
                    on_started()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), timeout=0.1)
            if reloading.is_set():
                reloading.clear()
                settings = reload_settings(settings)
                for worker in workers:
                    _signal(worker, signal.SIGHUP)
            for index, worker in enumerate(workers):
                if not worker.is_alive() and not stopping.is_set():
                    log.error("worker_died", exit_code=worker.exitcode, alert="operator")
                    workers[index] = start(index)
    finally:
        for worker in workers:
            _signal(worker, signal.SIGTERM)
        await asyncio.to_thread(_join, workers)


def _signal(worker: BaseProcess, number: signal.Signals) -> None:
    if worker.pid is not None and worker.is_alive():
        with contextlib.suppress(ProcessLookupError):
            os.kill(worker.pid, number)


def _join(workers: list[BaseProcess]) -> None:
    for worker in workers:
        worker.join(WORKER_STOP_SECONDS)
        if worker.is_alive():
            worker.kill()
            worker.join()


def _worker_process(
    settings: Settings, addresses: DatabaseAddresses, bound: socket.socket, place: Place, started: Semaphore
) -> None:
    configure_logs(level=settings.log_level, log_format=settings.log_format)
    try:
        run(run_worker(settings, addresses, worker_socket(bound), place=place, on_started=started.release))
    except KeyboardInterrupt:
        sys.exit(130)
