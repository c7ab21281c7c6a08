"""A letter as an internet message (RFC 5322): two alternatives, headers that keep machines from answering. Pure."""

from __future__ import annotations

from binascii import b2a_qp
from email import policy
from email.headerregistry import Address
from email.utils import format_datetime, parseaddr
from functools import lru_cache
from hashlib import sha256
from typing import Final

from bursar.notices.channels.letters import Letter

_POLICY: Final = policy.SMTP.clone(max_line_length=78)
_POLICY_UTF8: Final = policy.SMTPUTF8.clone(max_line_length=78)
_LONGEST_VALUE: Final = 900
"""RFC 5322 allows 998 characters a line."""


class SenderError(ValueError):
    """The configured sender is no mail address."""


def read_sender(text: str) -> Address:
    """The sender of `"Bursar <bursar@example.org>"`. Raises `SenderError`."""
    name, address = parseaddr(text)
    local, _, domain = address.rpartition("@")
    if not local or not domain or any(character.isspace() or not character.isprintable() for character in address):
        raise SenderError("must be a mail address, such as Bursar <bursar@example.org>")
    return Address(name, local, ascii_domain(domain))


def ascii_domain(domain: str) -> str:
    """The domain as DNS has it; as it is where it cannot be said in ASCII."""
    try:
        return domain.encode("idna").decode("ascii")
    except UnicodeError:
        return domain


def envelope_address(address: str) -> str:
    """The address for the envelope and the header: only its local part may still be outside ASCII."""
    local, _, domain = address.rpartition("@")
    return f"{local}@{ascii_domain(domain)}"


def needs_utf8(address: str) -> bool:
    """Whether only servers with SMTPUTF8 (RFC 6531) can take this recipient."""
    return not envelope_address(address).isascii()


def to_bytes(letter: Letter, sender: Address) -> bytes:
    """The whole message, ASCII unless its recipient is not. Raises `ValueError` for a value that would add a header.

    Written here, because `email.message.EmailMessage` takes two milliseconds for each; its own rules fold what people
    or addresses are named in.
    """
    utf8 = needs_utf8(letter.recipient)
    boundary = f"=_{sha256(letter.message_id.encode()).hexdigest()[:32]}"
    headers = [
        _folded_address("From", str(sender), utf8),
        _folded_address("To", str(_to(letter.recipient)), utf8),
        _folded("Subject", letter.subject, utf8),
        _plain("Date", format_datetime(letter.date)),
        _plain("Message-ID", letter.message_id),
        "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n",
    ]
    if letter.unsubscribe_url is not None:
        headers.append(_plain("List-Unsubscribe", f"<{letter.unsubscribe_url}>"))
        headers.append("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n")
    headers.append(_plain("Content-Language", letter.language))
    headers.append(f'MIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary="{boundary}"\r\n\r\n')
    parts = [_part(boundary, "plain", letter.text), _part(boundary, "html", letter.html)]
    return "".join(headers).encode() + b"".join(parts) + f"--{boundary}--\r\n".encode()


def _plain(name: str, value: str) -> str:
    """A header of ours that needs no folding. Raises `ValueError` if it is not printable ASCII, or too long."""
    if not (value.isascii() and value.isprintable()) or len(value) > _LONGEST_VALUE:
        raise ValueError(f"{name} cannot be written: {value[:80]!r}")
    return f"{name}: {value}\r\n"


def _folded(name: str, value: str, utf8: bool) -> str:
    """By the rules of RFC 2047, as the standard library has them; it refuses line ends."""
    rules = _POLICY_UTF8 if utf8 else _POLICY
    if any(character in value for character in "\r\n\0"):
        raise ValueError(f"{name} may not have line ends")
    return str(rules.fold(name, rules.header_factory(name, value)))


_folded_address = lru_cache(maxsize=2_000)(_folded)


def _part(boundary: str, subtype: str, text: str) -> bytes:
    head = (
        f'--{boundary}\r\nContent-Type: text/{subtype}; charset="utf-8"\r\n'
        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    )
    # Line ends as they are on the wire: `b2a_qp` takes the first one it finds for all of them.
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n")
    body = b2a_qp(lines.encode("utf-8", "replace"), istext=True)
    return head.encode() + body + b"\r\n"  # The last line end is the boundary's (RFC 2046).


def _to(recipient: str) -> Address:
    local, _, domain = envelope_address(recipient).rpartition("@")
    return Address("", local, domain)
