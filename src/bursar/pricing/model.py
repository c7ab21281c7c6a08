"""The words of pricing: what was used, and the price it was used at. Pure.

Rates are decimals in the currency of their source, per million tokens or per thousand calls. Token counts
follow one rule: a total, and parts that are contained in it (`cached_input_tokens` is part of
`input_tokens`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from operator import attrgetter
from typing import Any, Final, Literal, get_args
from uuid import UUID, uuid5

import msgspec

RateKind = Literal[
    "input",
    "cached_input",
    "cache_write",
    "cache_write_1h",
    "input_audio",
    "cached_audio",
    "input_image",
    "cached_image",
    "output",
    "reasoning",
    "output_audio",
    "output_image",
    "citation",
    "web_search",
    "file_search",
    "social_search",
    "code_execution",
    "request",
]
"""What a rate is for. `request` is a fee for every call; the four before it are tools that the provider
runs."""

RATE_KINDS: Final[tuple[RateKind, ...]] = get_args(RateKind)
PER_THOUSAND: Final[frozenset[RateKind]] = frozenset(
    {"web_search", "file_search", "social_search", "code_execution", "request"}
)
"""Kinds whose rate is per thousand calls; all others are per million tokens."""

CONTENT_VERSION: Final = 1
_PRICE_NAMESPACE: Final = UUID("8c7d7c52-5b0e-5d0b-9b1c-0f5f6f0a3a51")


class AbsurdUsage(ValueError):
    """A provider's report that cannot be true. `field` names the first figure that is wrong."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field}: {message}")
        self.field = field


class NotPriced(LookupError):
    """The price has no rate for something that the request asks for. `kind` names it, for
    `feature_not_priced`."""

    def __init__(self, model: str, kind: str) -> None:
        super().__init__(f"{model} has no price for {kind}")
        self.model = model
        self.kind = kind


class Usage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What one call used, as a provider reports it. Every count is zero or more.

    Contained in `input_tokens`: cached (`cached_audio_tokens` and `cached_image_tokens` are part of both
    cached and audio or image), written to a cache (`cache_write_1h_tokens` is part of `cache_write_tokens`),
    audio, image. Contained in `output_tokens`: reasoning, audio, image, citation. Some providers report these
    beside the total instead (the Anthropic API's cache figures; reasoning tokens at x.ai): whoever reads such
    a report adds them to the total.

    `service_tier` and `speed` are what the response says was used, not what was asked for.

    Raises `AbsurdUsage` for a negative count, or for parts that are more than their whole: such a report
    is worth an estimate and an alert, so it cannot even be written down here.
    """

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cached_audio_tokens: int = 0
    cached_image_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    input_audio_tokens: int = 0
    input_image_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    output_audio_tokens: int = 0
    output_image_tokens: int = 0
    citation_tokens: int = 0
    web_searches: int = 0
    file_searches: int = 0
    social_searches: int = 0
    code_executions: int = 0
    service_tier: str | None = None
    speed: str | None = None

    def __post_init__(self) -> None:
        plain_input = (
            self.input_tokens
            - self.cached_input_tokens
            - self.cache_write_tokens
            - (self.input_audio_tokens - self.cached_audio_tokens)
            - (self.input_image_tokens - self.cached_image_tokens)
        )
        plain_output = (
            self.output_tokens
            - self.reasoning_tokens
            - self.output_audio_tokens
            - self.output_image_tokens
            - self.citation_tokens
        )
        if (
            plain_input < 0
            or plain_output < 0
            or min(
                self.cached_input_tokens - self.cached_audio_tokens - self.cached_image_tokens,
                self.cached_audio_tokens,
                self.cached_image_tokens,
                self.cache_write_tokens - self.cache_write_1h_tokens,
                self.cache_write_1h_tokens,
                self.input_audio_tokens - self.cached_audio_tokens,
                self.input_image_tokens - self.cached_image_tokens,
                self.reasoning_tokens,
                self.output_audio_tokens,
                self.output_image_tokens,
                self.citation_tokens,
                self.web_searches,
                self.file_searches,
                self.social_searches,
                self.code_executions,
            )
            < 0
        ):
            raise _absurdity(self)

    def counts(self) -> dict[str, int | str]:
        """Everything that is not zero or absent, by name: for the transfer's details."""
        return {name: value for name, value in zip(_NAMES, _VALUES(self), strict=True) if value}


_NAMES: Final = Usage.__struct_fields__
_VALUES: Final = attrgetter(*_NAMES)

_PARTS: Final = (
    ("cached_audio_tokens", "cached_input_tokens"),
    ("cached_image_tokens", "cached_input_tokens"),
    ("cached_audio_tokens", "input_audio_tokens"),
    ("cached_image_tokens", "input_image_tokens"),
    ("cache_write_1h_tokens", "cache_write_tokens"),
    ("cached_input_tokens", "input_tokens"),
    ("cache_write_tokens", "input_tokens"),
    ("input_audio_tokens", "input_tokens"),
    ("input_image_tokens", "input_tokens"),
    ("reasoning_tokens", "output_tokens"),
    ("output_audio_tokens", "output_tokens"),
    ("output_image_tokens", "output_tokens"),
    ("citation_tokens", "output_tokens"),
)


def _absurdity(usage: Usage) -> AbsurdUsage:
    """The complaint about a usage that is already known to be wrong."""
    for name in _NAMES:
        value = getattr(usage, name)
        if isinstance(value, int) and value < 0:
            return AbsurdUsage(name, f"{value} is negative")
    for part, whole in _PARTS:
        if getattr(usage, part) > getattr(usage, whole):
            return AbsurdUsage(part, f"{getattr(usage, part)} is more than {whole} ({getattr(usage, whole)})")
    return AbsurdUsage("input_tokens", "the parts together are more than the whole")


@dataclass(frozen=True, slots=True)
class Tier:
    """A rate for calls whose whole input is above a number of tokens. It then applies to all tokens of the
    call."""

    above_input_tokens: int
    rate: Decimal


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate and its long-context tiers, in rising order of their thresholds."""

    base: Decimal
    tiers: tuple[Tier, ...] = ()

    def content(self) -> Any:
        if not self.tiers:
            return _decimal_text(self.base)
        tiers = [{"aboveInputTokens": tier.above_input_tokens, "rate": _decimal_text(tier.rate)} for tier in self.tiers]
        return {"base": _decimal_text(self.base), "tiers": tiers}

    @classmethod
    def from_content(cls, content: Any) -> Rate:
        if isinstance(content, str):
            return cls(_decimal(content))
        tiers = tuple(Tier(int(tier["aboveInputTokens"]), _decimal(tier["rate"])) for tier in content["tiers"])
        return cls(_decimal(content["base"]), tiers)


Rates = Mapping[RateKind, Rate]


@dataclass(frozen=True, slots=True)
class Variant:
    """Rates that replace others where the call was served under a condition, such as `service_tier:
    priority`.

    Of several variants that match, the first one that has a rate for a kind gives it.
    """

    when: tuple[tuple[str, str], ...]
    rates: Rates

    def content(self) -> dict[str, Any]:
        return {"when": dict(self.when), "rates": _rates_content(self.rates)}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PriceUsed:
    """The price of one model, fixed at admission and written on the hold: everything a cost is computed from.

    Two prices with the same content are the same price: `price_id` is derived from the content, equality
    and hash from `price_id`. `catalogue` says where the rates are from (`genai-prices 0.2.3`,
    `configuration`), `valid_from` the day from which the catalogue says that they apply, where it says so.
    """

    model: str
    provider: str
    catalogue: str
    source_currency: str
    currency: str
    exchange_rate: Decimal
    markup_percent: Decimal
    rates: Rates
    variants: tuple[Variant, ...] = ()
    valid_from: str | None = None
    price_id: UUID = field(init=False)
    """The key under which the database keeps this price: the same content, the same id, on every machine."""
    _hash: int = field(init=False, repr=False)

    def __post_init__(self) -> None:
        canonical = json.dumps(self.content(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        object.__setattr__(self, "price_id", uuid5(_PRICE_NAMESPACE, canonical))
        object.__setattr__(self, "_hash", hash(self.price_id))

    def content(self) -> dict[str, Any]:
        """JSON for the table `price` and for `priceUsed` on a transfer; `from_content` reads it back."""
        return {
            "version": CONTENT_VERSION,
            "model": self.model,
            "provider": self.provider,
            "catalogue": self.catalogue,
            "validFrom": self.valid_from,
            "sourceCurrency": self.source_currency,
            "currency": self.currency,
            "exchangeRate": _decimal_text(self.exchange_rate),
            "markupPercent": _decimal_text(self.markup_percent),
            "rates": _rates_content(self.rates),
            "variants": [variant.content() for variant in self.variants],
        }

    @classmethod
    def from_content(cls, content: Mapping[str, Any]) -> PriceUsed:
        """The price that was stored. Raises `ValueError` for a content version that is not known."""
        if content["version"] != CONTENT_VERSION:
            raise ValueError(f"price content has version {content['version']!r}, not {CONTENT_VERSION}")
        variants = tuple(
            Variant(tuple(sorted(variant["when"].items())), _rates_from_content(variant["rates"]))
            for variant in content["variants"]
        )
        return cls(
            model=content["model"],
            provider=content["provider"],
            catalogue=content["catalogue"],
            source_currency=content["sourceCurrency"],
            currency=content["currency"],
            exchange_rate=_decimal(content["exchangeRate"]),
            markup_percent=_decimal(content["markupPercent"]),
            rates=_rates_from_content(content["rates"]),
            variants=variants,
            valid_from=content["validFrom"],
        )

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, PriceUsed) and self.price_id == other.price_id)

    def __hash__(self) -> int:
        return self._hash


def _rates_content(rates: Rates) -> dict[str, Any]:
    return {kind: rates[kind].content() for kind in RATE_KINDS if kind in rates}


def _rates_from_content(content: Mapping[str, Any]) -> Rates:
    unknown = content.keys() - set(RATE_KINDS)
    if unknown:
        raise ValueError(f"price content has rates that are not known: {', '.join(sorted(unknown))}")
    return {kind: Rate.from_content(content[kind]) for kind in RATE_KINDS if kind in content}


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a decimal") from None


def _decimal_text(value: Decimal) -> str:
    """One text for one number, whatever its trailing zeros: `2.50` and `2.5` are the same price."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text
