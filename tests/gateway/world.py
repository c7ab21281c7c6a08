"""A whole gateway for tests: real PostgreSQL, real ledger, real HTTP on loopback, the demo upstream behind it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import aiohttp
import openai
import uvicorn

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.money import parse_amount
from bursar.foundation.settings_model import ModelPriceSettings, PricingSettings, UpstreamSettings
from bursar.gateway.gateway import Gateway
from bursar.gateway.impatience import ImpatientProtocol
from bursar.gateway.routes import gateway_routes, unmatched
from bursar.gateway.upstream_http import UpstreamClient
from bursar.gateway.upstreams import UpstreamTable
from bursar.gateway.wiring import DIALECTS, CallRecord, Configuration, GatewayWiring
from bursar.identity.authenticator import Authenticator
from bursar.identity.key_store import create_key
from bursar.identity.mandates import create_mandate
from bursar.identity.revision import note_change
from bursar.identity.users import add_user
from bursar.ledger.engine import EngineLimits, Ledger, LedgerUnavailable
from bursar.ledger.model import (
    BillingModelName,
    Command,
    Granted,
    Outcome,
    Post,
    Release,
    Reserve,
    Settle,
    TransferKind,
)
from bursar.pricing.catalogue import Catalogue
from bursar.pricing.quote import QuoteSettings
from tests.gateway.scripted import ScriptedUpstream

INPUT_NANOS = 1_000
OUTPUT_NANOS = 4_000
"""Per token, for every model of these tests: 1.00 and 4.00 CHF per million."""


async def eventually(happened: Callable[[], bool]) -> None:
    """Wait for something that is sure to happen soon."""
    async with asyncio.timeout(60):
        while not happened():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


def price(model: str, **facts: Any) -> ModelPriceSettings:
    return ModelPriceSettings(
        model=model,
        currency="CHF",
        input_per_million=Decimal("1.00"),
        output_per_million=Decimal("4.00"),
        **facts,
    )


@dataclass
class World:
    database: Database
    ledger: Ledger
    authenticator: Authenticator
    gateway: Gateway
    url: str
    mandate_id: UUID
    user_id: UUID
    user_key: str
    service_key: str
    owner_key: str
    alerts: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    records: list[CallRecord] = field(default_factory=list)
    session: aiohttp.ClientSession = field(default_factory=aiohttp.ClientSession)

    # --- money and terms ---------------------------------------------------------------------------------------------

    async def top_up(self, amount: str, *, wallet: UUID | None = None) -> None:
        await self.post(parse_amount(amount, field="amount"), wallet=wallet)

    async def post(self, nanos: int, *, wallet: UUID | None = None, kind: TransferKind = TransferKind.TOP_UP) -> None:
        await self.ledger.submit(
            Post(
                mandate_id=self.mandate_id,
                transfer_id=new_id(),
                account_id=wallet or self.mandate_id,
                payer="wallet" if wallet else "pool",
                kind=kind,
                amount_nanos=nanos,
                reason="test",
            )
        )

    async def drain_to(self, nanos: int) -> None:
        """Leave so much in the pool."""
        await self.post(nanos - await self.balance(), kind=TransferKind.CORRECTION)

    async def hold(self, nanos: int) -> UUID:
        """Somebody else's call takes this from the pool."""
        hold_id = new_id()
        outcome = await self.ledger.submit(
            Reserve(
                mandate_id=self.mandate_id,
                hold_id=hold_id,
                account_id=self.mandate_id,
                payer="pool",
                billing_model="PREPAY_MANDATE",
                minimum_nanos=nanos,
                desired_nanos=nanos,
            )
        )
        assert isinstance(outcome, Granted), outcome
        return hold_id

    async def release(self, hold_id: UUID) -> None:
        await self.ledger.submit(Release(mandate_id=self.mandate_id, hold_id=hold_id, account_id=self.mandate_id))

    async def change_settings(self, **columns: Any) -> None:
        """Billing settings, and whoever remembers others is told."""
        async with self.database.as_mandate(self.mandate_id) as connection:
            for column, value in columns.items():
                await connection.execute(
                    f"UPDATE billing_settings SET {column} = $2 WHERE mandate_id = $1",  # noqa: S608
                    self.mandate_id,
                    value,
                )
            await note_change(connection, self.mandate_id)
        await asyncio.sleep(0.05)

    async def settled(self) -> None:
        """Wait until every call has come to its end and was settled."""
        await eventually(lambda: not self.gateway.live_calls and not self.gateway.open_settlements)

    def ledger_fails_for_settles(self, times: int) -> None:
        """As if the database were away just when calls end."""
        submit = self.ledger.submit

        async def failing(command: Command) -> Outcome:
            nonlocal times
            if isinstance(command, Settle) and times > 0:
                times -= 1
                raise LedgerUnavailable("away")
            return await submit(command)

        self.ledger.submit = failing  # type: ignore[method-assign]

    async def charges(self) -> list[dict[str, Any]]:
        await self.settled()
        async with self.database.as_mandate(self.mandate_id) as connection:
            rows = await connection.fetch(
                "SELECT * FROM transfer WHERE kind IN ('CHARGE', 'OVERRUN', 'LATE_ADJUSTMENT') ORDER BY at, transfer_id"
            )
        return [dict(row) for row in rows]

    async def only_charge(self) -> dict[str, Any]:
        (charge,) = await self.charges()
        return charge

    async def balance(self, account_id: UUID | None = None) -> int:
        await self.settled()
        async with self.database.as_mandate(self.mandate_id) as connection:
            row = await connection.fetchrow(
                "SELECT credits_posted - debits_posted AS balance, debits_pending FROM account WHERE account_id = $1",
                account_id or self.mandate_id,
            )
        if row is None:
            return 0
        assert row["debits_pending"] == 0, "a hold was left behind"
        balance: int = row["balance"]
        return balance

    async def open_holds(self) -> int:
        async with self.database.as_mandate(self.mandate_id) as connection:
            count: int = await connection.fetchval("SELECT count(*) FROM hold WHERE state = 'PENDING'")
        return count

    def alerts_named(self, event: str) -> list[Mapping[str, Any]]:
        return [facts for name, facts in self.alerts if name == event]

    # --- clients -----------------------------------------------------------------------------------------------------

    def openai(self, key: str | None = None, **options: Any) -> openai.AsyncOpenAI:
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key=key or self.user_key, **options)

    @asynccontextmanager
    async def chat(
        self, content: Any = "hello", *, key: str | None = None, headers: Mapping[str, str] | None = None, **more: Any
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """A raw call, as bytes on the wire."""
        body = {"model": "demo-1", "messages": [{"role": "user", "content": content}], **more}
        sent = {"authorization": f"Bearer {key or self.user_key}", **(headers or {})}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=body, headers=sent) as response:
            yield response


class ScriptedWorld(NamedTuple):
    """A gateway with money, before an upstream whose bytes the test decides."""

    world: World
    upstream: ScriptedUpstream


class QuietServer(uvicorn.Server):
    """Lives in the test's own event loop; signals belong to the test runner."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def served(app: Callable[..., Any], protocol: Any = ImpatientProtocol) -> AsyncIterator[str]:
    """Serve an ASGI application on a free port; yields its URL."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(
            app,
            http=protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=2,
        )
        server = QuietServer(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(lambda: server.started)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        await task


def application(gateway: Gateway) -> Callable[..., Any]:
    routes = {(route.method, route.path): route.app for route in gateway_routes(gateway)}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await routes.get((scope["method"], scope["path"]), unmatched)(scope, receive, send)

    return app


def configuration(upstreams: list[UpstreamSettings], **changes: Any) -> Configuration:
    pricing = PricingSettings(
        exchange_rates={"CHF": {"USD": Decimal("0.80")}},
        models=(
            price("demo-1", max_output_tokens=100_000, context_window=1_000_000),
            price("demo-thinks", max_output_tokens=100_000, reasoning=True),
            price("gpt-4o-renamed"),
        ),
    )
    options: dict[str, Any] = {
        "catalogue": Catalogue.from_settings(pricing),
        "upstreams": UpstreamTable(upstreams, DIALECTS),
        "quotes": QuoteSettings(),
        "unpriced_fields": frozenset({"allowed_by_operator"}),
        "max_body_bytes": 2_000_000,
        "hold_ttl_seconds": 60,
        **changes,
    }
    return Configuration(**options)


def upstream(base_url: str, *models: str, **more: Any) -> UpstreamSettings:
    options = {"name": "demo", "dialect": "openai", "api_key": "sk-upstream", "timeout_seconds": 5, **more}
    return UpstreamSettings(base_url=base_url, models=models or ("demo-*", "gpt-4o-mini"), **options)


@asynccontextmanager
async def open_world(
    database: Database,
    upstreams: list[UpstreamSettings],
    *,
    billing_model: BillingModelName = "PREPAY_MANDATE",
    configure: Mapping[str, Any] | None = None,
    wire: Mapping[str, Any] | None = None,
) -> AsyncIterator[World]:
    """A mandate with an owner and a member, and a gateway that serves them."""
    mandate = await create_mandate(database, name="Test AG", billing_model=billing_model, language="en")
    mandate_id = mandate.mandate_id
    async with database.as_mandate(mandate_id) as connection:
        # One call may take all there is: what is affordable is then to the token, not a tenth of it.
        await connection.execute("UPDATE billing_settings SET max_hold_share_percent = 100")
    owner = await add_user(database, mandate_id, email="owner@example.com", role="owner")
    member = await add_user(database, mandate_id, email="anna@example.com", external_id="anna", language="de")
    _, user_key = await create_key(database, mandate_id, kind="user", name="a", created_by="t", user_id=member.user_id)
    _, owner_key = await create_key(database, mandate_id, kind="user", name="o", created_by="t", user_id=owner.user_id)
    _, service_key = await create_key(database, mandate_id, kind="service", name="s", created_by="t")
    ledger = Ledger(database.engine_pool, limits=EngineLimits(wait_for_held_seconds=0.3))
    await ledger.start()
    authenticator = Authenticator(database)
    await authenticator.start()
    alerts: list[tuple[str, Mapping[str, Any]]] = []
    records: list[CallRecord] = []
    gateway = Gateway(
        GatewayWiring(
            database=database,
            ledger=ledger,
            identities=authenticator,
            configuration=configuration(upstreams, **(configure or {})),
            public_url="https://bursar.example",
            client=UpstreamClient(connect_timeout_seconds=2),
            alert=lambda event, facts: alerts.append((event, facts)),
            on_finished=records.append,
            **(wire or {}),
        )
    )
    try:
        async with served(application(gateway)) as url:
            world = World(
                database, ledger, authenticator, gateway, url, mandate_id, member.user_id,
                user_key, service_key, owner_key, alerts, records,
            )  # fmt: skip
            try:
                yield world
            finally:
                await world.session.close()
    finally:
        await gateway.aclose(5)
        await authenticator.stop()
        await ledger.stop()
