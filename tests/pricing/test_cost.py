"""Exact costs: by hand, against `genai-prices` for every model it has, and never above a bound."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from math import ceil

import pytest
from genai_prices.types import ModelInfo, Provider
from genai_prices.types import Usage as SourceUsage
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.pricing.catalogue import Catalogue, ModelNotPriced
from bursar.pricing.cost import (
    LeafRates,
    PriceFeatures,
    cost_nanos,
    exact_nanos,
    has_rate,
    service_tiers_for,
    unpriced_calls,
    worst_rates,
)
from bursar.pricing.model import RATE_KINDS, PriceUsed, Rate, Tier, Usage
from bursar.pricing.source import bundled
from tests.pricing.samples import AT, Settings, catalogue, price, priced, prices, usages

BY_HAND = """
model                 currency  usage                                                             nanos
gpt-5-mini            USD       input_tokens=1                                                      250
gpt-5-mini            CHF       input_tokens=1                                                      200
gpt-5-mini            USD       input_tokens=4808,output_tokens=10                              1222000
gpt-5-mini            CHF       input_tokens=4808,output_tokens=10                               977600
gpt-5-mini            USD       input_tokens=1000,cached_input_tokens=900,output_tokens=100      247500
gpt-5-mini            USD       input_tokens=10,output_tokens=100,reasoning_tokens=90            202500
gpt-5-mini            USD       output_tokens=1,service_tier=default                               2000
gpt-5-mini            USD       output_tokens=1,service_tier=flex                                  1000
gpt-5-mini            USD       output_tokens=1,service_tier=priority                              3600
gpt-5-mini            USD       output_tokens=1,service_tier=unheard-of                            2000
gpt-5-mini            USD       web_searches=3                                                 30000000
gpt-5-mini            CHF       file_searches=1                                                 2000000
gpt-audio             USD       input_tokens=10,input_audio_tokens=4,output_tokens=8              223000
gpt-audio             USD       output_tokens=8,output_audio_tokens=8                            512000
claude-sonnet-4-5     USD       input_tokens=200000                                           600000000
claude-sonnet-4-5     USD       input_tokens=200001                                          1200006000
claude-sonnet-4-5     USD       input_tokens=200001,output_tokens=2                          1200051000
claude-sonnet-4-6     USD       input_tokens=100,cache_write_tokens=60,cache_write_1h_tokens=20  390000
claude-sonnet-4-6     USD       input_tokens=100,cached_input_tokens=100                          30000
claude-opus-5         USD       output_tokens=1                                                   25000
claude-opus-5         USD       output_tokens=1,speed=standard                                    25000
claude-opus-5         USD       output_tokens=1,speed=fast                                        50000
perplexity:sonar      USD       input_tokens=1                                                 12001000
gpt-4.1-nano          CHF       input_tokens=1,cached_input_tokens=1                                 20
"""


@pytest.mark.parametrize("row", [row.split() for row in BY_HAND.strip().splitlines()[1:]], ids=" ".join)
def test_by_hand(row: list[str]) -> None:
    model, currency, figures, nanos = row
    pairs = (pair.split("=") for pair in figures.split(","))
    usage = Usage(**{name: int(value) if value.isdigit() else value for name, value in pairs})  # type: ignore[arg-type]
    assert cost_nanos(priced(model, currency=currency).price, usage) == int(nanos)


@pytest.mark.parametrize(
    ("rate", "exchange", "markup", "tokens", "nanos"),
    [
        ("0.02", "0.8123", "0", 1, 17),  # 16.246
        ("0.02", "0.8123", "0", 1000, 16246),
        ("0.02", "0.8123", "12.5", 1, 19),  # 18.27675
        ("0.000001", "1", "0", 1, 1),  # a thousandth of a nano
        ("0.000001", "1", "0", 1000, 1),
        ("0.000001", "1", "0", 1001, 2),
        ("0", "1", "0", 1_000_000, 0),
        ("3", "0.333333333333", "0", 3, 3000),  # 2999.999999997
    ],
)
def test_rounded_up_once(rate: str, exchange: str, markup: str, tokens: int, nanos: int) -> None:
    used = price({"input": rate}, exchange_rate=exchange, markup_percent=markup)
    assert cost_nanos(used, Usage(input_tokens=tokens)) == nanos


def test_rounding_is_of_the_sum_not_of_its_parts() -> None:
    used = price({"input": "0.0004", "output": "0.0004"})
    assert cost_nanos(used, Usage(input_tokens=1)) == 1
    assert cost_nanos(used, Usage(input_tokens=1, output_tokens=1)) == 1
    assert exact_nanos(used, Usage(input_tokens=1, output_tokens=1)) == Fraction(8, 10)


def test_a_kind_without_a_rate_is_charged_as_what_it_is_part_of() -> None:
    used = price({"input": "1", "output": "4"})
    usage = Usage(
        input_tokens=100,
        cached_input_tokens=20,
        cache_write_tokens=20,
        cache_write_1h_tokens=10,
        input_audio_tokens=10,
        input_image_tokens=10,
        output_tokens=50,
        reasoning_tokens=20,
        output_audio_tokens=10,
    )
    assert cost_nanos(used, usage) == 100 * 1_000 + 50 * 4_000


def test_a_tool_without_a_rate_is_named() -> None:
    used = price({"input": "1", "web_search": "10"})
    usage = Usage(web_searches=1, file_searches=2)
    assert unpriced_calls(used, usage) == ("file_search",)
    assert has_rate(used, "web_search")
    assert not has_rate(used, "file_search")


# --- beside genai-prices ---------------------------------------------------------------------------------------------

PRICES_IN_DOLLARS = Catalogue.from_settings(Settings(exchange_rates={}))
TIMES = (
    AT,
    datetime(2026, 11, 23, 2, 30, tzinfo=UTC),
    datetime(2026, 11, 23, 20, 0, tzinfo=UTC),
    datetime(2025, 1, 1, tzinfo=UTC),
    datetime(2027, 6, 1, tzinfo=UTC),
)


def _every_model() -> Iterator[tuple[Provider, ModelInfo]]:
    for provider in bundled().providers:
        for info in provider.models:
            yield provider, info


def _ours(provider: Provider, info: ModelInfo, at: datetime) -> PriceUsed | None:
    try:
        found = PRICES_IN_DOLLARS.price(info.id, provider.id, at, currency="USD").price
    except ModelNotPriced:
        return None
    return found if found.model == info.id else None


def _theirs(provider: Provider, info: ModelInfo, at: datetime, usage: Usage) -> Fraction:
    context = {}
    if usage.service_tier:
        context["service_tier"] = usage.service_tier
    if usage.speed:
        context["speed"] = usage.speed
    reported = SourceUsage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cached_input_tokens,
        cache_audio_read_tokens=usage.cached_audio_tokens,
        cache_image_read_tokens=usage.cached_image_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        input_audio_tokens=usage.input_audio_tokens,
        input_image_tokens=usage.input_image_tokens,
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=usage.reasoning_tokens,
        output_audio_tokens=usage.output_audio_tokens,
        output_image_tokens=usage.output_image_tokens,
        output_citation_tokens=usage.citation_tokens,
        web_searches=usage.web_searches,
        storage_searches=usage.file_searches,
    )
    total = info.calc_price(reported, provider, genai_request_timestamp=at, price_context=context).total_price
    return Fraction(total) * 10**9


SWEEP = (
    Usage(input_tokens=1, output_tokens=1),
    Usage(input_tokens=300_001, cached_input_tokens=7, output_tokens=13, reasoning_tokens=5, web_searches=1),
    Usage(
        input_tokens=1_000,
        cached_input_tokens=300,
        cached_audio_tokens=100,
        cached_image_tokens=50,
        cache_write_tokens=90,
        cache_write_1h_tokens=40,
        input_audio_tokens=200,
        input_image_tokens=150,
        output_tokens=500,
        reasoning_tokens=100,
        output_audio_tokens=60,
        output_image_tokens=70,
        citation_tokens=80,
        file_searches=2,
        service_tier="priority",
        speed="fast",
    ),
)


def test_every_model_costs_what_genai_prices_says() -> None:
    compared = 0
    for provider, info in _every_model():
        for at in TIMES[:1] if not isinstance(info.prices, list) else TIMES:
            ours = _ours(provider, info, at)
            if ours is None:
                continue
            compared += 1
            for usage in SWEEP:
                assert exact_nanos(ours, usage) == _theirs(provider, info, at, usage), (provider.id, info.id, at, usage)
    assert compared > 2_000


_PRICED = [pair for pair in _every_model() if _ours(*pair, AT) is not None]
_INTERESTING = [pair for pair in _PRICED if pair[1].price_variants or len(_ours(*pair, AT).rates) > 3]  # type: ignore[union-attr]


@settings(max_examples=300)
@given(st.sampled_from(_PRICED) | st.sampled_from(_INTERESTING), usages(), st.sampled_from(TIMES))
def test_any_usage_costs_what_genai_prices_says(model: tuple[Provider, ModelInfo], usage: Usage, at: datetime) -> None:
    ours = _ours(*model, at)
    if ours is None:
        return
    theirs = _theirs(*model, at, usage)
    assert exact_nanos(ours, usage) == theirs
    assert cost_nanos(ours, usage) == ceil(theirs)


# --- the dearest rates -----------------------------------------------------------------------------------------------


def test_rates_and_kinds_stand_in_one_order() -> None:
    assert LeafRates._fields == RATE_KINDS


@pytest.mark.parametrize(
    ("model", "features", "tokens", "text_input", "output"),
    [
        ("gpt-4o", PriceFeatures(service_tiers=("default",)), 10, "2.5", "10"),
        ("gpt-4o", PriceFeatures(service_tiers=("priority", "default")), 10, "4.25", "17"),
        ("gpt-4o", PriceFeatures(), 10, "4.25", "17"),
        ("o3", PriceFeatures(service_tiers=("flex",)), 10, "1", "4"),
        ("o3", PriceFeatures(service_tiers=("flex", "default")), 10, "2", "8"),
        ("o3", PriceFeatures(service_tiers=("unheard-of",)), 10, "2", "8"),
        ("claude-sonnet-4-5", PriceFeatures(cache_writes="none"), 200_000, "3", "15"),
        ("claude-sonnet-4-5", PriceFeatures(cache_writes="short"), 200_000, "3.75", "15"),
        ("claude-sonnet-4-5", PriceFeatures(cache_writes="long"), 200_000, "6", "15"),
        ("claude-sonnet-4-5", PriceFeatures(cache_writes="none"), 200_001, "6", "22.5"),
        ("claude-sonnet-4-5", PriceFeatures(cache_writes="long"), 200_001, "12", "22.5"),
        ("gpt-audio", PriceFeatures(audio_output=False), 10, "2.5", "10"),
        ("gpt-audio", PriceFeatures(), 10, "2.5", "64"),
        ("claude-opus-5", PriceFeatures(cache_writes="none", speeds=("standard",)), 10, "5", "25"),
        ("claude-opus-5", PriceFeatures(cache_writes="none", speeds=("fast", "standard")), 10, "10", "50"),
        ("perplexity:sonar-deep-research", PriceFeatures(), 10, "2", "8"),
    ],
)
def test_the_dearest_rates_that_may_apply(
    model: str, features: PriceFeatures, tokens: int, text_input: str, output: str
) -> None:
    worst = worst_rates(priced(model).price, features, input_tokens=tokens)
    assert Fraction(worst.text_input, worst.denominator) == Fraction(text_input) * 1_000
    assert Fraction(worst.output, worst.denominator) == Fraction(output) * 1_000


def test_a_tier_that_gets_cheaper_is_not_trusted() -> None:
    used = price({"input": Rate(Decimal(5), (Tier(100, Decimal(1)),))})
    worst = worst_rates(used, input_tokens=1_000)
    assert Fraction(worst.text_input, worst.denominator) == 5_000


@pytest.mark.parametrize(
    ("requested", "account", "tiers"),
    [
        (None, "default", {"default"}),
        ("auto", "default", {"default"}),
        ("auto", "priority", {"default", "priority"}),
        (None, None, None),
        ("default", None, {"default"}),
        ("standard_only", None, {"default"}),
        ("flex", "default", {"flex", "default"}),
        ("priority", "default", {"priority", "default"}),
        ("tomorrow", "default", None),
    ],
)
def test_tiers_that_a_response_may_report(requested: str | None, account: str | None, tiers: set[str] | None) -> None:
    may_be = service_tiers_for(requested, account_tier=account)
    assert (None if may_be is None else set(may_be)) == tiers


@given(prices(), usages())
def test_the_dearest_rates_are_never_below_the_cost(used: PriceUsed, usage: Usage) -> None:
    worst = worst_rates(used, input_tokens=usage.input_tokens)
    text = usage.input_tokens - usage.input_audio_tokens - usage.input_image_tokens
    bound = (
        worst.request
        + worst.text_input * text
        + worst.audio_input * usage.input_audio_tokens
        + worst.image_input * usage.input_image_tokens
        + worst.output * usage.output_tokens
        + worst.web_search * usage.web_searches
        + worst.file_search * usage.file_searches
    )
    assert Fraction(bound, worst.denominator) >= exact_nanos(used, usage)


def test_prices_by_the_time_of_day_are_those_of_admission() -> None:
    usage = Usage(input_tokens=1_000_000)
    day = catalogue().price("deepseek-chat", "deepseek", AT, currency="USD")
    night = catalogue().price("deepseek-chat", "deepseek", TIMES[2], currency="USD")
    assert cost_nanos(day.price, usage) == 270_000_000
    assert cost_nanos(night.price, usage) == 135_000_000
    assert day.price.price_id != night.price.price_id
