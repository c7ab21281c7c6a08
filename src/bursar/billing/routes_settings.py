"""Management routes of billing settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Response
from pydantic import Field, StrictBool
from starlette.requests import Request

from bursar.billing import settings
from bursar.billing.settings import BillingSettings, format_percent, read_notify_emails, read_percent
from bursar.foundation.money import format_amount
from bursar.identity.access import Action
from bursar.identity.documented import IF_MATCH, refusals
from bursar.identity.entrance import Visitor, etag, if_match, may
from bursar.identity.model_names import checked_models
from bursar.identity.principal import BillingModelName, ClientGone
from bursar.identity.wire import AmountOrZero, Answer, Ask, PositiveAmount, WholeNumber
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["billing settings"])
Language = Literal["de", "en", "fr", "it"]
_EMAILS_MEANING: Final = "a list, a JSON array in a string, or one address in a string; stored as a list"


class SettingsChange(Ask):
    """What is left out stays as it is. The first four and the last three are the operator's to change."""

    billing_model: BillingModelName | None = None
    credit_limit: AmountOrZero | None = None
    markup_percent: Annotated[str | WholeNumber | None, Field(description='percent, such as "12.5"')] = None
    allowed_models: Annotated[list[str] | None, Field(description="names or globs; `null` allows all")] = None
    notify_emails: Annotated[list[str] | str | None, Field(description=_EMAILS_MEANING)] = None
    notify_cooldown_seconds: Annotated[WholeNumber, Field(ge=60, le=2_592_000)] | None = None
    notify_wallet_exhausted: StrictBool | None = None
    low_balance_threshold: AmountOrZero | None = None
    exhausted_below: AmountOrZero | None = None
    max_hold_share_percent: Annotated[WholeNumber, Field(ge=1, le=100)] | None = None
    client_gone: ClientGone | None = None
    users_on_first_sight: StrictBool | None = None
    language: Language | None = None
    max_calls_per_minute: Annotated[WholeNumber, Field(ge=1, le=100_000)] | None = None
    max_concurrent_calls: Annotated[WholeNumber, Field(ge=1, le=100_000)] | None = None
    max_held: Annotated[PositiveAmount | None, Field(description="the most that its calls may hold at once")] = None


class SettingsAnswer(Answer):
    billing_model: BillingModelName
    credit_limit: str | None
    markup_percent: str | None
    allowed_models: list[str] | None
    notify_emails: list[str]
    notify_cooldown_seconds: int
    notify_wallet_exhausted: bool
    low_balance_threshold: str | None
    exhausted_below: str | None
    max_hold_share_percent: int
    client_gone: ClientGone
    users_on_first_sight: bool
    language: str | None
    max_calls_per_minute: int | None
    max_concurrent_calls: int | None
    max_held: str | None


_STORED_AS: Final[Mapping[str, str]] = {
    "credit_limit": "credit_limit_nanos",
    "low_balance_threshold": "low_balance_threshold_nanos",
    "exhausted_below": "exhausted_below_nanos",
    "max_held": "max_held_nanos",
}
_ASKED_AS: Final[Mapping[str, str]] = {column: name for name, column in _STORED_AS.items()}
_READERS: Final[Mapping[str, Callable[[Any, str], object]]] = {
    "markup_percent": read_percent,
    "allowed_models": checked_models,
}
_NEVER_EMPTY: Final = frozenset(
    {"billing_model", "notify_cooldown_seconds", "notify_wallet_exhausted", "max_hold_share_percent", "client_gone"}
    | {"users_on_first_sight"}
)
_WIRE_NAMES: Final[Mapping[str, str]] = {
    name: field.alias or name for name, field in SettingsChange.model_fields.items()
}


def _changes(body: SettingsChange) -> dict[str, Any]:
    """What is given, as it is stored. `null` for what cannot be empty leaves it as it is."""
    changes: dict[str, Any] = {}
    for name in body.model_fields_set:
        value = getattr(body, name)
        if name == "notify_emails":
            value = read_notify_emails(value)
        elif value is None and name in _NEVER_EMPTY:
            continue
        elif value is not None and name in _READERS:
            value = _READERS[name](value, _WIRE_NAMES[name])
        changes[_STORED_AS.get(name, name)] = value
    return changes


def _answer(found: BillingSettings) -> SettingsAnswer:
    def amount(nanos: int | None) -> str | None:
        return None if nanos is None else format_amount(nanos)

    return SettingsAnswer(
        billing_model=found.billing_model,
        credit_limit=amount(found.credit_limit_nanos),
        markup_percent=None if found.markup_percent is None else format_percent(found.markup_percent),
        allowed_models=None if found.allowed_models is None else list(found.allowed_models),
        notify_emails=list(found.notify_emails),
        notify_cooldown_seconds=found.notify_cooldown_seconds,
        notify_wallet_exhausted=found.notify_wallet_exhausted,
        low_balance_threshold=amount(found.low_balance_threshold_nanos),
        exhausted_below=amount(found.exhausted_below_nanos),
        max_hold_share_percent=found.max_hold_share_percent,
        client_gone=found.client_gone,
        users_on_first_sight=found.users_on_first_sight,
        language=found.language,
        max_calls_per_minute=found.max_calls_per_minute,
        max_concurrent_calls=found.max_concurrent_calls,
        max_held=amount(found.max_held_nanos),
    )


@router.get("/api/mandates/{mandateId}/billing-settings", responses=refusals())
async def read_settings(
    request: Request, response: Response, visitor: Annotated[Visitor, Depends(may(Action.READ_SETTINGS))]
) -> SettingsAnswer:
    found = await settings.get_settings(wiring_of(request).database, visitor.mandate.mandate_id)
    response.headers["ETag"] = etag(found.version)
    return _answer(found)


@router.put(
    "/api/mandates/{mandateId}/billing-settings", responses=refusals(412), openapi_extra={"parameters": [IF_MATCH]}
)
async def change_settings(
    request: Request,
    response: Response,
    body: SettingsChange,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_NOTICES))],
) -> SettingsAnswer:
    """Changes what is given. What the mandate pays and owes is the operator's; sent back unchanged it does no harm."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    changes = _changes(body)
    if not visitor.is_operator:
        present = await settings.get_settings(wiring.database, mandate_id)
        for name in sorted(settings.TERMS & changes.keys()):
            if changes[name] != getattr(present, name):
                visitor.require(Action.CHANGE_TERMS, _WIRE_NAMES[_ASKED_AS.get(name, name)])
            del changes[name]
    _, found = await settings.change_settings(wiring.database, mandate_id, changes, if_version=if_match(request))
    wiring.authenticator.doubt(mandate_id)
    response.headers["ETag"] = etag(found.version)
    return _answer(found)
