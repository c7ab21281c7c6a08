"""One request and what its answer means, with no I/O: a generator that says what to send and how long to wait.

The blocking and the asynchronous client drive the same generators, so they cannot differ.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID, uuid4

import httpx

from bursar.billing.billing_object import InsufficientBalance

SENDINGS: Final = 4
"""How often a request is sent while the connection or the server fails."""
WAITS_FOR_HELD_FUNDS: Final = 2
"""How often held funds, or a rate limit, are waited for."""
LONGEST_PAUSE_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.2

_TRY_AGAIN: Final = frozenset({502, 503, 504})
LOST: Final = (httpx.NetworkError, httpx.TimeoutException, httpx.RemoteProtocolError)
"""Errors after which nobody knows whether the server has seen the request."""

_KEY: Final = re.compile(r"bur_(?P<mandate>[0-9a-f]{32}).*", re.DOTALL)


class BursarError(Exception):
    """Bursar answered with an error that is no lack of money, or could not be reached (`status` is `None`)."""

    def __init__(self, status: int | None, code: str, detail: str, field: str | None = None) -> None:
        super().__init__(status, code, detail, field)
        self.status = status
        self.code = code
        self.detail = detail
        self.field = field

    def __str__(self) -> str:
        where = f" ({self.field})" if self.field else ""
        return f"{self.code}{where}: {self.detail}"


@dataclass(frozen=True, slots=True)
class Send:
    """A request to be sent as it is, as often as it takes."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


Step = Send | Pause
Reply = httpx.Response | httpx.TransportError | None
Exchange = Generator[Step, Reply, dict[str, Any]]


def moving_money(path: str, body: Mapping[str, Any]) -> Send:
    """A POST with an idempotency key of its own: sent twice it happens once."""
    return Send("POST", path, body, {"Idempotency-Key": str(uuid4())})


def exchange(request: Send) -> Exchange:
    """Sends until there is an answer worth having, and returns its JSON object.

    Raises `InsufficientBalance` and `BursarError`.
    """
    lost = waited = 0
    while True:
        reply = yield request
        if isinstance(reply, httpx.Response) and reply.status_code == 429 and waited < WAITS_FOR_HELD_FUNDS:
            waited += 1
            yield Pause(_pause_seconds(reply, waited))
        elif _is_lost(reply) and lost + 1 < SENDINGS:
            lost += 1
            yield Pause(_pause_seconds(reply, lost))
        else:
            return read(reply)


def _is_lost(reply: Reply) -> bool:
    return not isinstance(reply, httpx.Response) or reply.status_code in _TRY_AGAIN


def _pause_seconds(reply: Reply, times: int) -> float:
    """What the server asks for, else a little longer each time."""
    asked = reply.headers.get("retry-after", "") if isinstance(reply, httpx.Response) else ""
    seconds = float(asked) if asked.isascii() and asked.isdigit() else _FIRST_PAUSE_SECONDS * 2 ** (times - 1)
    return min(seconds, LONGEST_PAUSE_SECONDS)


def read(reply: Reply) -> dict[str, Any]:
    """The answer's JSON object (empty for no content), or the exception that it means."""
    if not isinstance(reply, httpx.Response):
        raise BursarError(None, "unreachable", f"{type(reply).__name__}: {reply}") from reply
    if reply.status_code == 204:
        return {}
    try:
        body = reply.json()
    except ValueError:
        body = None
    if reply.is_success and isinstance(body, dict):
        return body
    if not isinstance(body, dict) or reply.is_success:
        raise BursarError(reply.status_code, "unreadable_answer", f"not a JSON object: {reply.text[:200]!r}")
    raise _failure(reply.status_code, body)


def _failure(status: int, body: dict[str, Any]) -> Exception:
    """A problem (RFC 9457), or the error body of a dialect, as an exception."""
    error = body.get("error")
    if isinstance(error, dict):
        body = error
    detail = str(body.get("detail") or body.get("message") or body.get("title") or "no detail given")
    billing = body.get("billing")
    if isinstance(billing, dict):
        try:
            return InsufficientBalance.from_client_dict(billing, detail)
        except ValueError as problem:
            return BursarError(status, "unreadable_answer", f"a billing object that cannot be read: {problem}")
    place = body.get("field")
    return BursarError(status, str(body.get("code") or f"http_{status}"), detail, place and str(place))


def mandate_of(key: str) -> UUID:
    """The mandate that a key carries: the 32 hexadecimal digits after `bur_`. Raises `ValueError` if there are none."""
    match = _KEY.fullmatch(key)
    if match is None:
        raise ValueError("this key carries no mandate (only keys that begin with bur_ do): pass mandate_id")
    return UUID(hex=match["mandate"])
