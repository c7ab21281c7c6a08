"""`GET /v1/models`: what a mandate may use here, as far as it can be named: served, allowed, and priced."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from bursar.gateway.admission import is_allowed
from bursar.gateway.callers import CallParty
from bursar.gateway.upstreams import Upstream
from bursar.gateway.views import View
from bursar.pricing.catalogue import ExchangeRateMissing, ModelNotPriced
from bursar.pricing.source import bundled


class ModelsView(View):
    """Models that the configuration names, and those of the price catalogue that an upstream's globs take in."""

    async def show(self, party: CallParty) -> Any:
        mandate, configuration = party.mandate, self.gateway.configuration
        at = self.gateway.wiring.clock.now()
        data = []
        for model, upstream in sorted(self._served().items()):
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
            data.append({"id": model, "object": "model", "created": 0, "owned_by": priced.price.provider})
        return {"object": "list", "data": data}

    def _served(self) -> dict[str, Upstream]:
        upstreams = self.gateway.configuration.upstreams
        served = upstreams.named_models()
        for upstream in upstreams:
            for model in _catalogued(upstream.settings.base_url):
                if upstream.serves(model):
                    served.setdefault(model, upstream)
        return served


def _catalogued(base_url: str) -> Iterator[str]:
    """The models that the price catalogue lists for the provider behind a URL."""
    for provider in bundled().providers:
        if re.match(provider.api_pattern, base_url):
            yield from (model.id for model in provider.models)
