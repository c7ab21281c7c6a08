"""What the tests of pricing share: settings, catalogues, prices made up, usages that hang together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache

from hypothesis import strategies as st

from bursar.pricing.catalogue import Catalogue, Priced
from bursar.pricing.model import RATE_KINDS, PriceUsed, Rate, RateKind, Rates, Tier, Usage, Variant

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Override:
    model: str
    currency: str = "CHF"
    input_per_million: Decimal | None = None
    cached_input_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None
    output_per_million: Decimal | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    reasoning: bool | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    markup_percent: Decimal = Decimal(0)
    exchange_rates: Mapping[str, Mapping[str, Decimal]] = field(
        default_factory=lambda: {"CHF": {"USD": Decimal("0.80")}}
    )
    models: tuple[Override, ...] = ()


@cache
def catalogue() -> Catalogue:
    return Catalogue.from_settings(Settings())


def priced(model: str, *, currency: str = "USD", at: datetime = AT) -> Priced:
    """The catalogue's price of a model, written `provider:model` where its name alone does not tell the provider."""
    provider, _, name = model.rpartition(":")
    return catalogue().price(name, provider or None, at, currency=currency)


def price(rates: Mapping[RateKind, Rate | str], variants: tuple[Variant, ...] = (), **fields: str) -> PriceUsed:
    """A made-up price in CHF, with rates given as texts where they have no tiers."""
    return PriceUsed(
        model=fields.get("model", "made-up"),
        provider="nobody",
        catalogue="configuration",
        source_currency=fields.get("source_currency", "CHF"),
        currency="CHF",
        exchange_rate=Decimal(fields.get("exchange_rate", "1")),
        markup_percent=Decimal(fields.get("markup_percent", "0")),
        rates=_rates(rates),
        variants=variants,
    )


def _rates(rates: Mapping[RateKind, Rate | str]) -> Rates:
    return {kind: Rate(Decimal(rate)) if isinstance(rate, str) else rate for kind, rate in rates.items()}


COUNTS = st.one_of(st.integers(0, 40), st.integers(0, 400_000))


@st.composite
def usages(draw: st.DrawFn) -> Usage:
    """Any usage whose parts fit into their wholes."""
    cached_audio, cached_image, cached_text = (draw(COUNTS) for _ in range(3))
    audio, image, write, write_1h, plain = (draw(COUNTS) for _ in range(5))
    reasoning, audio_out, image_out, citation, output = (draw(COUNTS) for _ in range(5))
    cached = cached_audio + cached_image + cached_text
    return Usage(
        input_tokens=cached + audio + image + write + write_1h + plain,
        cached_input_tokens=cached,
        cached_audio_tokens=cached_audio,
        cached_image_tokens=cached_image,
        cache_write_tokens=write + write_1h,
        cache_write_1h_tokens=write_1h,
        input_audio_tokens=audio + cached_audio,
        input_image_tokens=image + cached_image,
        output_tokens=output + reasoning + audio_out + image_out + citation,
        reasoning_tokens=reasoning,
        output_audio_tokens=audio_out,
        output_image_tokens=image_out,
        citation_tokens=citation,
        web_searches=draw(st.integers(0, 20)),
        file_searches=draw(st.integers(0, 20)),
        service_tier=draw(st.sampled_from([None, "default", "flex", "priority", "fast", "unheard-of"])),
        speed=draw(st.sampled_from([None, "fast", "standard"])),
    )


RATES = st.decimals(min_value=0, max_value=200, places=5, allow_nan=False, allow_infinity=False)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    starts = sorted(draw(st.sets(st.integers(0, 300_000), max_size=2)))
    return Rate(draw(RATES), tuple(Tier(start, draw(RATES)) for start in starts))


@st.composite
def prices(draw: st.DrawFn) -> PriceUsed:
    """Any price, however odd: tiers that get cheaper, cached tokens dearer than plain ones, several variants."""
    kinds = draw(st.sets(st.sampled_from(RATE_KINDS))) | {"input", "output"}
    conditions = [(("service_tier", "flex"),), (("service_tier", "priority"),), (("speed", "fast"),)]
    variants = tuple(
        Variant(when, {kind: draw(rates()) for kind in sorted(draw(st.sets(st.sampled_from(RATE_KINDS), max_size=4)))})
        for when in draw(st.lists(st.sampled_from(conditions), max_size=3))
    )
    return PriceUsed(
        model="made-up",
        provider="nobody",
        catalogue="configuration",
        source_currency="USD",
        currency="CHF",
        exchange_rate=draw(st.decimals(min_value="0.001", max_value=2, places=4)),
        markup_percent=draw(st.decimals(min_value=0, max_value=50, places=2)),
        rates={kind: draw(rates()) for kind in RATE_KINDS if kind in kinds},
        variants=variants,
    )
