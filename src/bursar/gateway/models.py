"""`GET /v1/models`: what a mandate may use here, as far as it can be named: served, allowed, and priced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from bursar.gateway.admission import is_allowed
from bursar.gateway.callers import CallParty
from bursar.gateway.gateway import Gateway
from bursar.gateway.upstreams import Upstream
from bursar.gateway.views import View
from bursar.gateway.wiring import Configuration
from bursar.identity.principal import MandateFacts
from bursar.pricing.catalogue import ExchangeRateMissing, ModelNotPriced, Priced
from bursar.pricing.source import bundled

_UNKNOWN_DAY: Final = "1970-01-01T00:00:00Z"
"""What Anthropic's API says of a model whose day of release is not known."""


class ModelsView(View):
    """Models that the configuration names, and those of the price catalogue that an upstream's globs take in."""

    async def show(self, party: CallParty) -> Any:
        data = [
            {"id": model, "object": "model", "created": 0, "owned_by": provider}
            for model, provider in self._usable(party)
        ]
        return {"object": "list", "data": data}

    async def show_anthropic(self, party: CallParty) -> Any:
        """Those that `/v1/messages` serves, on one page."""
        data = [
            {"type": "model", "id": model, "display_name": model, "created_at": _UNKNOWN_DAY}
            for model, _ in self._usable(party, "anthropic")
        ]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return {"data": data, "has_more": False, **ends}

    def _usable(self, party: CallParty, dialect: str | None = None) -> Iterator[tuple[str, str]]:
        """Models, and the providers whose prices are taken; of one dialect's upstreams only, if one is named."""
        for model, priced in usable_models(self.gateway, party.mandate, dialect):
            if is_allowed(model, party.caller.allowed_models):
                yield model, priced.price.provider


def usable_models(gateway: Gateway, mandate: MandateFacts, dialect: str | None = None) -> Iterator[tuple[str, Priced]]:
    """What a mandate may use, and at what price; of one dialect's upstreams only, if one is named."""
    configuration = gateway.configuration
    at = gateway.wiring.clock.now()
    for model, upstream in sorted(served_models(configuration, dialect).items()):
        if not is_allowed(model, mandate.allowed_models):
            continue
        try:
            priced = configuration.catalogue.price(
                model,
                upstream.settings.base_url,
                at,
                currency=mandate.currency,
                markup_percent=mandate.markup_percent,
            )
        except (ModelNotPriced, ExchangeRateMissing):
            continue
        yield model, priced


def served_models(configuration: Configuration, dialect: str | None = None) -> dict[str, Upstream]:
    """Every model that can be named, and the upstream that serves it first; of one dialect's upstreams, if named.

    Named are those that upstreams name, and of those that have a price what an upstream's globs take in.
    """
    upstreams = configuration.upstreams
    served = upstreams.named_models(dialect)
    for upstream in upstreams:
        if dialect not in (None, upstream.settings.dialect):
            continue
        for model in (*configuration.catalogue.configured_models(), *_catalogued(upstream.settings.base_url)):
            if upstream.serves(model):
                served.setdefault(model, upstream)
    return served


def _catalogued(base_url: str) -> Iterator[str]:
    """The models that the price catalogue lists for the provider behind a URL."""
    for provider in bundled().providers:
        if re.match(provider.api_pattern, base_url):
            yield from (model.id for model in provider.models)
