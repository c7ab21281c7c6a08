"""Reading the bundled `genai-prices` data into Bursar's words. Pure: the data is a module, nothing is fetched.

`genai-prices` can also update itself over the network; that is not used, so that a price changes only with
a release or by configuration. Its look-up caches are not used either: they grow with every model name that
a client makes up.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import Any, Final, Literal

from genai_prices.data_snapshot import DataSnapshot, find_provider_by_id
from genai_prices.types import ModelInfo, ModelPrice, PriceVariant, Provider, StartDateConstraint, TieredPrices

from bursar.pricing.model import Rate, RateKind, Rates, Tier, Variant

UnpricedInput = Literal["audio", "video", "document"]

RATE_OF_KEY: Final[dict[str, RateKind]] = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_5m_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "cache_audio_read_mtok": "cached_audio",
    "input_image_mtok": "input_image",
    "cache_image_read_mtok": "cached_image",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "output_audio",
    "output_image_mtok": "output_image",
    "output_citation_mtok": "citation",
    "web_searches_kcount": "web_search",
    "storage_searches_kcount": "file_search",
    "social_searches_kcount": "social_search",
    "code_executions_kcount": "code_execution",
    "requests_kcount": "request",
}
"""Price keys of `genai-prices` that a token-priced call can be charged by."""

UNPRICED_INPUT_OF_KEY: Final[dict[str, UnpricedInput]] = {
    "audio_hours": "audio",
    "input_audio_hours": "audio",
    "input_video_mtok": "video",
    "cache_video_read_mtok": "video",
    "input_document_kpages": "document",
    "input_annotated_document_kpages": "document",
}
"""Keys for input by the hour, page or video token, which no usage here counts: such input is refused, the
rest of the model is priced. A model with any other key is not priced at all: better refused than charged
by half."""

OWN_MODELS: Final = ("openai", "anthropic")
"""Providers that serve their own models only: a name that they list and that nobody claims (`text-embedding-3-small`)
is theirs."""

CONDITIONS: Final = frozenset({"service_tier", "speed"})
"""What a response can report about how it was served. Variants by other conditions (`processing: batch`,
`route`) do not apply to what passes the gateway."""


@dataclass(frozen=True, slots=True)
class SourcePrice:
    """The prices of one model at one time, as the catalogue has them, in US dollars."""

    rates: Rates
    variants: tuple[Variant, ...]
    unpriced_inputs: frozenset[UnpricedInput]
    valid_from: str | None


@dataclass(frozen=True, slots=True)
class SourceModel:
    """A model of the catalogue. `prices_at` gives its price by the time of admission."""

    provider_id: str
    model_id: str
    context_window: int | None
    info: ModelInfo
    variants: tuple[PriceVariant, ...]

    def period(self, at: datetime) -> tuple[int, ...]:
        """Which of the model's dated and time-of-day prices apply at a time: the same period, the same
        price."""
        prices = self.info.prices
        chosen = 0
        if isinstance(prices, list):
            chosen = _last_active(prices, at)
        return (
            chosen,
            *(i for i, v in enumerate(self.variants) if v.constraint is None or v.constraint.active(at)),
        )

    def price_in(self, period: tuple[int, ...]) -> SourcePrice | None:
        """The price in a period, or `None` where the catalogue has no price that this version can charge
        by."""
        prices = self.info.prices
        valid_from = None
        if isinstance(prices, list):
            conditional = prices[period[0]]
            standard = conditional.prices
            if isinstance(conditional.constraint, StartDateConstraint):
                valid_from = conditional.constraint.start_date.isoformat()
        else:
            standard = prices
        keys = dict(_prices(standard))
        if not keys.keys() <= RATE_OF_KEY.keys() | UNPRICED_INPUT_OF_KEY.keys() or "input_mtok" not in keys:
            return None
        return SourcePrice(
            rates=_rates(standard),
            variants=tuple(
                Variant(tuple(sorted(variant.when.items())), _rates(variant.prices))
                for variant in (self.variants[i] for i in period[1:])
            ),
            unpriced_inputs=frozenset(UNPRICED_INPUT_OF_KEY[key] for key in keys if key in UNPRICED_INPUT_OF_KEY),
            valid_from=valid_from,
        )


@cache
def bundled() -> DataSnapshot:
    """The data that is installed with `genai-prices`."""
    from genai_prices.data import providers

    return DataSnapshot(providers=providers, from_auto_update=False)


@cache
def source_name() -> str:
    """The catalogue's name and release, such as `genai-prices 0.2.3`. Its data carries no date; the
    release has one."""
    return f"genai-prices {version('genai-prices')}"


def find_model(snapshot: DataSnapshot, model: str, provider_hint: str | None) -> SourceModel | None:
    """The catalogue's entry for a model name, as a provider (by id, or by the URL of its API) offers it.

    A hint that the catalogue does not know (a local server, a proxy) is passed over, and the model is
    looked up by its name alone. A provider that is known but does not list the model gives `None`: another
    provider's price is not its price.
    """
    provider = _provider(snapshot.providers, model, provider_hint)
    found = provider.find_model(model, all_providers=snapshot.providers) if provider is not None else None
    if provider is None or found is None:
        return None
    # Variants are one provider's own: they do not come along when its prices stand in for another's.
    own = any(found is listed for listed in provider.models)
    variants = tuple(variant for variant in found.price_variants or () if own and variant.when.keys() <= CONDITIONS)
    return SourceModel(provider.id, found.id, found.context_window, found, variants)


def _provider(providers: list[Provider], model: str, hint: str | None) -> Provider | None:
    if hint is not None and "://" in hint:
        by_url = next((p for p in providers if re.match(p.api_pattern, hint)), None)
        if by_url is not None:
            return by_url
    elif hint is not None:
        by_id = find_provider_by_id(providers, hint)
        if by_id is not None:
            return by_id
    by_name = next((p for p in providers if p.model_match is not None and p.model_match.is_match(model)), None)
    if by_name is not None:
        return by_name
    return next((p for p in providers if p.id in OWN_MODELS and p.find_model(model) is not None), None)


def _last_active(prices: Sequence[Any], at: datetime) -> int:
    """The last price whose constraint holds, or the first one: the rule of `ModelInfo.get_prices`."""
    for index in reversed(range(len(prices))):
        constraint = prices[index].constraint
        if constraint is None or constraint.active(at):
            return index
    return 0


def _prices(price: ModelPrice) -> Iterator[tuple[str, Any]]:
    return ((key, value) for key, value in vars(price).items() if value is not None and not key.startswith("_"))


def _rates(price: ModelPrice) -> Rates:
    return {RATE_OF_KEY[key]: _rate(value) for key, value in _prices(price) if key in RATE_OF_KEY}


def _rate(value: Any) -> Rate:
    if isinstance(value, TieredPrices):
        return Rate(value.base, tuple(Tier(tier.start, tier.price) for tier in value.tiers))
    return Rate(value)
