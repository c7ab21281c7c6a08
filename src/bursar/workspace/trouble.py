"""From what went wrong in a run to what is told of it. Pure, and without any library's text: ours, or the gateway's
billing object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from bursar.billing.billing_object import CODE
from bursar.billing.models import Language
from bursar.workspace import events
from bursar.workspace.events import Event
from bursar.workspace.states import RunEnd, RunStatus
from bursar.workspace.texts import RUN_TROUBLE, RunTrouble

_BY_STATUS: Final[Mapping[int, RunTrouble]] = {
    400: "MODEL_REFUSED",
    401: "FORBIDDEN",
    403: "FORBIDDEN",
    404: "FORBIDDEN",
    408: "UNAVAILABLE",
    413: "MODEL_REFUSED",
    422: "MODEL_REFUSED",
    429: "RATE_LIMITED",
}
_RETRY_AFTER_SECONDS: Final = 5
_MESSAGE_KEYS: Final[Mapping[Language, str]] = {
    "de": "messageDe",
    "en": "messageEn",
    "fr": "messageFr",
    "it": "messageIt",
}


def end_of(error: BaseException, language: Language) -> RunEnd:
    """How a run stands that was stopped by this error."""
    billing = billing_of(error)
    if billing is not None:
        message = str(billing.get(_MESSAGE_KEYS[language]) or billing.get("messageEn") or CODE)
        seconds = billing.get("retryAfterSeconds")
        return RunEnd("PARKED", billing, CODE, message, seconds if isinstance(seconds, int) else None)
    status = next(
        (found for each in _chain(error) if isinstance(found := getattr(each, "status_code", None), int)), None
    )
    if status is not None:
        return failed(_BY_STATUS.get(status, "UNAVAILABLE"), language)
    names = {name for each in _chain(error) for name in (kind.__name__ for kind in type(each).__mro__)}
    # Errors inside of a stream, and connections that broke, have no status.
    is_of_the_model = names & {"APIError", "ModelAPIError", "HTTPError", "AnthropicError"}
    return failed("UNAVAILABLE" if is_of_the_model else "INTERNAL", language)


def failed(code: RunTrouble, language: Language) -> RunEnd:
    seconds = _RETRY_AFTER_SECONDS if code == "RATE_LIMITED" else None
    status: RunStatus = "INTERRUPTED" if code == "INTERRUPTED" else "FAILED"
    return RunEnd(status, None, code, RUN_TROUBLE[code][language], seconds)


def error_event(end: RunEnd) -> Event:
    """The `RUN_ERROR` that says so."""
    metadata: dict[str, Any] | None = None
    if end.billing is not None:
        metadata = {"billing": dict(end.billing)}
    elif end.retry_after_seconds is not None:
        metadata = {"retryAfterSeconds": end.retry_after_seconds}
    return events.run_error(end.error_code or "INTERNAL", end.error_message or "", metadata)


def billing_of(error: BaseException) -> Mapping[str, Any] | None:
    """The gateway's billing object, wherever a client library has put the body that carried it."""
    for each in _chain(error):
        found = _billing_in(getattr(each, "body", None))
        if found is not None:
            return found
    return None


def _billing_in(body: object) -> Mapping[str, Any] | None:
    if not isinstance(body, Mapping):
        return None
    billing = body.get("billing")
    if isinstance(billing, Mapping) and billing.get("code") == CODE:
        return dict(billing)
    return _billing_in(body.get("error"))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and what groups hold."""
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        waiting.extend((each.__cause__, each.__context__))
