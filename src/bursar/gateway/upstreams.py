"""The upstreams: who serves which model, under what name, at which URL, with which headers. Pure selection.

A new configuration is a new `UpstreamTable`; it is swapped whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final
from urllib.parse import urlencode

from bursar.foundation.settings_model import UpstreamSettings
from bursar.gateway.dialects.seam import Dialect, Header
from bursar.gateway.health import Circuit, UpstreamHealth
from bursar.gateway.upstream_target import Target

_MODELS_KEPT: Final = 2_048
_GOLDEN: Final = 0.6180339887498949
_GLOB: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Upstream:
    """One provider's endpoint, as configured."""

    settings: UpstreamSettings
    headers: tuple[Header, ...]

    @property
    def name(self) -> str:
        return self.settings.name

    def serves(self, model: str) -> bool:
        return any(fnmatchcase(model, pattern) for pattern in self.settings.models)

    def model_name(self, model: str) -> str:
        """What the upstream itself calls the model (an Azure deployment, for instance)."""
        return self.settings.rename.get(model, model)


@dataclass(frozen=True, slots=True)
class Route:
    """How one dialect is spoken to one upstream."""

    upstream: Upstream
    target: Target
    headers: tuple[Header, ...]
    """All that do not depend on the call: content type, our key, configured ones."""

    def circuit(self, health: UpstreamHealth) -> Circuit:
        return health.of(self.upstream.name, self.upstream.settings.base_url)


class UpstreamTable:
    """All upstreams. Raises `ValueError` for a base URL that cannot be addressed."""

    def __init__(self, settings: Iterable[UpstreamSettings], dialects: Iterable[Dialect]) -> None:
        self._upstreams = tuple(Upstream(each, _configured(each)) for each in settings)
        self._routes = {
            (dialect.name, upstream.name): _route(upstream, dialect)
            for dialect in dialects
            for upstream in self._upstreams
            if upstream.settings.dialect == dialect.upstream_dialect
        }
        # Names that clients make up must not pile up.
        self._groups = lru_cache(maxsize=_MODELS_KEPT)(self._find)

    def routes(self, dialect: Dialect, model: str, draw: Callable[[], float]) -> Sequence[Route]:
        """Those that serve a model in a dialect, the first one to be tried first: by order, then by weighted lot.

        `draw` gives numbers from 0 to 1.
        """
        groups = self._groups(dialect.name, model)
        if len(groups) == 1 and len(groups[0]) == 1:
            return groups[0]
        return [route for group in groups for route in _shuffled(group, draw)]

    def _find(self, dialect_name: str, model: str) -> tuple[tuple[Route, ...], ...]:
        found = [
            route
            for upstream in self._upstreams
            if (route := self._routes.get((dialect_name, upstream.name))) and upstream.serves(model)
        ]
        orders = sorted({route.upstream.settings.order for route in found})
        return tuple(tuple(r for r in found if r.upstream.settings.order == order) for order in orders)

    def named_models(self, dialect: str | None = None) -> dict[str, Upstream]:
        """Models that the configuration names outright, and who serves them first (in a dialect, if one is named)."""
        named: dict[str, Upstream] = {}
        for upstream in sorted(self._upstreams, key=lambda each: each.settings.order):
            if dialect not in (None, upstream.settings.dialect):
                continue
            for model in upstream.settings.models:
                if not _GLOB & set(model):
                    named.setdefault(model, upstream)
        return named

    def __iter__(self) -> Iterator[Upstream]:
        return iter(self._upstreams)


def _configured(settings: UpstreamSettings) -> tuple[Header, ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in settings.headers.items())


def _route(upstream: Upstream, dialect: Dialect) -> Route:
    settings = upstream.settings
    query = f"?{urlencode(settings.query)}" if settings.query else ""
    target = Target.parse(settings.base_url.rstrip("/") + dialect.upstream_path + query)
    headers: list[Header] = [(b"content-type", b"application/json"), (b"user-agent", b"bursar")]
    if settings.api_key is not None:
        headers.append(dialect.key_header(settings.api_key))
    configured = {name for name, _ in upstream.headers}
    return Route(upstream, target, (*(each for each in headers if each[0] not in configured), *upstream.headers))


class EvenLots:
    """Numbers from 0 to 1 for `routes` that spread evenly whenever one stops: by the golden ratio, without chance.

    Every run of calls is shared out in proportion to the weights to within a few calls (Weyl's equidistribution).
    """

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = 0.0

    def __call__(self) -> float:
        self._at = (self._at + _GOLDEN) % 1
        return self._at


def _shuffled(group: Sequence[Route], draw: Callable[[], float]) -> list[Route]:
    """All of a group, each place given by lot, in proportion to the weights of those that are left."""
    left = list(group)
    shuffled: list[Route] = []
    while len(left) > 1:
        mark = draw() * sum(route.upstream.settings.weight for route in left)
        for place, route in enumerate(left):
            mark -= route.upstream.settings.weight
            if mark < 0 or place == len(left) - 1:
                shuffled.append(left.pop(place))
                break
    return shuffled + left
