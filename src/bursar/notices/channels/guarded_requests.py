"""`requests`, as apprise's plugins use it, behind the same wall as our own webhooks (`egress`).

A plugin imports the module `requests` and calls its functions. It gets a `GuardedRequests` in place of it: https only,
to addresses that were checked at the moment of connecting (those that are connected to, so that a name that resolves to
something else a moment later gains nothing), no redirects, no proxies, no certificate that is not verified.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPSConnection
from urllib3.exceptions import NewConnectionError

from bursar.notices.channels.egress import is_public

Lookup = Callable[[str, int], Sequence[str]]
Dial = Callable[[str, int, float], socket.socket]
TIMEOUT_SECONDS: Final = 15.0
_VERBS: Final = frozenset({"get", "post", "put", "patch", "delete", "head", "options"})


@dataclass(slots=True)
class Answer:
    """What the other side said last; `status` is `None` where there was no answer."""

    status: int | None = None
    text: str = ""


_last: ContextVar[Answer | None] = ContextVar("bursar_last_answer", default=None)


@contextmanager
def remembered() -> Iterator[Answer]:
    """What is answered to requests of this thread meanwhile: plugins themselves only say yes or no."""
    answer = Answer()
    token = _last.set(answer)
    try:
        yield answer
    finally:
        _last.reset(token)


def system_lookup(host: str, port: int) -> Sequence[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def system_dial(address: str, port: int, timeout_seconds: float) -> socket.socket:
    return socket.create_connection((address, port), timeout_seconds)


class GuardedRequests:
    """Stands for the module `requests`. `allowed`, `lookup`, `dial` and `certificates` are for tests."""

    def __init__(
        self,
        *,
        allowed: Callable[[str], bool] = is_public,
        lookup: Lookup = system_lookup,
        dial: Dial = system_dial,
        certificates: str | None = None,
    ) -> None:
        self._wall = (allowed, lookup, dial)
        self._verify: str | bool = certificates if certificates is not None else True

    def request(self, method: str, url: str, **options: Any) -> requests.Response:
        """As `requests.request`, within the wall. Raises what `requests` raises."""
        options |= {"allow_redirects": False, "verify": self._verify, "proxies": None, "timeout": TIMEOUT_SECONDS}
        answer = _last.get()
        with requests.Session() as session:
            session.trust_env = False
            session.adapters.clear()
            session.mount("https://", _CheckedAdapter(*self._wall))
            try:
                response = session.request(method, url, **options)
            except requests.RequestException as error:
                if answer is not None:
                    reason = getattr(error.args[0] if error.args else error, "reason", error)
                    answer.status, answer.text = None, " ".join(str(reason).split())[-200:]
                raise
        if answer is not None:
            answer.status, answer.text = response.status_code, " ".join(response.text[:1000].split())[:200]
        return response

    def __getattr__(self, name: str) -> Any:
        if name in _VERBS:
            return lambda url, **options: self.request(name.upper(), url, **options)
        if name in {"Session", "session", "sessions", "adapters"}:
            raise AttributeError(f"requests.{name} is not for plugins")
        return getattr(requests, name)


class _CheckedAdapter(HTTPAdapter):
    def __init__(self, allowed: Callable[[str], bool], lookup: Lookup, dial: Dial) -> None:
        class Connection(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                try:
                    addresses = lookup(self._dns_host, self.port)
                    if not addresses or not all(allowed(address) for address in addresses):
                        raise OSError(errno.EACCES, f"{self._dns_host} is no public address")
                    return dial(addresses[0], self.port, TIMEOUT_SECONDS)
                except OSError as error:
                    raise NewConnectionError(self, str(error)) from error

        class Pool(HTTPSConnectionPool):
            ConnectionCls = Connection

        self._pool = Pool
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        self.poolmanager = PoolManager(num_pools=connections, maxsize=maxsize, block=block, **options)
        self.poolmanager.pool_classes_by_scheme = {"https": self._pool}
