"""The settings `[[sign_in]]`: which issuers may say who somebody is.

Google and Microsoft are presets; any other issuer is given by its discovery URL.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from bursar.foundation.settings import SettingsError
from bursar.foundation.settings_values import Entry, InvalidValue, boolean, list_of, one_of, table, text, url

WELL_KNOWN: Final = "/.well-known/openid-configuration"
_GOOGLE: Final = "https://accounts.google.com"
_MICROSOFT: Final = "https://login.microsoftonline.com"
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_TENANT: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
_TENANT_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An issuer and what is agreed with it."""

    name: str
    """As in the routes: `/auth/callback/{name}`."""
    title: str
    """As on the button."""
    discovery_url: str
    issuer: str | None
    """Exactly so in its documents and tokens; `None` where each tenant is an issuer of its own (Microsoft)."""
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    """`None` for a public client, which has nothing but PKCE."""
    tenants: frozenset[str] = frozenset()
    """Microsoft's tenant ids that may sign in; empty for all that the endpoint lets in."""
    link_by_email: bool = False
    """Whether an address that the issuer calls verified makes somebody the user who has it."""
    operators: frozenset[str] = frozenset()
    """Subjects of the installation's operators."""
    insecure_loopback: bool = False
    """Whether it may be spoken to without TLS, which only an issuer on this machine may."""


def _matching(pattern: re.Pattern[str], message: str) -> Callable[[Any], Any]:
    def read(value: object) -> str:
        found = text(value)
        if not pattern.fullmatch(found):
            raise InvalidValue(message)
        return found

    return read


def _tenant_id(value: object) -> str:
    return str(_matching(_TENANT_ID, "must be a tenant's id (a UUID)")(text(value).lower()))


_TABLE: Final[Mapping[str, Entry]] = {
    "name": Entry(_matching(_NAME, "must be of small letters, digits and hyphens, at most 32")),
    "preset": Entry(one_of("google", "microsoft")),
    "discovery_url": Entry(url("https", "http")),
    "client_id": Entry(text, required=True),
    "client_secret": Entry(text),
    "title": Entry(text),
    "tenant": Entry(_matching(_TENANT, "must be common, organizations, consumers, a tenant's id or its domain")),
    "tenants": Entry(list_of(_tenant_id), ()),
    "link_by_email": Entry(boolean),
    "operators": Entry(list_of(text), ()),
    "insecure_loopback": Entry(boolean, False),
}


def read_providers(tables: Sequence[Mapping[str, Any]], environ: Mapping[str, str]) -> tuple[Provider, ...]:
    """The providers of `Settings.sign_in`; a secret `env:NAME` is taken from `environ`.

    Raises `SettingsError`, one line that names the key and never repeats its value.
    """
    providers: list[Provider] = []
    for index, given in enumerate(tables):
        place = f"sign_in[{index}]"
        try:
            provider = _provider(table(_TABLE)(given), environ)
        except InvalidValue as error:
            raise SettingsError(f"{place}{error.path}", error.message) from None
        if provider.name in {known.name for known in providers}:
            raise SettingsError(f"{place}.name", f"{provider.name} is used twice")
        providers.append(provider)
    return tuple(providers)


def _provider(found: Mapping[str, Any], environ: Mapping[str, str]) -> Provider:
    preset = found["preset"]
    if (preset is None) == (found["discovery_url"] is None):
        raise InvalidValue("must be google or microsoft, or else discovery_url says where the issuer is", ".preset")
    if preset != "microsoft":
        for key in ("tenant", "tenants"):
            if found[key]:
                raise InvalidValue("is for the preset microsoft only", f".{key}")
    name = found["name"] or preset
    if name is None:
        raise InvalidValue("is missing", ".name")
    address, issuer = _where(found)
    _check_transport(address, found["insecure_loopback"])
    link_by_email = found["link_by_email"]
    return Provider(
        name=name,
        title=found["title"] or {"google": "Google", "microsoft": "Microsoft"}.get(preset, name),
        discovery_url=address,
        issuer=issuer,
        client_id=found["client_id"],
        client_secret=_secret(found["client_secret"], environ),
        tenants=frozenset(found["tenants"]),
        # Google verifies what it says of addresses; of others, that is for the operator to know.
        link_by_email=preset == "google" if link_by_email is None else link_by_email,
        operators=frozenset(found["operators"]),
        insecure_loopback=found["insecure_loopback"],
    )


def _where(found: Mapping[str, Any]) -> tuple[str, str | None]:
    if found["preset"] == "google":
        return _GOOGLE + WELL_KNOWN, _GOOGLE
    if found["preset"] == "microsoft":
        tenant = (found["tenant"] or "organizations").lower()
        base = f"{_MICROSOFT}/{tenant}/v2.0"
        return base + WELL_KNOWN, base if _TENANT_ID.fullmatch(tenant) else None
    address = str(found["discovery_url"])
    if not address.endswith(WELL_KNOWN):
        raise InvalidValue(f"must end in {WELL_KNOWN}", ".discovery_url")
    return address, address.removesuffix(WELL_KNOWN)


def _check_transport(address: str, insecure_loopback: bool) -> None:
    parts = urlsplit(address)
    if insecure_loopback and parts.hostname not in _LOOPBACK:
        raise InvalidValue("is for an issuer on this machine only", ".insecure_loopback")
    if parts.scheme != "https" and not insecure_loopback:
        raise InvalidValue("must begin with https://", ".discovery_url")


def _secret(value: str | None, environ: Mapping[str, str]) -> str | None:
    if value is None or not value.startswith("env:"):
        return value
    name = value.removeprefix("env:").strip()
    if not environ.get(name):
        raise InvalidValue(f"the environment variable {name} is not set", ".client_secret")
    return environ[name]
