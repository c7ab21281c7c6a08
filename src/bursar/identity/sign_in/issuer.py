"""An issuer's own documents: where its endpoints are, and by which keys it signs. Remembered for an hour.

A key that is not known is asked for once more, so that an issuer may change its keys at any time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from bursar.foundation.clock import Clock, SystemClock
from bursar.identity.sign_in.providers import Provider

REMEMBERED_SECONDS: Final = 3600.0
TIMEOUT_SECONDS: Final = 10.0
MOST_BYTES: Final = 1_000_000
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"}
)
"""Signatures that only the issuer can make: never `none`, never a shared secret."""
TENANT: Final = "{tenantid}"


class IssuerUnavailable(Exception):
    """The issuer does not answer, or not as OpenID Connect has it. For the log; people are told to try again."""


@dataclass(frozen=True, slots=True)
class Metadata:
    issuer: str
    """May hold `{tenantid}`."""
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    algorithms: frozenset[str]
    secret_in_body: bool
    """Whether the client's secret can only be sent in the body."""
    sends_iss: bool
    """Whether it promises to name itself when it sends somebody back (RFC 9207)."""


class Issuer:
    """One provider's documents."""

    def __init__(self, provider: Provider, http: httpx2.AsyncClient, clock: Clock | None = None) -> None:
        self.provider = provider
        self._http = http
        self._clock = clock or SystemClock()
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    async def metadata(self) -> Metadata:
        """Raises `IssuerUnavailable`."""
        if self._metadata is None or not self._is_fresh(self._metadata[1]):
            document = await self._fetch(self.provider.discovery_url)
            self._metadata = self._read(document), self._clock.monotonic_seconds()
        return self._metadata[0]

    async def keys(self, *, again: bool = False) -> KeySet:
        """The issuer's public keys; `again` where the one that is wanted is not among those remembered.

        Raises `IssuerUnavailable`.
        """
        if again or self._keys is None or not self._is_fresh(self._keys[1]):
            document = await self._fetch((await self.metadata()).jwks_uri)
            try:
                keys = KeySet.import_key_set(document)  # type: ignore[arg-type]
            except (JoseError, KeyError, TypeError, ValueError) as error:
                raise IssuerUnavailable(f"{self.provider.name}: its keys cannot be read: {error}") from error
            self._keys = keys, self._clock.monotonic_seconds()
        return self._keys[0]

    def _is_fresh(self, fetched_at: float) -> bool:
        return self._clock.monotonic_seconds() - fetched_at < REMEMBERED_SECONDS

    async def _fetch(self, address: str) -> Mapping[str, Any]:
        try:
            async with self._http.stream("GET", address, headers={"accept": "application/json"}) as answer:
                body = bytearray()
                async for chunk in answer.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise IssuerUnavailable(f"{address} answers with too much")
                if answer.status_code != 200:
                    raise IssuerUnavailable(f"{address} answers with {answer.status_code}")
            document = orjson.loads(body)
        except (httpx2.HTTPError, orjson.JSONDecodeError) as error:
            raise IssuerUnavailable(f"{address}: {error!r}") from error
        if not isinstance(document, dict):
            raise IssuerUnavailable(f"{address} is no JSON object")
        return document

    def _read(self, document: Mapping[str, Any]) -> Metadata:
        provider = self.provider
        issuer = document.get("issuer")
        if provider.issuer is not None:
            right = issuer == provider.issuer
        else:
            # Each tenant is an issuer of its own: what is sure is whose house they are in.
            right = isinstance(issuer, str) and _origin(issuer) == _origin(provider.discovery_url)
        if not right:
            raise IssuerUnavailable(f"{provider.discovery_url} speaks for another issuer: {issuer!r}")
        algorithms = ALGORITHMS.intersection(_texts(document.get("id_token_signing_alg_values_supported", ["RS256"])))
        if not algorithms:
            raise IssuerUnavailable(f"{provider.name} signs by nothing that can be checked")
        methods = _texts(document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"]))
        return Metadata(
            issuer=str(issuer),
            authorization_endpoint=self._endpoint(document, "authorization_endpoint"),
            token_endpoint=self._endpoint(document, "token_endpoint"),
            jwks_uri=self._endpoint(document, "jwks_uri"),
            algorithms=algorithms,
            secret_in_body="client_secret_basic" not in methods and "client_secret_post" in methods,
            sends_iss=document.get("authorization_response_iss_parameter_supported") is True,
        )

    def _endpoint(self, document: Mapping[str, Any], name: str) -> str:
        address = document.get(name)
        if not isinstance(address, str):
            raise IssuerUnavailable(f"{self.provider.name} has no {name}")
        parts = urlsplit(address)
        loopback = self.provider.insecure_loopback and parts.hostname == urlsplit(self.provider.discovery_url).hostname
        if parts.scheme != "https" and not loopback:
            raise IssuerUnavailable(f"{self.provider.name}: its {name} is not https")
        return address


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


def _texts(value: object) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
