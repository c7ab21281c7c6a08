"""What opens a door: random texts, kept by their hash only. Pure, but for the randomness."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final, Literal, NamedTuple
from uuid import UUID

LINK_PREFIX: Final = "lnk_"
INVITATION_PREFIX: Final = "inv_"
_SECRET: Final = r"[A-Za-z0-9_-]{43}"
"""256 random bits."""
_PLAIN: Final = re.compile(_SECRET)
_LINK: Final = re.compile(rf"{LINK_PREFIX}{_SECRET}")
_INVITATION: Final = re.compile(rf"{INVITATION_PREFIX}([0-9a-f]{{32}})_{_SECRET}")


class OneTime(NamedTuple):
    """A link's token, taken apart. An invitation says which mandate it is for, so that a look-up knows where to go."""

    kind: Literal["link", "invitation"]
    mandate_id: UUID | None
    token_hash: bytes
    text: str


def new_secret() -> str:
    return secrets.token_urlsafe(32)


def new_link() -> str:
    return LINK_PREFIX + new_secret()


def new_invitation(mandate_id: UUID) -> str:
    return f"{INVITATION_PREFIX}{mandate_id.hex}_{new_secret()}"


def is_secret(text: str | None) -> bool:
    """Whether `new_secret` could have made this."""
    return text is not None and _PLAIN.fullmatch(text) is not None


def parse_one_time(text: str) -> OneTime | None:
    """`None` for what can be neither a link nor an invitation."""
    if _LINK.fullmatch(text):
        return OneTime("link", None, hash_of(text), text)
    if match := _INVITATION.fullmatch(text):
        return OneTime("invitation", UUID(hex=match[1]), hash_of(text), text)
    return None


def hash_of(text: str) -> bytes:
    """SHA-256; enough for what is random."""
    return hashlib.sha256(text.encode()).digest()


def csrf_token(session: str) -> str:
    """The session's CSRF token: follows from the cookie, which other sites' pages cannot read. Nothing is stored."""
    digest = hmac.digest(session.encode(), b"bursar csrf 1", "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def is_csrf_token(session: str, presented: str | None) -> bool:
    """In constant time."""
    return presented is not None and hmac.compare_digest(csrf_token(session).encode(), presented.encode())
