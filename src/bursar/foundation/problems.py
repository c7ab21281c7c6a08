"""Problem details (RFC 9457): how management routes say no.

Pure; `problem_responses` turns problems into HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

PROBLEM_JSON: Final = "application/problem+json"
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})
_NO_HEADERS: Final[Mapping[str, str]] = MappingProxyType({})
_RESERVED: Final = frozenset({"type", "title", "status", "detail", "code", "field"})


class Problem(Exception):
    """A refusal with an HTTP status, a stable `code` for programs, and a `detail` for people.

    `field` names what of the request was wrong (`"notifyEmails"`, `"body.amount"`); `extra` adds members
    such as `billing`; `headers` such as `Retry-After`.
    """

    def __init__(
        self,
        status: int,
        code: str,
        title: str,
        detail: str,
        field: str | None = None,
        extra: Mapping[str, object] = _NOTHING,
        headers: Mapping[str, str] = _NO_HEADERS,
    ) -> None:
        if clash := _RESERVED.intersection(extra):
            raise ValueError(f"members that every problem has already: {sorted(clash)}")
        super().__init__(f"{code}: {detail}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.field = field
        self.extra = dict(extra)
        self.headers = dict(headers)

    def to_body(self) -> dict[str, object]:
        """The members of the JSON object. `type` is a URN made from the code: it identifies, it is no page."""
        body: dict[str, object] = {
            "type": f"urn:bursar:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
        }
        if self.field is not None:
            body["field"] = self.field
        return {**body, **self.extra}


def invalid_field(field: str, message: str, *, status: int = 422) -> Problem:
    """A request whose `field` is not acceptable."""
    return Problem(status, "invalid_request", "The request is not valid", f"{field}: {message}", field)
