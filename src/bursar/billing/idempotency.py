"""Keys that make a request safe to send again: from the header to the ledger's commands.

The scope is (mandate, caller, route); a hash of the body as it was sent tells a repetition from another request.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from starlette.requests import Request

from bursar.foundation.database import Connection
from bursar.foundation.problems import Problem
from bursar.identity.entrance import Visitor
from bursar.ledger.model import IdempotencyKey

HEADER: Final = "Idempotency-Key"
_FORM: Final = re.compile(r"[!-~]{1,255}")

_REMEMBERED: Final = """
    SELECT true FROM idempotency WHERE mandate_id = $1 AND caller = $2 AND route = $3 AND key = $4"""


async def idempotency_key(
    request: Request, visitor: Visitor, route: str, *, required: bool = False, keep_for_ever: bool = False
) -> IdempotencyKey | None:
    """The key that was sent, `None` if none was and none is required. Raises a 400 `Problem` that names the header.

    A hold's id belongs into `route` where it stands in the path: it is not part of the body.
    """
    key = request.headers.get(HEADER, "").strip()
    if not key and not required:
        return None
    if not key:
        detail = f"Send {HEADER}: anything that is new for each new request, so that a repetition does nothing twice."
        raise Problem(400, "header_required", "A header is missing", detail, HEADER)
    if not _FORM.fullmatch(key):
        detail = f"{HEADER} must have 1 to 255 visible ASCII characters."
        raise Problem(400, "invalid_header", "A header is not valid", detail, HEADER)
    body_hash = hashlib.sha256(await request.body()).digest()
    return IdempotencyKey(visitor.actor, route, key, body_hash, keep_for_ever)


async def is_remembered(connection: Connection, visitor: Visitor, key: IdempotencyKey | None) -> bool:
    """Whether the ledger has an answer to this key, the right one or a conflict: then nothing else is to be checked."""
    if key is None:
        return False
    mandate_id = visitor.mandate.mandate_id
    return bool(await connection.fetchval(_REMEMBERED, mandate_id, key.caller, key.route, key.key))
