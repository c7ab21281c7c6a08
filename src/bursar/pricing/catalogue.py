"""The catalogue: which price a model has, in which currency, and what else is known of the model.

Bundled data (`source.py`), overridden and extended by configuration (`[[pricing.models]]`), brought into a
mandate's currency by `pricing.exchange_rates` and a markup. Pure: the time comes with each question, and
there is no network. A new configuration is a new `Catalogue`; it is cheap to build, the bundled data is
shared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, Protocol, Self

from genai_prices.data_snapshot import DataSnapshot

from bursar.pricing.families import UNKNOWN, Family, Reasoning, family_of
from bursar.pricing.model import PriceUsed, Rate, RateKind, Rates, Variant
from bursar.pricing.source import SourceModel, SourcePrice, UnpricedInput, bundled, find_model, source_name

SOURCE_CURRENCY: Final = "USD"
"""The bundled catalogue quotes every price in US dollars."""

CONFIGURATION: Final = "configuration"
LONGEST_MODEL_NAME: Final = 256
_MODELS_KEPT: Final = 2048
_PRICES_KEPT_PER_MODEL: Final = 64


class ModelOverride(Protocol):
    """One `[[pricing.models]]` entry, as the settings give it. `model` is a name or a glob."""

    @property
    def model(self) -> str: ...
    @property
    def currency(self) -> str: ...
    @property
    def input_per_million(self) -> Decimal | None: ...
    @property
    def cached_input_per_million(self) -> Decimal | None: ...
    @property
    def cache_write_per_million(self) -> Decimal | None: ...
    @property
    def output_per_million(self) -> Decimal | None: ...
    @property
    def context_window(self) -> int | None: ...
    @property
    def max_output_tokens(self) -> int | None: ...
    @property
    def reasoning(self) -> bool | None: ...


class PricingSettings(Protocol):
    """The section `[pricing]`. `exchange_rates` is by the mandate's currency, then by the source's."""

    @property
    def markup_percent(self) -> Decimal: ...
    @property
    def exchange_rates(self) -> Mapping[str, Mapping[str, Decimal]]: ...
    @property
    def models(self) -> Iterable[ModelOverride]: ...


class ModelNotPriced(LookupError):
    """No price is known for a model, so it is not served: 400 `model_not_priced`."""

    def __init__(self, model: str, why: str) -> None:
        super().__init__(f"{model[:LONGEST_MODEL_NAME]}: {why}; an operator can set a price in [[pricing.models]]")
        self.model = model


class ExchangeRateMissing(LookupError):
    """A price is in a currency that no configured rate leads from. `setting` names the rate that is
    missing."""

    def __init__(self, source: str, target: str) -> None:
        self.setting = f"pricing.exchange_rates.{target}.{source}"
        super().__init__(f"no exchange rate from {source} to {target}: set {self.setting}")
        self.source = source
        self.target = target


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What bounds need to know of a model beside its price.

    `context_bound_tokens` is never less than what the model can take in: as configured, or the catalogue's
    window with a margin, since catalogues round (1,000,000 for 1,047,576). `None` where it is not known.
    """

    model: str
    family: Family
    context_bound_tokens: int | None
    max_output_tokens: int | None
    reasoning: Reasoning
    unpriced_inputs: frozenset[UnpricedInput] = frozenset()

    @property
    def hidden_reasoning(self) -> bool:
        """Whether output may be billed that is not seen, if the request does not speak of thinking."""
        return self.reasoning == "possible"


@dataclass(frozen=True, slots=True, eq=False)
class CataloguePrice:
    """A model's list price at one time, in the currency of its source, before exchange and markup."""

    model: str
    provider: str
    catalogue: str
    currency: str
    rates: Rates
    variants: tuple[Variant, ...]
    valid_from: str | None
    facts: ModelFacts


@dataclass(frozen=True, slots=True)
class Priced:
    """The price to fix at admission, and the facts that bounds need."""

    price: PriceUsed
    facts: ModelFacts


@dataclass(frozen=True, slots=True)
class _Entry:
    """What the catalogue knows of one name. `listed` and `priced` fill as periods, currencies and markups
    are asked."""

    override: ModelOverride | None
    source: SourceModel | None
    listed: dict[tuple[int, ...], CataloguePrice | None] = field(default_factory=dict)
    priced: dict[tuple[tuple[int, ...], str, Decimal], Priced] = field(default_factory=dict)


class Catalogue:
    """Answers what a model costs. Safe to share between threads; names that clients make up do not pile up
    in it."""

    def __init__(
        self,
        *,
        snapshot: DataSnapshot,
        catalogue: str,
        overrides: Iterable[ModelOverride] = (),
        exchange_rates: Mapping[str, Mapping[str, Decimal]] | None = None,
        markup_percent: Decimal = Decimal(0),
    ) -> None:
        self._snapshot = snapshot
        self._catalogue = catalogue
        self._overrides = tuple(overrides)
        self._exchange_rates = exchange_rates or {}
        self._markup_percent = markup_percent
        self._entry = lru_cache(maxsize=_MODELS_KEPT)(self._look_up)

    @classmethod
    def from_settings(cls, settings: PricingSettings, *, snapshot: DataSnapshot | None = None) -> Self:
        """The catalogue of an installation: its configuration over the bundled data, or over `snapshot`."""
        return cls(
            snapshot=snapshot if snapshot is not None else bundled(),
            catalogue=source_name() if snapshot is None else "snapshot",
            overrides=settings.models,
            exchange_rates=settings.exchange_rates,
            markup_percent=settings.markup_percent,
        )

    def configured_models(self) -> Iterator[str]:
        """Models that the configuration names outright, not by a glob."""
        return (override.model for override in self._overrides if not set("*?[") & set(override.model))

    def find(self, model: str, provider_hint: str | None, at: datetime) -> CataloguePrice:
        """The list price of a model at a time.

        `provider_hint` is a provider's id (`openai`) or the base URL of the upstream; one that the
        catalogue does not know is passed over. A configured price is taken before the catalogue's; if an
        entry sets only facts, the price stays the catalogue's. `at` must know its time zone. Raises
        `ModelNotPriced`.
        """
        entry, period = self._at(model, provider_hint, at)
        return self._listed(model, entry, period)

    def price(
        self,
        model: str,
        provider_hint: str | None,
        at: datetime,
        *,
        currency: str,
        markup_percent: Decimal | None = None,
    ) -> Priced:
        """The price to fix at admission, in a mandate's currency. `markup_percent`: the mandate's own, if it
        has one.

        Prices that change with the date or the time of day are those of `at`; they stay for the whole
        call, so a bound and the cost use the same. Raises `ModelNotPriced`, `ExchangeRateMissing`.
        """
        entry, period = self._at(model, provider_hint, at)
        markup = self._markup_percent if markup_percent is None else markup_percent
        priced = entry.priced.get((period, currency, markup))
        if priced is None:
            listed = self._listed(model, entry, period)
            priced = Priced(self._in_currency(listed, currency, markup), listed.facts)
            if len(entry.priced) >= _PRICES_KEPT_PER_MODEL:
                entry.priced.clear()
            entry.priced[period, currency, markup] = priced
        return priced

    def exchange_rate(self, source: str, target: str) -> Decimal:
        """Units of `target` for one of `source`. Raises `ExchangeRateMissing`."""
        if source == target:
            return Decimal(1)
        rate = self._exchange_rates.get(target, {}).get(source)
        if rate is None:
            raise ExchangeRateMissing(source, target)
        return rate

    def _at(self, model: str, provider_hint: str | None, at: datetime) -> tuple[_Entry, tuple[int, ...]]:
        if len(model) > LONGEST_MODEL_NAME:
            raise ModelNotPriced(model, "the name is too long")
        entry = self._entry(model, provider_hint)
        return entry, entry.source.period(at) if entry.source is not None else ()

    def _look_up(self, model: str, provider_hint: str | None) -> _Entry:
        return _Entry(self._override(model), find_model(self._snapshot, model, provider_hint))

    def _override(self, model: str) -> ModelOverride | None:
        exact = next((o for o in self._overrides if o.model == model), None)
        return exact or next((o for o in self._overrides if fnmatchcase(model, o.model)), None)

    def _listed(self, model: str, entry: _Entry, period: tuple[int, ...]) -> CataloguePrice:
        if period not in entry.listed:
            entry.listed[period] = self._list_price(model, entry, period)
        listed = entry.listed[period]
        if listed is None:
            why = "the catalogue has no price per token" if entry.source is not None else "not in the price catalogue"
            raise ModelNotPriced(model, why)
        return listed

    def _list_price(self, model: str, entry: _Entry, period: tuple[int, ...]) -> CataloguePrice | None:
        source, override = entry.source, entry.override
        in_source = source.price_in(period) if source is not None else None
        facts = _facts(model, override, source, in_source)
        configured = _configured_rates(override) if override is not None else {}
        if override is not None and configured:
            return CataloguePrice(
                override.model, CONFIGURATION, CONFIGURATION, override.currency, configured, (), None, facts
            )
        if source is None or in_source is None:
            return None
        return CataloguePrice(
            source.model_id,
            source.provider_id,
            self._catalogue,
            SOURCE_CURRENCY,
            in_source.rates,
            in_source.variants,
            in_source.valid_from,
            facts,
        )

    def _in_currency(self, listed: CataloguePrice, currency: str, markup_percent: Decimal) -> PriceUsed:
        return PriceUsed(
            model=listed.model,
            provider=listed.provider,
            catalogue=listed.catalogue,
            source_currency=listed.currency,
            currency=currency,
            exchange_rate=self.exchange_rate(listed.currency, currency),
            markup_percent=markup_percent,
            rates=listed.rates,
            variants=listed.variants,
            valid_from=listed.valid_from,
        )


def _configured_rates(override: ModelOverride) -> Rates:
    """An entry's own price. One rate given means that none is taken from the catalogue: prices are never
    mixed."""
    given: dict[RateKind, Decimal | None] = {
        "input": override.input_per_million,
        "cached_input": override.cached_input_per_million,
        "cache_write": override.cache_write_per_million,
        "output": override.output_per_million,
    }
    return {kind: Rate(rate) for kind, rate in given.items() if rate is not None}


def _facts(
    model: str, override: ModelOverride | None, source: SourceModel | None, price: SourcePrice | None
) -> ModelFacts:
    family = family_of(model)
    if family is UNKNOWN and source is not None:
        family = family_of(source.model_id)
    facts = ModelFacts(
        model=model,
        family=family,
        context_bound_tokens=_context_bound(source, price),
        max_output_tokens=family.max_output_tokens,
        reasoning=family.reasoning,
        unpriced_inputs=price.unpriced_inputs if price is not None else frozenset(),
    )
    if override is None:
        return facts
    reasoning: dict[bool | None, Reasoning] = {None: facts.reasoning, True: "possible", False: "never"}
    configured = bool(_configured_rates(override))
    return ModelFacts(
        model=model,
        family=family,
        context_bound_tokens=override.context_window or facts.context_bound_tokens,
        max_output_tokens=override.max_output_tokens or facts.max_output_tokens,
        reasoning=reasoning[override.reasoning],
        unpriced_inputs=frozenset() if configured else facts.unpriced_inputs,
    )


def _context_bound(source: SourceModel | None, price: SourcePrice | None) -> int | None:
    """The catalogue's context window and a tenth, because catalogues round windows down.

    Where a long-context rate begins at or above the listed window, the model is also offered with a longer
    one (Claude Sonnet 4.5: 200,000 listed, 1,000,000 by a beta header): five times the listed window then.
    """
    if source is None or source.context_window is None:
        return None
    window = source.context_window
    thresholds = [tier.above_input_tokens for rate in price.rates.values() for tier in rate.tiers] if price else []
    if any(threshold >= window for threshold in thresholds):
        window *= 5
    return -(-window * 11 // 10)
