"""What the OpenAI dialects share. Pure.

What of a request has no known price, how errors look, how an upstream's errors are read, how usage is reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from bursar.billing.problem import HttpRefusal
from bursar.gateway.dialects.members import Members
from bursar.gateway.dialects.request_json import may_spell_anything
from bursar.gateway.dialects.seam import (
    JSON_TYPE,
    ErrorAnswer,
    FaultKind,
    GatewayFault,
    Header,
    UpstreamError,
    UsageReport,
    feature_not_priced,
)
from bursar.pricing.model import AbsurdUsage, Usage

ACCOUNT_STATUSES: Final = frozenset({401, 402, 403})
"""An upstream that answers so does not like our key or our bill; the caller's own key never reached it."""

ACCOUNT_CODES: Final = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "enforced_spend_limit_reached",
        "billing_hard_limit_reached",
        "billing_not_active",
        "account_deactivated",
        "invalid_api_key",
        "billing_error",
    }
)
"""Codes and types of errors about our account, whatever their status (most come with 429 or 400)."""

KNOWN_TIERS: Final = frozenset({None, "auto", "default", "flex", "scale", "priority", "fast"})
"""Service tiers whose prices the catalogue knows; a new one may cost more."""

FREE_MODERATION: Final = "omni-moderation"
"""OpenAI, "Moderation": "the moderation endpoint is free to use"; other moderation models are not known to be."""

NO_THINKING: Final = "none"
"""`reasoning_effort` of a request that pays for no reasoning."""

_ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    429: "rate_limit_error",
}
"""`error.type` by status; `server_error` for the rest."""


# --- requests ---------------------------------------------------------------------------------------------------------


class Moderation(msgspec.Struct):
    model: str = ""


def check_prices(service_tier: str | None, moderation: Moderation | None, allowed_fields: frozenset[str]) -> None:
    """Raises `GatewayFault` for a tier or a moderation whose price is not known, unless an operator lets it pass."""
    if moderation and not moderation.model.startswith(FREE_MODERATION) and "moderation" not in allowed_fields:
        raise feature_not_priced("moderation", f"only {FREE_MODERATION} models are known to be free of charge")
    if service_tier not in KNOWN_TIERS and "service_tier" not in allowed_fields:
        raise feature_not_priced("service_tier", "the price of this tier is not known")


def asks_for_long_cache(body: bytes, members: Members) -> bool:
    """Whether the request speaks of how long its prompt is kept cached: then the dearest rate for writing it counts."""
    asked = "prompt_cache_options" in members or "prompt_cache_retention" in members
    return asked or b'"prompt_cache_breakpoint"' in body or may_spell_anything(body)


# --- errors out ------------------------------------------------------------------------------------------------------


def refusal_error(refusal: HttpRefusal) -> dict[str, Any]:
    """The `error` object of a refusal for lack of money (CONTRACT section 4)."""
    if refusal.status == 429:
        kind, code = _ERROR_TYPES[429], str(refusal.code)
    else:
        kind = code = "insufficient_quota"
    return {"message": refusal.message, "type": kind, "param": None, "code": code, "billing": refusal.billing}


def refusal_answer(refusal: HttpRefusal) -> ErrorAnswer:
    headers = tuple((name.encode(), value.encode()) for name, value in refusal.headers.items())
    return ErrorAnswer(refusal.status, (JSON_TYPE, *headers), _json({"error": refusal_error(refusal)}))


def fault_error(fault: GatewayFault) -> dict[str, Any]:
    kind = _ERROR_TYPES.get(fault.status, "server_error")
    return {"message": fault.message, "type": kind, "param": fault.field, "code": fault.kind.code}


def fault_answer(fault: GatewayFault, request_id: str) -> ErrorAnswer:
    headers: list[Header] = [JSON_TYPE, (b"x-request-id", request_id.encode())]
    if fault.retry_after_seconds is not None:
        headers.append((b"retry-after", str(fault.retry_after_seconds).encode()))
    if fault.retry is not None:
        headers.append((b"x-should-retry", b"true" if fault.retry else b"false"))
    if fault.kind is FaultKind.UNKNOWN_KEY:
        headers.append((b"www-authenticate", b"Bearer"))
    return ErrorAnswer(fault.status, tuple(headers), _json({"error": fault_error(fault)}))


def bearer(key: str) -> Header:
    return (b"authorization", b"Bearer " + key.encode())


def _json(value: Any) -> bytes:
    return msgspec.json.encode(value)


# --- errors in -------------------------------------------------------------------------------------------------------


class _Error(msgspec.Struct):
    message: Any = None
    type: Any = None
    code: Any = None


class _ErrorBody(msgspec.Struct):
    error: _Error | str | None = None


_ERROR_BODY: Final = msgspec.json.Decoder(_ErrorBody)


def read_error(status: int, body: bytes) -> UpstreamError:
    """An upstream's error answer or error event: about our account or not, its code, and whether it has our shape."""
    try:
        error = _ERROR_BODY.decode(body).error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = None
    if not isinstance(error, _Error):
        return UpstreamError(status in ACCOUNT_STATUSES, str(status), in_shape=False)
    codes = [value for value in (error.code, error.type) if isinstance(value, str)]
    known = next((code for code in codes if code in ACCOUNT_CODES), None)
    about_us = status in ACCOUNT_STATUSES or known is not None
    return UpstreamError(about_us, known or (codes[0] if codes else str(status)), in_shape=True)


# --- usage -----------------------------------------------------------------------------------------------------------


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None
    cache_write_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None
    audio_tokens: int | None = None
    image_tokens: int | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None
    prompt_cache_hit_tokens: int | None = None
    """DeepSeek's name for cached tokens."""


_USAGE: Final = msgspec.json.Decoder(_Usage)


def read_usage(reported: Any, service_tier: str | None) -> UsageReport:
    """`usage` of a chat completion (decoded, or as a `Raw` member), or why it cannot be believed.

    x.ai reports reasoning tokens beside the completion's: `total_tokens` shows it, and they are added then. How many
    of the cached tokens were audio or images is not reported: as many as there must be, so that the parts fit.
    """
    try:
        is_raw = isinstance(reported, msgspec.Raw)
        usage = _USAGE.decode(reported) if is_raw else msgspec.convert(reported, _Usage)
        prompt = usage.prompt_tokens_details or _PromptDetails()
        completion = usage.completion_tokens_details or _CompletionDetails()
        output, reasoning = usage.completion_tokens or 0, completion.reasoning_tokens or 0
        if reasoning and usage.total_tokens == usage.prompt_tokens + output + reasoning:
            output += reasoning
        cached = (prompt.cached_tokens if prompt.cached_tokens is not None else usage.prompt_cache_hit_tokens) or 0
        written, audio, image = prompt.cache_write_tokens or 0, prompt.audio_tokens or 0, prompt.image_tokens or 0
        twice = max(0, min(cached, cached + written + audio + image - usage.prompt_tokens))
        cached_image = min(twice, image)
        return UsageReport(
            Usage(
                input_tokens=usage.prompt_tokens,
                cached_input_tokens=cached,
                cached_image_tokens=cached_image,
                cached_audio_tokens=min(twice - cached_image, audio),
                cache_write_tokens=written,
                input_audio_tokens=audio,
                input_image_tokens=image,
                output_tokens=output,
                reasoning_tokens=reasoning,
                output_audio_tokens=completion.audio_tokens or 0,
                output_image_tokens=completion.image_tokens or 0,
                service_tier=service_tier,
            )
        )
    except AbsurdUsage as error:
        return UsageReport(absurd=str(error))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return UsageReport(absurd=f"usage cannot be read: {error}")
