"""Which models a person may choose from, at what price, and by which of the gateway's dialects each is asked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal

from bursar.gateway.gateway import Gateway
from bursar.gateway.models import usable_models
from bursar.identity.principal import MandateFacts

Dialect = Literal["openai", "anthropic"]
DIALECTS: Final[tuple[Dialect, ...]] = ("openai", "anthropic")
"""In the order in which they are taken where both serve a model."""


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """Prices are those of a call, in the mandate's currency with its markup, per million tokens."""

    model: str
    dialect: Dialect
    currency: str
    input_per_million: Decimal
    output_per_million: Decimal


def offered_models(gateway: Gateway, mandate: MandateFacts) -> Iterator[OfferedModel]:
    """Models that can hold a conversation; those that write nothing (embeddings) are left out."""
    offered: dict[str, OfferedModel] = {}
    for dialect in DIALECTS:
        for model, priced in usable_models(gateway, mandate, dialect):
            price = priced.price
            if "input" not in price.rates or "output" not in price.rates:
                continue
            factor = price.exchange_rate * (1 + price.markup_percent / 100)
            offered.setdefault(
                model,
                OfferedModel(
                    model,
                    dialect,
                    price.currency,
                    price.rates["input"].base * factor,
                    price.rates["output"].base * factor,
                ),
            )
    yield from (offered[name] for name in sorted(offered))


def offered_model(gateway: Gateway, mandate: MandateFacts, name: str) -> OfferedModel | None:
    return next((each for each in offered_models(gateway, mandate) if each.model == name), None)
