"""Errors of the Anthropic API: how ours look, and what an upstream's mean. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bursar.billing.problem import HttpRefusal
from bursar.gateway.dialects.seam import JSON_TYPE, ErrorAnswer, FaultKind, GatewayFault, Header, UpstreamError

_ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    405: "invalid_request_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
"""`error.type` by status (Claude API, "Errors"); `api_error` for the rest."""

API_VERSION: Final = b"2023-06-01"
"""What `anthropic-version` is where a client names none: the only one since (Claude API, "Versions")."""

ACCOUNT_STATUSES: Final = frozenset({401, 402, 403})
"""An upstream that answers so does not like our key or our bill; the caller's own key never reached it."""

ACCOUNT_TYPES: Final = frozenset({"billing_error", "authentication_error", "permission_error"})

ACCOUNT_MARKS: Final[Mapping[bytes, str]] = {
    b"Your credit balance is too low": "credit_balance_too_low",
    b"enforced_spend_limit_reached": "enforced_spend_limit_reached",
    b"You have reached your specified API usage limits": "api_usage_limits_reached",
}
"""What complaints about our account say somewhere, whatever their status and type (400 and 429), and how we call it."""


# --- errors out ------------------------------------------------------------------------------------------------------


def key_header(key: str) -> Header:
    return (b"x-api-key", key.encode())


def refusal_error(refusal: HttpRefusal) -> dict[str, Any]:
    """The body of a refusal for lack of money (CONTRACT section 4)."""
    error = {"type": _ERROR_TYPES[refusal.status], "message": refusal.message, "billing": refusal.billing}
    if refusal.status == 429:
        error["code"] = refusal.code
    return {"type": "error", "error": error, "request_id": refusal.headers.get("x-request-id")}


def refusal_answer(refusal: HttpRefusal) -> ErrorAnswer:
    headers = [JSON_TYPE, *((name.encode(), value.encode()) for name, value in refusal.headers.items())]
    request_id = refusal.headers.get("x-request-id")
    if request_id is not None:
        headers.append((b"request-id", request_id.encode()))
    return ErrorAnswer(refusal.status, tuple(headers), msgspec.json.encode(refusal_error(refusal)))


def stop_events(refusal: HttpRefusal, first_data: bytes, last_data: bytes = b"") -> bytes:
    return _event(refusal_error(refusal))


def fault_error(fault: GatewayFault, request_id: str) -> dict[str, Any]:
    """The body of any other error: `code` and `param` say more than the API's few types."""
    kind = _ERROR_TYPES.get(fault.status, "api_error")
    error = {"type": kind, "message": fault.message, "code": fault.kind.code, "param": fault.field}
    return {"type": "error", "error": error, "request_id": request_id}


def fault_answer(fault: GatewayFault, request_id: str) -> ErrorAnswer:
    identity = request_id.encode()
    headers: list[Header] = [JSON_TYPE, (b"x-request-id", identity), (b"request-id", identity)]
    if fault.retry_after_seconds is not None:
        headers.append((b"retry-after", str(fault.retry_after_seconds).encode()))
    if fault.retry is not None:
        headers.append((b"x-should-retry", b"true" if fault.retry else b"false"))
    if fault.kind is FaultKind.UNKNOWN_KEY:
        headers.append((b"www-authenticate", b"Bearer"))
    return ErrorAnswer(fault.status, tuple(headers), msgspec.json.encode(fault_error(fault, request_id)))


def fault_events(fault: GatewayFault, request_id: str, first_data: bytes, last_data: bytes = b"") -> bytes:
    return _event(fault_error(fault, request_id))


def _event(error: dict[str, Any]) -> bytes:
    """Official clients raise what stands under `event: error`, and pass over the same data without that line."""
    return b"event: error\ndata: " + msgspec.json.encode(error) + b"\n\n"


# --- errors in -------------------------------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    type: Any = None
    message: Any = None


class _ErrorBody(msgspec.Struct):
    type: Any = None
    error: _Error | str | None = None


_ERROR_BODY: Final = msgspec.json.Decoder(_ErrorBody)


def read_error(status: int, body: bytes) -> UpstreamError:
    """An upstream's error answer or error event: about our account or not, its code, and whether it has our shape."""
    try:
        decoded = _ERROR_BODY.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        decoded = _ErrorBody()
    error = decoded.error
    if not isinstance(error, _Error):
        return UpstreamError(status in ACCOUNT_STATUSES, str(status), in_shape=False)
    kind = error.type if isinstance(error.type, str) else str(status)
    mark = next((code for words, code in ACCOUNT_MARKS.items() if words in body), None)
    about_us = status in ACCOUNT_STATUSES or kind in ACCOUNT_TYPES or mark is not None
    return UpstreamError(about_us, mark or kind, in_shape=decoded.type == "error")
