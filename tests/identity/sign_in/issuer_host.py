"""A small OpenID Connect issuer on loopback: authlib's PKCE, its signatures by joserfc; it can be told to lie."""

from __future__ import annotations

import asyncio
import base64
import hmac
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
import uvicorn
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.jwk import Key, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT_ID = "bursar-client"
CLIENT_SECRET = "a-client-secret"


@dataclass
class Issuer:
    """`claims` and `header` are laid over what an honest ID token says; `None` takes a claim away."""

    base: str = ""
    issuer: str = ""
    keys: list[RSAKey] = field(default_factory=list)
    published: list[dict[str, Any]] | None = None
    """What is published instead of the keys."""
    subject: str = "anna-at-the-issuer"
    profile: dict[str, Any] = field(default_factory=dict)
    claims: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    sign: Callable[[dict[str, Any], dict[str, Any]], str] | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    iss_parameter: str | None = None
    fetched: list[str] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)
    turn: int = 0

    def rotate(self) -> None:
        """From now on another key signs, and it alone is published."""
        self.turn += 1
        self.keys = [a_key(self.turn)]

    def id_token(self, asked: dict[str, str]) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "sub": asked["subject"],
            "aud": asked["client_id"],
            "exp": now + 300,
            "iat": now,
            "nonce": asked.get("nonce"),
            **self.profile,
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        header = {"alg": "RS256", "kid": self.keys[0].kid}
        if self.sign is not None:
            return self.sign(header, claims)
        return jwt.encode(header, claims, self.keys[0])

    # --- routes ------------------------------------------------------------------------------------------------------

    async def discovery(self, _: Request) -> Response:
        self.fetched.append("discovery")
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.base}/authorize",
                "token_endpoint": f"{self.base}/token",
                "jwks_uri": f"{self.base}/jwks",
                "id_token_signing_alg_values_supported": ["RS256", "none", "HS256"],
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                **self.metadata,
            }
        )

    async def jwks(self, _: Request) -> Response:
        self.fetched.append("jwks")
        published = self.published
        if published is None:
            published = [dict(key.as_dict(private=False)) for key in self.keys]
        return JSONResponse({"keys": published})

    async def authorize(self, request: Request) -> Response:
        """Somebody is signed in here already: straight back, with a code."""
        asked = dict(request.query_params)
        code = f"code-{len(self.codes)}-{time.monotonic_ns()}"
        self.codes[code] = {**asked, "subject": self.subject}
        answer = {"code": code, "state": asked["state"]}
        if self.iss_parameter is not None:
            answer["iss"] = self.iss_parameter
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 302)

    async def token(self, request: Request) -> Response:
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {basic}":
            return JSONResponse({"error": "invalid_client"}, 401)
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or form.get("grant_type") != "authorization_code":
            return JSONResponse({"error": "invalid_grant"}, 400)
        # No code without its verifier (RFC 7636): who stole the code cannot use it.
        verifier = form.get("code_verifier", "")
        if asked.get("code_challenge_method") != "S256" or asked.get("code_challenge") != _challenge(verifier):
            return JSONResponse({"error": "invalid_grant", "error_description": "PKCE"}, 400)
        if form.get("redirect_uri") != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        token = self.id_token(asked)
        access = f"access-{time.monotonic_ns()}"
        self.tokens += [token, access, "refresh-forever"]
        return JSONResponse(
            {
                "access_token": access,
                "refresh_token": "refresh-forever",
                "token_type": "Bearer",
                "expires_in": 300,
                "id_token": token,
            }
        )


@lru_cache
def a_key(number: int) -> RSAKey:
    """Making keys is slow: all issuers of these tests use the same ones, each under names that count up."""
    return RSAKey.generate_key(2048, {"kid": f"key-{number}", "use": "sig"})


def signed_with_text(secret: bytes) -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """An HMAC over any text: libraries refuse to make what is to be refused here."""

    def sign(header: dict[str, Any], claims: dict[str, Any]) -> str:
        body = f"{_part({**header, 'alg': 'HS256'})}.{_part(claims)}"
        digest = hmac.digest(secret, body.encode(), "sha256")
        return f"{body}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"

    return sign


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")


def unsigned(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """A token with `alg: none`."""
    return f"{_part({**header, 'alg': 'none'})}.{_part(claims)}."


def signed_by(key: Key, algorithm: str = "RS256") -> Callable[[dict[str, Any], dict[str, Any]], str]:
    """Signed by somebody else's key, under the id of the issuer's."""

    def sign(header: dict[str, Any], claims: dict[str, Any]) -> str:
        return jwt.encode({**header, "alg": algorithm}, claims, key, algorithms=[algorithm])

    return sign


def _challenge(verifier: str) -> str:
    return str(create_s256_code_challenge(verifier))


@asynccontextmanager
async def running_issuer(*, templated: bool = False) -> AsyncIterator[Issuer]:
    issuer = Issuer()
    issuer.rotate()
    app = Starlette(
        routes=[
            Route("/.well-known/openid-configuration", issuer.discovery),
            Route("/jwks", issuer.jwks),
            Route("/authorize", issuer.authorize),
            Route("/token", issuer.token, methods=["POST"]),
        ]
    )
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110 -- uvicorn has no event for it
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        issuer.base = f"http://127.0.0.1:{port}"
        issuer.issuer = issuer.base + ("/{tenantid}/v2.0" if templated else "")
        yield issuer
    finally:
        server.should_exit = True
        await serving


def path_of(url: str) -> str:
    """Path and query, as our own client asks for it."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
