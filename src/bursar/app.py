"""Composes everything: the only file that knows all rooms. One worker's life, from open pools to drained calls.

The hot path is plain ASGI; the web pages and, for management and the rest, FastAPI are in the same callable, told apart
by path.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from bursar.billing.api import create_api
from bursar.billing.upkeep import Upkeep
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database, connect_database
from bursar.foundation.health import readiness
from bursar.foundation.metrics import WorkerMetrics
from bursar.foundation.metrics_exposition import DatabaseSample, Exposition
from bursar.foundation.metrics_sharing import SharedMetrics
from bursar.foundation.secrets import Secrets, secret_keys
from bursar.foundation.settings import Settings
from bursar.foundation.tracing import Tracing, is_wanted
from bursar.gateway.asgi import AsgiApp, Receive, Scope, Send
from bursar.gateway.gateway import Gateway
from bursar.gateway.routes import gateway_routes, unmatched
from bursar.gateway.routes_operator import Serving, operator_router
from bursar.gateway.wiring import CallRecord, Configuration, GatewayWiring, log_alert, unobserved
from bursar.identity.authenticator import Authenticator
from bursar.identity.internal_token import GatewayIdentities, InternalTokens
from bursar.identity.sign_in.all_routes import router as sign_in_router
from bursar.identity.sign_in.desk import SignIn
from bursar.identity.wiring import Wiring
from bursar.ledger.engine import EngineLimits, Ledger
from bursar.ledger.pruning import Pruning, resolved_holds
from bursar.notices.live.hub import LiveHub
from bursar.notices.news import ShortageNews
from bursar.notices.operators.news import OperatorNews
from bursar.notices.pruning import notice_chores
from bursar.notices.rider import NoticeRider
from bursar.notices.routes import notice_routers
from bursar.notices.telling import running_notices
from bursar.webpages.bundle import read_bundle
from bursar.webpages.site import Site
from bursar.workspace.routes import BODY_LIMITS as WORKSPACE_BODY_LIMITS
from bursar.workspace.routes import router as workspace_router
from bursar.workspace.runs import Runs
from bursar.workspace.wiring import Workspace, provide

SHUTDOWN_SECONDS: Final = 20
"""How long running calls may go on after a worker was told to stop; then their holds are left to the reaper."""

OnFinished = Callable[[CallRecord], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a worker stands among its likes: its number, and where they leave their counts for one another."""

    slot: int = 0
    metrics_dir: Path | None = None
    """`None` where there is only one worker."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker's parts, for those who need more than the ASGI callable."""

    app: AsgiApp
    database: Database
    ledger: Ledger
    gateway: Gateway
    live: LiveHub
    runs: Runs

    def end_streams(self) -> None:
        """What would go on for long ends now, as it is told to whoever follows: the worker is about to stop."""
        self.live.end_all()
        self.runs.interrupt_all()

    def reload(self, settings: Settings) -> None:
        """Prices and upstreams of `settings`, from the next call on. Raises `ValueError`."""
        self.gateway.reconfigure(Configuration.from_settings(settings))


@contextlib.asynccontextmanager
async def running_parts(
    settings: Settings,
    addresses: DatabaseAddresses,
    *,
    place: Place | None = None,
    on_finished: OnFinished = unobserved,
    tells: bool = True,
) -> AsyncIterator[Worker]:
    """Everything of a worker but its socket. What is started later ends earlier: calls first, the pools last.

    `tells` is false where a messenger beside it sends the notices.

    Raises `SettingsError`, `SecretsError`, `TracingError`, `DatabaseSetupError`, each of one line.
    """
    async with contextlib.AsyncExitStack() as life:
        database = await life.enter_async_context(
            connect_database(
                addresses, app_pool_size=settings.app_pool_size, ledger_pool_size=settings.ledger_pool_size
            )
        )
        secrets = Secrets(secret_keys(settings.secret_keys, settings.data_dir))
        ledger = Ledger(database.engine_pool, rider=NoticeRider(), limits=_engine_limits(settings))
        await ledger.start()
        life.push_async_callback(ledger.stop)
        authenticator = Authenticator(database, root_key=settings.root_key)
        await authenticator.start()
        life.push_async_callback(authenticator.stop)
        metrics = WorkerMetrics()
        if tells:
            telling = await life.enter_async_context(running_notices(settings, database, secrets))
            metrics.watch_labelled("bursar_notices", telling.outcomes)
        await _start_upkeep(settings, database, ledger, metrics, life)
        news = ShortageNews(database.ledger_pool)
        heard = await _start_hearing(database, ledger, life)
        gateway = Gateway(
            GatewayWiring(
                database=database,
                ledger=ledger,
                identities=GatewayIdentities(authenticator, InternalTokens(secrets)),
                configuration=Configuration.from_settings(settings),
                public_url=settings.public_url,
                notified_at=news.notified_at,
                alert=metrics.alerting(heard.hearing(log_alert)),
                on_finished=_observers(settings, metrics, on_finished, life),
                workers=settings.workers,
                top_up_enabled=settings.top_up_enabled,
            )
        )
        life.push_async_callback(gateway.aclose, SHUTDOWN_SECONDS)
        _watch(metrics, ledger, gateway)
        wiring = Wiring(
            database=database,
            authenticator=authenticator,
            ledger=ledger,
            public_url=settings.public_url,
            top_up_enabled=settings.top_up_enabled,
            vouchers_enabled=settings.vouchers,
            payments=settings.payments,
            told_at=news.notified_at,
            sign_in=await _start_sign_in(settings, database, life),
        )
        live = await _start_live(database, authenticator, metrics, life)
        api = management_api(wiring, secrets, live, gateway)
        runs = await _start_workspace(api, database, gateway, secrets, metrics, life)
        shared = await _share(metrics, place or Place(), life)
        _add_probes(api, database, Exposition(shared, DatabaseSample(database.ledger_pool)))
        rest = Site(read_bundle(), cast(Any, behind_proxies(api, settings)))
        yield Worker(dispatcher(gateway, cast(AsgiApp, rest)), database, ledger, gateway, live, runs)


def management_api(wiring: Wiring, secrets: Secrets, live: LiveHub, serving: Serving) -> FastAPI:
    """Every route that is not the gateway's, of all rooms: a room's router stands here, and nowhere else.

    The walk of routes and roles (`tests/identity/test_access.py`) goes over what this returns.
    """
    return create_api(
        wiring,
        sign_in_router,
        *notice_routers(secrets, wiring.public_url, live),
        operator_router(serving),
        workspace_router,
        body_limits=WORKSPACE_BODY_LIMITS,
    )


async def _start_hearing(database: Database, ledger: Ledger, life: contextlib.AsyncExitStack) -> OperatorNews:
    """What operators are told of, wherever it happens."""
    heard = OperatorNews(database.ledger_pool, quarantined=lambda: ledger.statistics.quarantined)
    await heard.start()
    life.push_async_callback(heard.stop)
    return heard


async def _start_workspace(
    api: FastAPI,
    database: Database,
    gateway: Gateway,
    secrets: Secrets,
    metrics: WorkerMetrics,
    life: contextlib.AsyncExitStack,
) -> Runs:
    runs = Runs(database, gateway, InternalTokens(secrets))
    await runs.start()
    life.push_async_callback(runs.stop)
    metrics.watch("bursar_workspace_runs", lambda: len(runs.journals))
    provide(api.state, Workspace(runs, gateway))
    return runs


def behind_proxies(api: AsgiApp, settings: Settings) -> AsgiApp:
    """Who asks is whom a trusted proxy names last that is none itself; of anybody else, no such header is believed."""
    if not settings.trusted_proxies:
        return api
    return cast(AsgiApp, ProxyHeadersMiddleware(cast(Any, api), trusted_hosts=list(settings.trusted_proxies)))


def _engine_limits(settings: Settings) -> EngineLimits:
    return EngineLimits(
        queue_commands=settings.reserve_queue_limit,
        queue_seconds=settings.reserve_queue_millis / 1000,
        wait_for_held_seconds=settings.held_funds_wait_millis / 1000,
    )


async def _start_sign_in(settings: Settings, database: Database, life: contextlib.AsyncExitStack) -> SignIn:
    sign_in = SignIn.from_settings(settings, database)
    await sign_in.start()
    life.push_async_callback(sign_in.aclose)
    return sign_in


async def _start_live(
    database: Database, authenticator: Authenticator, metrics: WorkerMetrics, life: contextlib.AsyncExitStack
) -> LiveHub:
    live = LiveHub(database, authenticator)
    await live.start()
    life.push_async_callback(live.stop)
    metrics.watch("bursar_live_pages", lambda: live.open_pages)
    return live


async def _start_upkeep(
    settings: Settings, database: Database, ledger: Ledger, metrics: WorkerMetrics, life: contextlib.AsyncExitStack
) -> None:
    chores = (resolved_holds(settings.keep_holds_days), *notice_chores(settings.keep_notices_days))
    pruning, upkeep = Pruning(database.ledger_pool, chores), Upkeep(database, ledger)
    for part in (pruning, upkeep):
        await part.start()
        life.push_async_callback(part.stop)
    metrics.watch("bursar_pruned_rows", lambda: pruning.statistics.rows)


def _observers(
    settings: Settings, metrics: WorkerMetrics, on_finished: OnFinished, life: contextlib.AsyncExitStack
) -> OnFinished:
    """Everybody who hears of a finished call: metrics always, traces where they are wanted."""
    listeners: list[OnFinished] = [metrics.on_finished]
    if on_finished is not unobserved:
        listeners.append(on_finished)
    if is_wanted(settings.traces, os.environ):
        tracing = Tracing()
        tracing.start()
        life.push_async_callback(tracing.stop)
        metrics.watch_outcomes("bursar_spans", tracing.outcomes)
        listeners.append(tracing.on_finished)
    if len(listeners) == 1:
        return listeners[0]

    def tell(record: CallRecord) -> None:
        for listener in listeners:
            listener(record)

    return tell


def _watch(metrics: WorkerMetrics, ledger: Ledger, gateway: Gateway) -> None:
    metrics.watch_ledger(ledger.statistics)
    metrics.watch("bursar_ledger_queue_commands", lambda: ledger.queued)
    metrics.watch("bursar_kept_holds", lambda: len(ledger.liveness))
    metrics.watch("bursar_live_calls", lambda: gateway.live_calls)
    metrics.watch("bursar_open_settlements", lambda: gateway.open_settlements)


async def _share(metrics: WorkerMetrics, place: Place, life: contextlib.AsyncExitStack) -> SharedMetrics:
    shared = SharedMetrics(metrics, place.metrics_dir, slot=place.slot)
    await shared.start()
    life.push_async_callback(shared.stop)
    return shared


def _add_probes(api: FastAPI, database: Database, exposition: Exposition) -> None:
    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        found = await readiness({"database": database.ping})
        return JSONResponse(found.to_body(), status_code=found.http_status)

    async def metrics(request: Request) -> Response:
        body, content_type = await exposition.answer(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    for path, probe in (("/healthz", healthz), ("/readyz", readyz), ("/metrics", metrics)):
        api.add_route(path, probe, methods=["GET"], include_in_schema=False)


def dispatcher(gateway: Gateway, rest: AsgiApp) -> AsgiApp:
    """Gateway routes by an exact look-up, others below `/v1/` answered in their shape; pages, then the framework."""
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
        await rest(scope, receive, send)

    return app
