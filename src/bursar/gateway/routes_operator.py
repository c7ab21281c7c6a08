"""Management routes for operators about what the gateway is set to: prices, upstreams and how they are doing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, Protocol

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.gateway.health import UpstreamHealth
from bursar.gateway.models import served_models
from bursar.gateway.upstreams import Upstream
from bursar.gateway.wiring import Configuration
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Operator, may_operate
from bursar.identity.pages import page_by_name
from bursar.identity.wire import Answer
from bursar.pricing.catalogue import ExchangeRateMissing, ModelNotPriced
from bursar.pricing.model import PriceUsed, RateKind

Installer = Annotated[Operator, Depends(may_operate(Action.READ_INSTALLATION))]


class Serving(Protocol):
    """Of the gateway, what is shown (`gateway.Gateway`)."""

    configuration: Configuration

    @property
    def health(self) -> UpstreamHealth: ...


class PriceAnswer(Answer):
    """Per million tokens, in `currency`, with exchange rate and markup; `problem` says why a model has no price."""

    model: str
    upstream: str
    currency: str
    input_per_million: str | None = None
    cached_input_per_million: str | None = None
    output_per_million: str | None = None
    source: str | None = None
    provider: str | None = None
    exchange_rate: str | None = None
    markup_percent: str | None = None
    problem: Literal["NOT_PRICED", "NO_EXCHANGE_RATE"] | None = None


class PricesAnswer(Answer):
    currency: str
    prices: list[PriceAnswer]
    next_cursor: str | None


class UpstreamAnswer(Answer):
    """`state` is what the worker that answers has seen: `closed` is healthy, `open` is left alone for a while."""

    name: str
    dialect: Literal["openai", "anthropic"]
    base_url: str
    models: list[str]
    order: int
    weight: int
    timeout_seconds: int
    state: Literal["closed", "open", "half-open"]
    retry_after_seconds: int | None


class UpstreamPage(Answer):
    upstreams: list[UpstreamAnswer]
    next_cursor: str | None


def operator_router(serving: Serving) -> APIRouter:
    router = APIRouter(tags=["installation"])

    @router.get("/api/prices", responses=refusals())
    async def read_prices(
        request: Request,
        _: Installer,
        currency: Annotated[str, Query(pattern="^[A-Z]{3}$")] = "CHF",
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    ) -> PricesAnswer:
        """What each model costs in a currency that mandates are kept in, before a mandate's own markup; by name."""
        served = sorted(served_models(serving.configuration).items())
        page = page_by_name(served, limit, cursor, lambda each: each[0])
        prices = list(_prices(serving.configuration, page.items, currency))
        return PricesAnswer(currency=currency, prices=prices, next_cursor=page.next_cursor)

    @router.get("/api/upstreams", responses=refusals())
    async def read_upstreams(
        request: Request,
        _: Installer,
        cursor: Annotated[str | None, Query()] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> UpstreamPage:
        """The providers in the order of the configuration, without their keys, and how they are doing."""
        page = page_by_name(list(serving.configuration.upstreams), limit, cursor, lambda each: each.settings.name)
        return UpstreamPage(upstreams=list(_upstreams(serving, page.items)), next_cursor=page.next_cursor)

    return router


def _prices(
    configuration: Configuration, served: Sequence[tuple[str, Upstream]], currency: str
) -> Iterator[PriceAnswer]:
    now = datetime.now(UTC)
    for model, upstream in served:
        bare = PriceAnswer(model=model, upstream=upstream.name, currency=currency)
        try:
            found = configuration.catalogue.price(model, upstream.settings.base_url, now, currency=currency).price
        except ModelNotPriced:
            yield bare.model_copy(update={"problem": "NOT_PRICED"})
        except ExchangeRateMissing:
            yield bare.model_copy(update={"problem": "NO_EXCHANGE_RATE"})
        else:
            yield _priced(bare, found)


def _priced(bare: PriceAnswer, found: PriceUsed) -> PriceAnswer:
    return bare.model_copy(
        update={
            "input_per_million": _per_million(found, "input"),
            "cached_input_per_million": _per_million(found, "cached_input"),
            "output_per_million": _per_million(found, "output"),
            "source": found.catalogue,
            "provider": found.provider,
            "exchange_rate": f"{found.exchange_rate.normalize():f}",
            "markup_percent": f"{found.markup_percent.normalize():f}",
        }
    )


def _per_million(price: PriceUsed, kind: RateKind) -> str | None:
    rate = price.rates.get(kind)
    if rate is None:
        return None
    amount = rate.base * price.exchange_rate * (1 + price.markup_percent / 100)
    return f"{amount.normalize():f}"


def _upstreams(serving: Serving, listed: Sequence[Upstream]) -> Iterator[UpstreamAnswer]:
    now = serving.health.now()
    for upstream in listed:
        settings = upstream.settings
        circuit = serving.health.of(settings.name, settings.base_url)
        is_open = circuit.state.value == "open"
        yield UpstreamAnswer(
            name=settings.name,
            dialect=settings.dialect,
            base_url=settings.base_url,
            models=list(settings.models),
            order=settings.order,
            weight=settings.weight,
            timeout_seconds=settings.timeout_seconds,
            state=circuit.state.value,
            retry_after_seconds=circuit.wait_seconds(now) if is_open else None,
        )
