"""HTTPS to where a mandate says: public addresses only, checked at the moment of connecting; no redirects, no proxies.

The addresses that are checked are those that are connected to, so that a name which resolves to something else a moment
later gains nothing.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

Lookup = Callable[[str, int], Awaitable[Sequence[str]]]
LONGEST_URL: Final = 2000
_NAT64: Final = IPv6Network("64:ff9b::/96")
_MOST_READ_BYTES: Final = 64 * 1024


class EgressRefused(ValueError):
    """Not to be connected to; the message says why."""


@dataclass(frozen=True, slots=True)
class Answered:
    status: int
    text: str
    """The beginning of the answer, on one line."""


def is_public(address: str) -> bool:
    """Whether an IP address is on the public internet, whatever it is wrapped in."""
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        elif found.sixtofour is not None or found.teredo is not None or found in _NAT64:
            return False
    return found.is_global and not found.is_multicast


def check_url(url: str, *, allowed: Callable[[str], bool] = is_public) -> str:
    """The URL, if it is https to a host that may be public. Raises `EgressRefused`."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise EgressRefused("is no URL") from None
    if parts.scheme != "https" or not host:
        raise EgressRefused("must begin with https://")
    if parts.username is not None or parts.password is not None or len(url) > LONGEST_URL or not url.isprintable():
        raise EgressRefused("must be a plain URL, without a password")
    try:
        literal = str(ip_address(host))
    except ValueError:
        return url
    if not allowed(literal):
        raise EgressRefused("must be a public address")
    return url


async def system_lookup(host: str, port: int) -> Sequence[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(each[4][0]) for each in found]


class _Checked(AbstractResolver):
    """Resolves, and gives out nothing if any address of the name is not allowed."""

    def __init__(self, lookup: Lookup, allowed: Callable[[str], bool]) -> None:
        self._lookup = lookup
        self._allowed = allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        addresses = await self._lookup(host, port)
        if not addresses or not all(self._allowed(address) for address in addresses):
            raise OSError(errno.EACCES, f"{host} is no public address")
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
            for address in addresses
        ]

    async def close(self) -> None:
        return None


class Egress:
    """One client for all that mandates set. `allowed`, `lookup` and `tls` are for tests."""

    def __init__(
        self,
        *,
        allowed: Callable[[str], bool] = is_public,
        lookup: Lookup = system_lookup,
        tls: ssl.SSLContext | None = None,
        timeout_seconds: float = 15.0,
    ) -> None:
        self._allowed = allowed
        self._lookup = lookup
        self._tls = tls
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answered:
        """The answer, whatever its status. Raises `EgressRefused`, `aiohttp.ClientError`, `TimeoutError`, `OSError`."""
        check_url(url, allowed=self._allowed)
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Checked(self._lookup, self._allowed),
                use_dns_cache=False,
                ssl=self._tls if self._tls is not None else True,
                force_close=True,
            )
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=self._timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            )
        async with self._session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            text = (await response.content.read(_MOST_READ_BYTES)).decode("utf-8", "replace")
            return Answered(response.status, " ".join(text.split())[:200])

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
