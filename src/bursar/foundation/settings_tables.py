"""How upstreams, prices and exchange rates are read out of TOML tables or JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from bursar.foundation.money import AmountError, parse_amount
from bursar.foundation.settings_model import (
    ModelPriceSettings,
    PaymentSettings,
    PricingSettings,
    StripeSettings,
    UpstreamSettings,
)
from bursar.foundation.settings_values import (
    Entry,
    InvalidValue,
    boolean,
    currency,
    decimal,
    from_json,
    list_of,
    mapping_of,
    one_of,
    table,
    text,
    url,
    whole_number,
)

_RATE: Final = decimal(Decimal(0))
_TOKENS: Final = whole_number(1, 100_000_000)
_FACTOR: Final = decimal(Decimal(0), above=True)

_UPSTREAM: Final[Mapping[str, Entry]] = {
    "name": Entry(text, required=True),
    "dialect": Entry(one_of("openai", "anthropic"), required=True),
    "base_url": Entry(url("https", "http"), required=True),
    "models": Entry(list_of(text), required=True),
    "api_key": Entry(text),
    "rename": Entry(mapping_of(text), {}),
    "headers": Entry(mapping_of(text), {}),
    "query": Entry(mapping_of(text), {}),
    "order": Entry(whole_number(0, 1_000_000), 1),
    "weight": Entry(whole_number(1, 1_000_000), 1),
    "timeout_seconds": Entry(whole_number(1, 86_400), 600),
}
_MODEL: Final[Mapping[str, Entry]] = {
    "model": Entry(text, required=True),
    "currency": Entry(currency, required=True),
    "input_per_million": Entry(_RATE, required=True),
    "output_per_million": Entry(_RATE, required=True),
    "cached_input_per_million": Entry(_RATE),
    "cache_write_per_million": Entry(_RATE),
    "context_window": Entry(_TOKENS),
    "max_output_tokens": Entry(_TOKENS),
    "reasoning": Entry(boolean),
}


def read_upstreams(environ: Mapping[str, str]) -> Callable[[Any], tuple[UpstreamSettings, ...]]:
    """Reads `[[upstreams]]`; `env:NAME` in keys, headers and query parameters is taken from `environ`."""

    def read(value: object) -> tuple[UpstreamSettings, ...]:
        upstreams: list[UpstreamSettings] = []
        for index, found in enumerate(list_of(table(_UPSTREAM))(value)):
            place = f"[{index}]"
            if not found["models"]:
                raise InvalidValue("must name at least one model", f"{place}.models")
            if found["name"] in (upstream.name for upstream in upstreams):
                raise InvalidValue("is used twice", f"{place}.name")
            if found["api_key"] is not None:
                found["api_key"] = _resolved(found["api_key"], environ, f"{place}.api_key")
            for key in ("headers", "query"):
                found[key] = {
                    name: _resolved(item, environ, f"{place}.{key}.{name}") for name, item in found[key].items()
                }
            upstreams.append(UpstreamSettings(**found))
        return tuple(upstreams)

    return read


def read_pricing(default_currency: str) -> Callable[[Any], PricingSettings]:
    """Reads `[pricing]`. Rates outside a currency's table lead to `default_currency`."""
    pricing = {
        "markup_percent": Entry(decimal(Decimal(-100), above=True), Decimal(0)),
        "exchange_rates": Entry(lambda value: _exchange_rates(value, default_currency), {}),
        "models": Entry(list_of(table(_MODEL)), ()),
    }

    def read(value: object) -> PricingSettings:
        found = table(pricing)(value)
        names = [model["model"] for model in found["models"]]
        for index, name in enumerate(names):
            if name in names[:index]:
                raise InvalidValue("is used twice", f".models[{index}].model")
        models = tuple(ModelPriceSettings(**model) for model in found["models"])
        return PricingSettings(
            markup_percent=found["markup_percent"], exchange_rates=found["exchange_rates"], models=models
        )

    return read


def read_payments(environ: Mapping[str, str]) -> Callable[[Any], PaymentSettings]:
    """Reads `[payments.stripe]`; `env:NAME` in its secrets is taken from `environ`."""
    stripe = {
        "secret_key": Entry(text, required=True),
        "webhook_secret": Entry(text, required=True),
        "api_base": Entry(url("https", "http"), "https://api.stripe.com"),
        "minimum": Entry(_amount, 5_000_000_000),
        "maximum": Entry(_amount, 5_000_000_000_000),
    }

    def read(value: object) -> PaymentSettings:
        found = table({"stripe": Entry(table(stripe))})(value)["stripe"]
        if found is None:
            return PaymentSettings()
        if found["minimum"] > found["maximum"]:
            raise InvalidValue("must not be more than the maximum", ".stripe.minimum")
        secrets = {
            name: _resolved(found[name], environ, f".stripe.{name}") for name in ("secret_key", "webhook_secret")
        }
        return PaymentSettings(
            stripe=StripeSettings(
                **secrets,
                api_base=found["api_base"],
                minimum_nanos=found["minimum"],
                maximum_nanos=found["maximum"],
            )
        )

    return read


def _amount(value: object) -> int:
    try:
        return parse_amount(value, field="amount")
    except AmountError as error:
        raise InvalidValue(error.message) from None


def read_sign_in(value: object) -> tuple[Mapping[str, Any], ...]:
    """Reads `[[sign_in]]` as it stands: what a provider needs is for the sign-in itself to say."""
    if isinstance(value, str):
        value = from_json(value)
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise InvalidValue("must be a list of tables")
    return tuple(dict(item) for item in value)


def _exchange_rates(value: object, default_currency: str) -> dict[str, dict[str, Decimal]]:
    if not isinstance(value, Mapping):
        raise InvalidValue("must be a table")
    rates: dict[str, dict[str, Decimal]] = {}
    for name, item in value.items():
        try:
            code = currency(name)
            if isinstance(item, Mapping):
                found = {currency(source): _FACTOR(factor) for source, factor in item.items()}
                rates.setdefault(code, {}).update(found)
            else:
                rates.setdefault(default_currency, {})[code] = _FACTOR(item)
        except InvalidValue as error:
            raise InvalidValue(error.message, f".{name}") from None
    return rates


def _resolved(value: str, environ: Mapping[str, str], place: str) -> str:
    if not value.startswith("env:"):
        return value
    name = value.removeprefix("env:").strip()
    if not environ.get(name):
        raise InvalidValue(f"the environment variable {name} is not set", place)
    return environ[name]
