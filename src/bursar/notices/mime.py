"""A letter as an internet message (RFC 5322): two alternatives, headers that keep machines from answering. Pure."""

from __future__ import annotations

from email import policy
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from typing import Final

from bursar.notices.channels.letters import Letter

_POLICY: Final = policy.SMTP.clone(max_line_length=78)
_POLICY_UTF8: Final = policy.SMTPUTF8.clone(max_line_length=78)


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


def to_message(letter: Letter, sender: Address) -> EmailMessage:
    """The whole message. No value can add a header: control characters are refused by `EmailMessage` itself."""
    message = EmailMessage(policy=_POLICY_UTF8 if needs_utf8(letter.recipient) else _POLICY)
    message["From"] = sender
    message["To"] = _to(letter.recipient)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.date)
    message["Message-ID"] = letter.message_id
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    if letter.unsubscribe_url is not None:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.text, cte="quoted-printable")
    message.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    message["Content-Language"] = letter.language  # Earlier it would have become the first part's.
    return message


def _to(recipient: str) -> Address:
    local, _, domain = envelope_address(recipient).rpartition("@")
    return Address("", local, domain)
