"""What an ID token must be before it is believed (OpenID Connect Core, 3.1.3.7).

Authlib checks the signature and the registered claims; what this file adds is stricter, and said where it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from bursar.identity.sign_in.issuer import TENANT

LEEWAY_SECONDS: Final = 60
"""How far the issuer's clock may be from ours."""
LONGEST_SUBJECT: Final = 255
LONGEST_TOKEN: Final = 100_000
_TENANT_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_TRUE: Final = (True, 1, "1", "true", "True")
"""How Microsoft says of a domain that its owner is the one who writes the address."""


class TokenRefused(Exception):
    """An ID token that proves nothing. The message is for the log and holds nothing of the token's content."""


class KeyNotKnown(TokenRefused):
    """It is signed by a key that is not among those given: they may have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    issuer: str
    """May hold `{tenantid}`, which stands for the token's own."""
    client_id: str
    nonce: str
    access_token: str | None
    algorithms: frozenset[str]
    now_seconds: int
    tenants: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Proven:
    """Who somebody is, as their issuer has it."""

    issuer: str
    subject: str
    display_name: str | None
    verified_email: str | None
    """Only where the issuer says that it has verified it."""


def check_id_token(token: str, keys: KeySet, expected: Expected) -> Proven:
    """Raises `KeyNotKnown` or `TokenRefused`."""
    if not isinstance(token, str) or len(token) > LONGEST_TOKEN:
        raise TokenRefused("there is no ID token")
    used: list[Key] = []

    def find(signed: Any) -> Key:
        used.append(_key_of(signed.headers(), keys))
        return used[0]

    try:
        decoded = jwt.decode(token, find, algorithms=sorted(expected.algorithms))
        issuer = _issuer_of(decoded.claims, expected)
        claims = CodeIDToken(
            decoded.claims,
            decoded.header,
            options={
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": expected.client_id},
            },
            params={
                "nonce": expected.nonce,
                "client_id": expected.client_id,
                "access_token": expected.access_token,
            },
        )
        claims.validate(now=expected.now_seconds, leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise TokenRefused(f"{type(error).__name__} {getattr(error, 'claim', None) or ''}".strip()) from error
    _check_further(claims, expected, issuer, used[0])
    return Proven(issuer, claims["sub"], _name_of(claims), _verified_email(claims))


def _key_of(header: Mapping[str, Any], keys: KeySet) -> Key:
    """By its id; without an id, the only one there is for this algorithm."""
    kid, algorithm = header.get("kid"), header.get("alg")
    fitting = [key for key in keys if key.get("use") in (None, "sig") and key.get("alg") in (None, algorithm)]
    found = [key for key in fitting if kid is None or key.get("kid") == kid]
    if len(found) != 1:
        raise KeyNotKnown("signed by a key that is not known")
    return found[0]


def _issuer_of(claims: Mapping[str, Any], expected: Expected) -> str:
    """The exact issuer that this token must name. Raises `TokenRefused`."""
    if TENANT not in expected.issuer and not expected.tenants:
        return expected.issuer
    tenant = claims.get("tid")
    if not isinstance(tenant, str) or not _TENANT_ID.fullmatch(tenant):
        raise TokenRefused("no tenant")
    if expected.tenants and tenant not in expected.tenants:
        raise TokenRefused("a tenant that may not sign in")
    return expected.issuer.replace(TENANT, tenant)


def _check_further(claims: Mapping[str, Any], expected: Expected, issuer: str, key: Key) -> None:
    subject = claims["sub"]
    if not 1 <= len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise TokenRefused("no usable subject")
    if claims.get("nonce") != expected.nonce or not expected.nonce:
        raise TokenRefused("another nonce")
    # For us alone: a token that others may present, too, proves nothing here.
    if claims["aud"] not in (expected.client_id, [expected.client_id]):
        raise TokenRefused("for others, too")
    # Where one endpoint signs for many tenants, a key may be good for one of them only.
    key_issuer = key.get("issuer")
    if key_issuer is not None and str(key_issuer).replace(TENANT, str(claims.get("tid"))) != issuer:
        raise TokenRefused("signed by another issuer's key")


def _name_of(claims: Mapping[str, Any]) -> str | None:
    name = claims.get("name")
    if not isinstance(name, str):
        return None
    return "".join(character for character in name if character.isprintable()).strip()[:300] or None


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    email = claims.get("email")
    verified = claims.get("email_verified") is True or claims.get("xms_edov") in _TRUE
    return email if verified and isinstance(email, str) and 3 <= len(email) <= 320 else None
