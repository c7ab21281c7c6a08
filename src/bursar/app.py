"""Composes everything: the only file that knows all rooms. One worker's life, from open pools to drained calls.

The hot path is plain ASGI; management and the rest is FastAPI in the same callable, told apart by path.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final

import structlog
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse

from bursar.billing.api import create_api
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database, connect_database
from bursar.foundation.health import readiness
from bursar.foundation.secrets import Secrets, secret_keys
from bursar.foundation.settings import Settings, SettingsError, reload_settings
from bursar.gateway.asgi import AsgiApp, Receive, Scope, Send
from bursar.gateway.gateway import Gateway
from bursar.gateway.routes import gateway_routes, unmatched
from bursar.gateway.wiring import CallRecord, Configuration, GatewayWiring, unobserved
from bursar.identity.authenticator import Authenticator
from bursar.identity.wiring import Wiring
from bursar.ledger.engine import EngineLimits, Ledger
from bursar.notices.delivery import open_delivery
from bursar.notices.news import ShortageNews
from bursar.notices.observing import Observer
from bursar.notices.rider import NoticeRider
from bursar.notices.routes import notice_routers

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS: Final = 20
"""How long running calls may go on after a worker was told to stop; then their holds are left to the reaper."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker's parts, for those who need more than the ASGI callable."""

    app: AsgiApp
    database: Database
    ledger: Ledger
    gateway: Gateway

    def reload(self, settings: Settings) -> None:
        """Prices and upstreams of `settings`, from the next call on. Raises `ValueError`."""
        self.gateway.reconfigure(Configuration.from_settings(settings))


@contextlib.asynccontextmanager
async def running_parts(
    settings: Settings,
    addresses: DatabaseAddresses,
    *,
    on_finished: Callable[[CallRecord], None] = unobserved,
) -> AsyncIterator[Worker]:
    """Everything of a worker but its socket. At the end calls finish, then settlements, then mails, then the pools."""
    async with connect_database(
        addresses, app_pool_size=settings.app_pool_size, ledger_pool_size=settings.ledger_pool_size
    ) as database:
        ledger = Ledger(database.ledger_pool, rider=NoticeRider(), limits=_engine_limits(settings))
        authenticator = Authenticator(database, root_key=settings.root_key)
        secrets = Secrets(secret_keys(settings.secret_keys, settings.data_dir))
        observer = Observer(database.ledger_pool)
        delivery = open_delivery(
            database.ledger_pool,
            mail_url=settings.mail_url,
            mail_from=settings.mail_from,
            public_url=settings.public_url,
            secrets=secrets,
        )
        news = ShortageNews(database.ledger_pool)
        gateway = Gateway(
            GatewayWiring(
                database=database,
                ledger=ledger,
                identities=authenticator,
                configuration=Configuration.from_settings(settings),
                public_url=settings.public_url,
                notified_at=news.notified_at,
                on_finished=on_finished,
                workers=settings.workers,
            )
        )
        wiring = Wiring(
            database=database,
            authenticator=authenticator,
            ledger=ledger,
            public_url=settings.public_url,
            told_at=news.notified_at,
        )
        await ledger.start()
        await authenticator.start()
        await delivery.start()
        await observer.start()
        try:
            api = create_api(wiring, *notice_routers(secrets, settings.public_url))
            _add_health(api, database)
            yield Worker(dispatcher(gateway, api), database, ledger, gateway)
        finally:
            await gateway.aclose(SHUTDOWN_SECONDS)
            await observer.stop()
            await delivery.stop()
            await authenticator.stop()
            await ledger.stop()


def _engine_limits(settings: Settings) -> EngineLimits:
    return EngineLimits(
        queue_commands=settings.reserve_queue_limit,
        queue_seconds=settings.reserve_queue_millis / 1000,
        wait_for_held_seconds=settings.held_funds_wait_millis / 1000,
    )


def _add_health(api: FastAPI, database: Database) -> None:
    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        found = await readiness({"database": database.ping})
        return JSONResponse(found.to_body(), status_code=found.http_status)

    api.add_route("/healthz", healthz, methods=["GET"], include_in_schema=False)
    api.add_route("/readyz", readyz, methods=["GET"], include_in_schema=False)


def dispatcher(gateway: Gateway, api: AsgiApp) -> AsgiApp:
    """Gateway routes by an exact look-up, what else is below `/v1/` answered likewise, the rest to the framework."""
    routes = {(route.method, route.path): route.app for route in gateway_routes(gateway)}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            route = routes.get((scope["method"], scope["path"]))
            if route is not None:
                await route(scope, receive, send)
                return
            if scope["path"].startswith("/v1/"):
                await unmatched(scope, receive, send)
                return
        await api(scope, receive, send)

    return app


# --- serving ---------------------------------------------------------------------------------------------------------


class Server(uvicorn.Server):
    """Runs inside our own loop: signals are ours, so that what has to end ends in order."""

    on_started: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.on_started is not None:
            self.on_started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run_worker(
    settings: Settings,
    addresses: DatabaseAddresses,
    listening: socket.socket,
    *,
    on_started: Callable[[], None] = lambda: None,
) -> None:
    """Serve on an open socket until SIGTERM or SIGINT; SIGHUP reads prices and upstreams again."""
    async with running_parts(settings, addresses) as worker:
        server = new_server(worker.app)
        with _signals(server, settings, worker):
            gc.freeze()
            gc.set_threshold(50_000, 50, 100)
            server.on_started = on_started
            await server.serve(sockets=[listening])


def new_server(app: AsgiApp) -> Server:
    """The HTTP server, as measured in docs/decisions/0004-http-stack.md."""
    return Server(
        uvicorn.Config(
            app,
            http="httptools",
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
