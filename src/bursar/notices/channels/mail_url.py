"""`BURSAR_MAIL_URL`: `smtp://user:password@host:587?tls=starttls`, `smtps://…`, or `maildir:DIR`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl, unquote, urlsplit

Tls = Literal["implicit", "starttls", "opportunistic", "none"]

_TLS: Final[Mapping[str, Tls]] = {
    "starttls": "starttls",
    "none": "none",
    "opportunistic": "opportunistic",
    "implicit": "implicit",
}
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_PORTS: Final[Mapping[Tls, int]] = {"implicit": 465, "starttls": 587, "opportunistic": 25, "none": 25}


class MailUrlError(ValueError):
    """The mail URL cannot be used; the message says why, without repeating what may be a password."""


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """Where and how mails are handed over.

    `opportunistic` takes TLS where the server offers it, whatever its certificate (RFC 7435): better than none.
    """

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls = "opportunistic"
    helo: str = "localhost"


def parse_mail_url(url: str, *, helo: str = "localhost") -> SmtpServer | Path:
    """A server, or the directory of a maildir. `helo` is how we name ourselves. Raises `MailUrlError`.

    Without `?tls=`, `smtp://` takes STARTTLS where the server offers it; with a password it is required, unless the
    server is on this machine: `?tls=none` says otherwise.
    """
    if url.startswith("maildir:"):
        directory = url.removeprefix("maildir:").removeprefix("//")
        if not directory:
            raise MailUrlError("names no directory after maildir:")
        return Path(directory).expanduser()
    parts = urlsplit(url)
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname:
        raise MailUrlError("must be smtp://user:password@host:port, smtps://… or maildir:DIRECTORY")
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    if unknown := query.keys() - {"tls"}:
        raise MailUrlError(f"knows no {', '.join(sorted(unknown))}; there is ?tls=starttls, opportunistic or none")
    by_default = "starttls" if parts.password and parts.hostname not in _THIS_MACHINE else "opportunistic"
    tls = _TLS.get(query.get("tls") or ("implicit" if parts.scheme == "smtps" else by_default))
    if tls is None or (parts.scheme == "smtps" and tls != "implicit"):
        raise MailUrlError("?tls= must be starttls, opportunistic or none; smtps:// is implicit TLS")
    return SmtpServer(
        host=parts.hostname,
        port=parts.port or _PORTS[tls],
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        tls=tls,
        helo=helo,
    )


def helo_name(public_url: str, sender: Address) -> str:
    """How we greet a mail server: by our public name, else the sender's domain; an address in brackets (RFC 5321)."""
    host = urlsplit(public_url).hostname or ""
    try:
        address = ip_address(host)
    except ValueError:
        name = host if "." in host else sender.domain
        return name if name.isascii() and not any(character.isspace() for character in name) else "localhost"
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"
