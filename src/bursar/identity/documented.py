"""What the OpenAPI document says of refusals and headers, once for all routes. Pure."""

from __future__ import annotations

from typing import Any, Final

from bursar.foundation.problems import PROBLEM_JSON

_MEANINGS: Final[dict[int, str]] = {
    400: "The body is no JSON, or a required header is missing.",
    401: "No key, or one that is unknown, revoked or expired.",
    402: "Short of money; `billing` says why, and what can be done.",
    403: "Not yours to do; `field` names what of it, if only a part.",
    404: "There is no such thing, as far as you are concerned.",
    409: "Against something that is there: a duplicate, a key used for another request, money that is not there.",
    412: "Changed since you read it.",
    413: "The body is too large.",
    415: "Not a kind of file that can be read here.",
    422: "A field is not acceptable; `field` names it.",
    429: "Not now, but after `Retry-After`: money is held by calls in flight, or too many wrong codes were tried.",
    503: "The database does not answer: `Retry-After`.",
}
_ALWAYS: Final = (400, 401, 403, 404, 413, 422, 503)

PROBLEM_SCHEMA: Final[dict[str, Any]] = {
    "title": "Problem",
    "description": "A refusal or a fault (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For people."},
        "code": {"type": "string", "description": "For programs; stays the same."},
        "field": {"type": "string", "description": "What of the request was not acceptable."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
        "billing": {"type": "object", "description": "The billing object of a refusal for lack of money."},
    },
}

IF_MATCH: Final[dict[str, Any]] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "schema": {"type": "string"},
    "description": "The `ETag` that the change is based on; 412 if something newer is there.",
}


STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "A stream of events.", "content": {"text/event-stream": {"schema": {"type": "string"}}}}
}
"""The response of a route that answers with server-sent events."""


def idempotency_key(*, required: bool) -> dict[str, Any]:
    return {
        "name": "Idempotency-Key",
        "in": "header",
        "required": required,
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        "description": "The same key with the same body answers the same and does nothing twice.",
    }


def refusals(*more: int) -> dict[int | str, dict[str, Any]]:
    """The responses of a route beside its own: those that every route has, and `more`."""
    return {
        status: {
            "description": _MEANINGS[status],
            "content": {PROBLEM_JSON: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status in sorted({*_ALWAYS, *more})
    }
