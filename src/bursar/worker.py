"""A worker as a process: its HTTP server, its signals, its end."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator

import structlog
import uvicorn

from bursar.app import SHUTDOWN_SECONDS, Place, Worker, running_parts
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.settings import Settings, SettingsError, reload_settings
from bursar.gateway.asgi import AsgiApp
from bursar.gateway.impatience import ImpatientProtocol

log = structlog.get_logger(__name__)


class Server(uvicorn.Server):
    """Runs inside our own loop: signals are ours, so that what has to end ends in order."""

    on_started: Callable[[], None] | None = None
    on_stopping: Callable[[], None] | None = None
    """Ends what would not end by itself, before the running requests are waited for."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.on_started is not None:
            self.on_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self.on_stopping is not None:
            self.on_stopping()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_worker(
    settings: Settings,
    addresses: DatabaseAddresses,
    listening: socket.socket,
    *,
    place: Place | None = None,
    on_started: Callable[[], None] = lambda: None,
) -> None:
    """Serve on an open socket until SIGTERM or SIGINT; SIGHUP reads prices and upstreams again.

    Notices are a messenger's, beside it.
    """
    async with running_parts(settings, addresses, place=place, tells=False) as worker:
        server = new_server(worker.app)
        with _signals(server, settings, worker):
            gc.freeze()
            gc.set_threshold(50_000, 50, 100)
            server.on_started = on_started
            server.on_stopping = worker.end_streams
            await server.serve(sockets=[listening])


def new_server(app: AsgiApp) -> Server:
    """The HTTP server, as measured in docs/decisions/0004-http-stack.md."""
    return Server(
        uvicorn.Config(
            app,
            http=ImpatientProtocol,
            ws="none",
            lifespan="off",
            access_log=False,
            log_config=None,
            log_level="warning",
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
            backlog=4096,
        )
    )


@contextlib.contextmanager
def _signals(server: Server, settings: Settings, worker: Worker) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if server.should_exit:
            server.force_exit = True
        server.should_exit = True

    def reload() -> None:
        try:
            worker.reload(reload_settings(settings))
            log.info("settings_reloaded")
        except (SettingsError, ValueError) as error:
            log.error("settings_not_reloaded", error=str(error), alert="operator")

    handlers: dict[signal.Signals, Callable[[], None]] = {signal.SIGINT: stop, signal.SIGTERM: stop}
    if hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = reload
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
