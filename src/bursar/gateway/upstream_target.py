"""What an upstream is addressed by, and how it can fail. Pure: no I/O."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from urllib.parse import urlsplit

from yarl import URL

Header = tuple[bytes, bytes]


class FaultStage(enum.Enum):
    """How far the exchange had come."""

    CONNECT = "connect"
    HEAD = "head"
    BODY = "body"


class FaultReason(enum.Enum):
    """What went wrong."""

    REFUSED = "refused"
    TLS = "tls"
    RESET = "reset"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"
    TOO_LARGE = "too_large"
    CLOSED = "closed"


class UpstreamFault(Exception):
    """An upstream could not be reached, or broke off.

    `sent` is False only where surely nothing of the request reached the upstream. `reused` tells that the
    connection had served a call before: a reset before the first byte then is most likely its idle time-out.
    """

    def __init__(self, stage: FaultStage, reason: FaultReason, detail: str = "", *, reused: bool = False) -> None:
        super().__init__(f"{stage.value}: {reason.value}{f': {detail}' if detail else ''}")
        self.stage = stage
        self.reason = reason
        self.reused = reused

    @property
    def sent(self) -> bool:
        return self.stage is not FaultStage.CONNECT


@dataclass(frozen=True, slots=True)
class Origin:
    """What one kept-alive connection can serve."""

    host: str
    port: int
    tls: bool


@dataclass(frozen=True, slots=True)
class Target:
    """One URL, parsed once, and where to connect for it."""

    origin: Origin
    url: URL
    path: bytes
    """With its query, as it is asked for."""
    host_line: bytes
    """The header that names the origin."""

    @classmethod
    def parse(cls, url: str) -> Target:
        """Raise ValueError for anything but an absolute http(s) URL in ASCII without user info."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
            raise ValueError(f"not an http(s) URL: {url!r}")
        if not url.isascii() or any(character <= " " or character == "\x7f" for character in url):
            raise ValueError(f"not a plain URL: {url!r}")
        tls = parts.scheme == "https"
        # As it was written: nothing is quoted a second time.
        address = URL(url, encoded=True)
        return cls(
            Origin(parts.hostname, parts.port or (443 if tls else 80), tls),
            address,
            address.raw_path_qs.encode(),
            f"host: {address.host_port_subcomponent}\r\n".encode(),
        )
