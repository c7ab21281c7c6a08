"""What a call cost, exactly, and the dearest rates that it may come to. Pure.

A price is compiled once into integer rates over one common denominator; a cost is then a sum of products and
one division that rounds up. No decimal and no float is computed with per call.

Semantics are those of `genai-prices` (its `types.py`): a tier is chosen by the total input and applies to
every token of the call; tokens of a kind without a rate of its own are charged at the rate of what they
are part of.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import lcm
from typing import Final, Literal, NamedTuple

from bursar.foundation.money import NANOS_PER_UNIT
from bursar.pricing.model import PER_THOUSAND, RATE_KINDS, PriceUsed, Rate, RateKind, Rates, Usage

FALLBACKS: Final[dict[RateKind, tuple[RateKind, ...]]] = {
    "cached_input": ("input",),
    "cache_write": ("input",),
    "cache_write_1h": ("cache_write", "input"),
    "input_audio": ("input",),
    "cached_audio": ("input_audio", "cached_input", "input"),
    "input_image": ("input",),
    "cached_image": ("input_image", "cached_input", "input"),
    "reasoning": ("output",),
    "output_audio": ("output",),
    "output_image": ("output",),
    "citation": ("output",),
}
"""Whose rate a kind is charged at where the price has none for it: the first of these that has one."""

CacheWrites = Literal["none", "short", "long"]


class LeafRates(NamedTuple):
    """Nanos per token (or per call), each times the price's denominator. Zero where nothing gives a rate."""

    input: int
    cached_input: int
    cache_write: int
    cache_write_1h: int
    input_audio: int
    cached_audio: int
    input_image: int
    cached_image: int
    output: int
    reasoning: int
    output_audio: int
    output_image: int
    citation: int
    web_search: int
    file_search: int
    social_search: int
    code_execution: int
    request: int


@dataclass(frozen=True, slots=True)
class PriceFeatures:
    """What of a price may apply to one request. The defaults are the dearest; a dialect narrows what it can
    rule out.

    `service_tiers` and `speeds` are the values that the response may report (`None`: any of the price's
    variants). `cache_writes` is `short` where the provider may write the prompt to its cache by itself or
    by the usual `cache_control`, `long` where the request asks for one hour, `none` where nothing may be
    written.
    """

    service_tiers: tuple[str, ...] | None = None
    speeds: tuple[str, ...] | None = None
    cache_writes: CacheWrites = "long"
    audio_output: bool = True
    image_output: bool = True


ANYTHING: Final = PriceFeatures()

_OTHER_TIERS: Final = frozenset({"flex", "priority", "fast", "scale"})


def service_tiers_for(requested: str | None, *, account_tier: str | None = "default") -> tuple[str, ...] | None:
    """The service tiers that a response may report where the request's `service_tier` is `requested`.

    As OpenAI's API reference says ("service_tier"): without one, or with `auto`, the tier is the one that
    the provider's project is set to, which is `default` unless the operator changed it (`account_tier`;
    `None`: not known, so any); a tier that was asked for may be served as `default`. A name that is not
    known here may be anything.
    """
    if requested in (None, "auto"):
        return None if account_tier is None else tuple({"default", account_tier})
    if requested in ("default", "standard", "standard_only"):
        return ("default",)
    return (requested, "default") if requested in _OTHER_TIERS else None


class WorstRates(NamedTuple):
    """The dearest rates that may apply, each in nanos times `denominator`."""

    denominator: int
    text_input: int
    audio_input: int
    image_input: int
    opaque_input: int
    """For content that may turn out to be of any kind."""
    output: int
    request: int
    web_search: int
    file_search: int
    social_search: int
    code_execution: int


@dataclass(frozen=True, slots=True)
class CompiledPrice:
    """A price as integers. `served` gives the rates by segment of the total input for each condition of
    serving."""

    denominator: int
    thresholds: tuple[int, ...]
    served: dict[tuple[str | None, str | None], tuple[LeafRates, ...]]
    service_tiers: frozenset[str]
    speeds: frozenset[str]
    worst: dict[tuple[PriceFeatures, int], WorstRates]
    """Filled as they are asked for."""


def cost_nanos(price: PriceUsed, usage: Usage) -> int:
    """The cost of a call in nanos of the price's currency: exact, rounded up once to the next nano.

    A tier or speed that the price has no variant for is charged at the standard rates.
    """
    compiled = compile_price(price)
    return -(-_total(compiled, usage) // compiled.denominator)


def exact_nanos(price: PriceUsed, usage: Usage) -> Fraction:
    """The cost before it is rounded: for sums that are compared with a provider's own bill."""
    compiled = compile_price(price)
    return Fraction(_total(compiled, usage), compiled.denominator)


def _total(compiled: CompiledPrice, usage: Usage) -> int:
    """The cost in nanos times the price's denominator."""
    tier = usage.service_tier if usage.service_tier in compiled.service_tiers else None
    speed = usage.speed if usage.speed in compiled.speeds else None
    segments = compiled.served[tier, speed]
    rates = segments[bisect_left(compiled.thresholds, usage.input_tokens)]

    audio = usage.input_audio_tokens - usage.cached_audio_tokens
    image = usage.input_image_tokens - usage.cached_image_tokens
    total = rates.request
    total += rates.input * (usage.input_tokens - usage.cached_input_tokens - usage.cache_write_tokens - audio - image)
    total += rates.cached_input * (usage.cached_input_tokens - usage.cached_audio_tokens - usage.cached_image_tokens)
    total += rates.output * (
        usage.output_tokens
        - usage.reasoning_tokens
        - usage.output_audio_tokens
        - usage.output_image_tokens
        - usage.citation_tokens
    )
    total += rates.reasoning * usage.reasoning_tokens
    if usage.cache_write_tokens:
        total += rates.cache_write * (usage.cache_write_tokens - usage.cache_write_1h_tokens)
        total += rates.cache_write_1h * usage.cache_write_1h_tokens
    if usage.input_audio_tokens or usage.input_image_tokens:
        total += rates.input_audio * audio + rates.cached_audio * usage.cached_audio_tokens
        total += rates.input_image * image + rates.cached_image * usage.cached_image_tokens
    if usage.output_audio_tokens or usage.output_image_tokens or usage.citation_tokens:
        total += rates.output_audio * usage.output_audio_tokens + rates.output_image * usage.output_image_tokens
        total += rates.citation * usage.citation_tokens
    if usage.web_searches or usage.file_searches or usage.social_searches or usage.code_executions:
        total += rates.web_search * usage.web_searches + rates.file_search * usage.file_searches
        total += rates.social_search * usage.social_searches + rates.code_execution * usage.code_executions
    return total


def unpriced_calls(price: PriceUsed, usage: Usage) -> tuple[RateKind, ...]:
    """Tools that the provider reports to have run and that the price has no rate for: they cost nothing here.

    Admission refuses such tools, so this is worth an alert where it is not empty.
    """
    used: tuple[tuple[RateKind, int], ...] = (
        ("web_search", usage.web_searches),
        ("file_search", usage.file_searches),
        ("social_search", usage.social_searches),
        ("code_execution", usage.code_executions),
    )
    return tuple(kind for kind, count in used if count and not has_rate(price, kind))


def has_rate(price: PriceUsed, kind: RateKind) -> bool:
    """Whether the price has a rate for a kind of its own, standard or in a variant."""
    return kind in price.rates or any(kind in variant.rates for variant in price.variants)


def worst_rates(price: PriceUsed, features: PriceFeatures = ANYTHING, *, input_tokens: int) -> WorstRates:
    """The dearest rates that may apply to a call of at most `input_tokens` input and of these features.

    Taken over: the service tiers and speeds that may be served, every long-context tier that may be
    reached, and the kinds of token that the input and the output may turn out to be.
    """
    compiled = compile_price(price)
    reachable = bisect_left(compiled.thresholds, input_tokens) + 1
    key = (features, reachable)
    rates = compiled.worst.get(key)
    if rates is None:
        if len(compiled.worst) >= _WORST_KEPT:
            compiled.worst.clear()
        rates = compiled.worst[key] = _worst(compiled, features, reachable)
    return rates


_WORST_KEPT: Final = 256


def _worst(compiled: CompiledPrice, features: PriceFeatures, reachable: int) -> WorstRates:
    tiers = _may_be(compiled.service_tiers, features.service_tiers)
    speeds = _may_be(compiled.speeds, features.speeds)
    candidates = [
        rates
        for (tier, speed), segments in compiled.served.items()
        if tier in tiers and speed in speeds
        for rates in segments[:reachable]
    ]
    text: list[RateKind] = ["input", "cached_input"]
    if features.cache_writes != "none":
        text.append("cache_write")
    if features.cache_writes == "long":
        text.append("cache_write_1h")
    output: list[RateKind] = ["output", "reasoning", "citation"]
    if features.audio_output:
        output.append("output_audio")
    if features.image_output:
        output.append("output_image")

    def dearest(*kinds: RateKind) -> int:
        places = [LeafRates._fields.index(kind) for kind in kinds]
        return max(rates[place] for rates in candidates for place in places)

    text_input = dearest(*text)
    audio_input = max(dearest("input_audio", "cached_audio"), text_input)
    image_input = max(dearest("input_image", "cached_image"), text_input)
    return WorstRates(
        denominator=compiled.denominator,
        text_input=text_input,
        audio_input=audio_input,
        image_input=image_input,
        opaque_input=max(text_input, audio_input, image_input),
        output=dearest(*output),
        request=dearest("request"),
        web_search=dearest("web_search"),
        file_search=dearest("file_search"),
        social_search=dearest("social_search"),
        code_execution=dearest("code_execution"),
    )


def _may_be(known: frozenset[str], allowed: tuple[str, ...] | None) -> frozenset[str | None]:
    """The conditions that may be served. The standard one (`None`) may be unless only known others are
    allowed."""
    if allowed is None:
        return known | {None}
    return frozenset(value if value in known else None for value in allowed) or frozenset({None})


# --- compiling -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def compile_price(price: PriceUsed) -> CompiledPrice:
    """The price as integers. Kept: equal prices share one."""
    tiers = frozenset(value for v in price.variants for key, value in v.when if key == "service_tier")
    speeds = frozenset(value for v in price.variants for key, value in v.when if key == "speed")
    every_rate = [*price.rates.values(), *(rate for v in price.variants for rate in v.rates.values())]
    thresholds = tuple(sorted({tier.above_input_tokens for rate in every_rate for tier in rate.tiers}))

    factor = Fraction(price.exchange_rate) * (1 + Fraction(price.markup_percent) / 100) * NANOS_PER_UNIT
    exact: dict[tuple[str | None, str | None], list[list[Fraction]]] = {}
    for tier in (None, *sorted(tiers)):
        for speed in (None, *sorted(speeds)):
            rates = _resolve(price, tier, speed)
            exact[tier, speed] = [
                [_leaf(rates, kind, segment) * factor for kind in RATE_KINDS] for segment in (-1, *thresholds)
            ]
    denominator = lcm(*(f.denominator for segments in exact.values() for leaf in segments for f in leaf))
    served = {
        condition: tuple(LeafRates(*(int(f * denominator) for f in leaf)) for leaf in segments)
        for condition, segments in exact.items()
    }
    return CompiledPrice(denominator, thresholds, served, tiers, speeds, {})


def _resolve(price: PriceUsed, tier: str | None, speed: str | None) -> Rates:
    """The rates in force under a condition: the standard ones, replaced kind by kind by the first variant
    that fits."""
    served = {"service_tier": tier, "speed": speed}
    resolved: dict[RateKind, Rate] = {}
    for variant in price.variants:
        if all(served.get(key) == value for key, value in variant.when):
            for kind, rate in variant.rates.items():
                resolved.setdefault(kind, rate)
    return {**price.rates, **resolved}


def _leaf(rates: Rates, kind: RateKind, segment_start: int) -> Fraction:
    """Units of the source's currency per token or call, in the segment of inputs above `segment_start`
    tokens."""
    for candidate in (kind, *FALLBACKS.get(kind, ())):
        rate = rates.get(candidate)
        if rate is not None:
            per = 1_000 if candidate in PER_THOUSAND else 1_000_000
            return Fraction(_at(rate, segment_start)) / per
    return Fraction(0)


def _at(rate: Rate, segment_start: int) -> Decimal:
    value = rate.base
    for tier in rate.tiers:
        if tier.above_input_tokens <= segment_start:
            value = tier.rate
    return value
