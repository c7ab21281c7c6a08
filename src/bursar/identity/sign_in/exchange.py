"""The authorization code flow with PKCE: there with a state, a nonce and a challenge, back with a code, once.

What the issuer answers lives inside of `prove` and nowhere else.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final

import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client, OAuthError  # type: ignore[import-untyped]

from bursar.foundation.clock import Clock, SystemClock
from bursar.identity.sign_in.id_token import Expected, KeyNotKnown, Proven, TokenRefused, check_id_token
from bursar.identity.sign_in.issuer import TENANT, TIMEOUT_SECONDS, Issuer, IssuerUnavailable, Metadata
from bursar.identity.sign_in.providers import Provider

SCOPE: Final = "openid email profile"


class Exchange:
    """With one provider."""

    def __init__(self, provider: Provider, redirect_uri: str, clock: Clock | None = None) -> None:
        self.provider = provider
        self._redirect_uri = redirect_uri
        self._clock = clock or SystemClock()
        # No redirects: an issuer's documents and tokens are where it says they are.
        self._options: dict[str, Any] = {
            "timeout": TIMEOUT_SECONDS,
            "follow_redirects": False,
            "trust_env": not provider.insecure_loopback,
        }
        self._http = httpx2.AsyncClient(**self._options)
        self.issuer = Issuer(provider, self._http, self._clock)

    async def aclose(self) -> None:
        await self._http.aclose()

    async def authorization_url(self, *, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. Raises `IssuerUnavailable`."""
        metadata = await self.issuer.metadata()
        async with self._client(metadata) as client:
            address, _ = client.create_authorization_url(
                metadata.authorization_endpoint, state=state, nonce=nonce, code_verifier=verifier
            )
        return str(address)

    async def check_who_answers(self, iss: str | None) -> None:
        """The mix-up of two issuers, as far as the answer itself shows it (RFC 9207). Raises `TokenRefused`."""
        metadata = await self.issuer.metadata()
        if iss is None:
            if metadata.sends_iss:
                raise TokenRefused("the answer does not say whose it is")
            return
        head, found, tail = metadata.issuer.partition(TENANT)
        right = iss.startswith(head) and iss.endswith(tail) and len(iss) > len(head + tail) if found else iss == head
        if not right:
            raise TokenRefused("another issuer's answer")

    async def prove(self, *, code: str, nonce: str, verifier: str, iss: str | None) -> Proven:
        """Who has signed in. Raises `TokenRefused` or `IssuerUnavailable`."""
        metadata = await self.issuer.metadata()
        answer = await self._redeem(metadata, code, verifier)
        expected = Expected(
            issuer=metadata.issuer,
            client_id=self.provider.client_id,
            nonce=nonce,
            access_token=answer.get("access_token"),
            algorithms=metadata.algorithms,
            now_seconds=int(self._clock.now().timestamp()),
            tenants=self.provider.tenants,
        )
        token = answer.get("id_token", "")
        try:
            proven = check_id_token(token, await self.issuer.keys(), expected)
        except KeyNotKnown:
            proven = check_id_token(token, await self.issuer.keys(again=True), expected)
        if iss is not None and iss != proven.issuer:
            raise TokenRefused("another issuer's answer")
        return proven

    def _client(self, metadata: Metadata) -> Any:
        by_secret = "client_secret_post" if metadata.secret_in_body else "client_secret_basic"
        return AsyncOAuth2Client(
            client_id=self.provider.client_id,
            client_secret=self.provider.client_secret,
            token_endpoint_auth_method=by_secret if self.provider.client_secret else "none",
            scope=SCOPE,
            redirect_uri=self._redirect_uri,
            code_challenge_method="S256",
            **self._options,
        )

    async def _redeem(self, metadata: Metadata, code: str, verifier: str) -> Mapping[str, Any]:
        try:
            async with self._client(metadata) as client:
                answer = await client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
                    redirect_uri=self._redirect_uri,
                )
        except OAuthError as error:
            raise TokenRefused(f"the issuer says {str(error.error)[:100]!r}") from error
        except (httpx2.HTTPError, ValueError) as error:
            raise IssuerUnavailable(f"{metadata.token_endpoint}: {type(error).__name__}") from error
        if not isinstance(answer, Mapping):
            raise IssuerUnavailable(f"{metadata.token_endpoint}: no JSON object")
        return answer


def new_verifier() -> str:
    """A PKCE verifier: 64 characters (RFC 7636 wants 43 to 128)."""
    return secrets.token_urlsafe(48)
