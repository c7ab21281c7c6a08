"""Management routes of holds: listed for finance, made and settled by applications for their own AI work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.billing import hold_list, own_work
from bursar.billing.callers import billing_facts, language_for, viewer_of
from bursar.billing.idempotency import idempotency_key, is_remembered
from bursar.billing.problem import refusal_problem
from bursar.billing.refusal import billing_object_for
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity import documented
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.principal import Person
from bursar.identity.wire import AmountOrZero, Answer, Ask, Line, PositiveAmount, UserName, WholeNumber
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import Granted, HoldState, Payer

router = APIRouter(tags=["holds"])
_KEY_POSSIBLE: Final[Mapping[str, Any]] = {"parameters": [documented.idempotency_key(required=False)]}
DEFAULT_TTL_SECONDS: Final = 300
LONGEST_TTL_SECONDS: Final = 86_400
MOST_TAGS: Final = 20
X_BURSAR_USER: Final = "x-bursar-user"

TagName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f\x7f]*$")]
TagValue = Annotated[str, Field(max_length=256, pattern=r"^[^\x00-\x1f\x7f]*$")]
Tags = Annotated[dict[TagName, TagValue], Field(max_length=MOST_TAGS)]
Tokens = Annotated[WholeNumber, Field(ge=0, le=2**53)]
MayHold = Annotated[Visitor, Depends(may(Action.HOLD_MONEY))]


class NewHold(Ask):
    """One of `minimum` and `desired` stands for both."""

    user_id: UserName | None = None
    minimum: PositiveAmount | None = None
    desired: PositiveAmount | None = None
    ttl_seconds: Annotated[WholeNumber, Field(ge=1, le=LONGEST_TTL_SECONDS)] = DEFAULT_TTL_SECONDS
    model: Line | None = None
    tags: Tags | None = None


class Extension(Ask):
    amount: AmountOrZero


class Settlement(Ask):
    amount: AmountOrZero
    model: Line | None = None
    upstream: Line | None = None
    input_tokens: Tokens | None = None
    cached_input_tokens: Tokens | None = None
    output_tokens: Tokens | None = None
    usage_details: Annotated[dict[TagName, WholeNumber | TagValue], Field(max_length=MOST_TAGS)] | None = None
    tags: Tags | None = None


class Nothing(Ask):
    pass


class GrantedAnswer(Answer):
    id: UUID
    granted: str
    expires_at: datetime


class SettledAnswer(Answer):
    id: UUID
    state: HoldState
    charged: str
    overrun: str


class HoldAnswer(Answer):
    id: UUID
    state: HoldState
    amount: str
    used: str | None
    charged: str | None
    overrun: str | None
    payer: Payer
    billing_model: str
    user_id: UUID | None
    key_id: UUID | None
    model: str | None
    upstream: str | None
    tags: dict[str, str] | None
    origin: str
    created_at: datetime
    expires_at: datetime
    resolved_at: datetime | None


class HoldPage(Answer):
    currency: str
    holds: list[HoldAnswer]
    next_cursor: str | None


@router.get("/api/mandates/{mandateId}/holds", responses=refusals())
async def list_holds(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_HOLDS))],
    state: Annotated[HoldState | None, Query()] = None,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> HoldPage:
    """Newest first."""
    mandate = visitor.mandate
    page = await hold_list.list_holds(
        wiring_of(request).database, mandate.mandate_id, state=state, cursor=cursor, limit=limit
    )
    holds = [_listed(hold) for hold in page.items]
    return HoldPage(currency=mandate.currency, holds=holds, next_cursor=page.next_cursor)


@router.post(
    "/api/mandates/{mandateId}/holds",
    status_code=201,
    responses=refusals(402, 409, 429),
    openapi_extra=dict(_KEY_POSSIBLE),
)
async def place_hold(request: Request, response: Response, body: NewHold, visitor: MayHold) -> GrantedAnswer:
    """Set money aside for a piece of AI work: at least `minimum`, `desired` if there is that much; or a 402.

    `userId` (or the header `x-bursar-user`) is our id of a user or the application's own.
    """
    wiring, mandate = wiring_of(request), visitor.mandate
    desired = body.desired if body.desired is not None else body.minimum
    minimum = body.minimum if body.minimum is not None else desired
    if desired is None or minimum is None:
        raise invalid_field("desired", "is required, or else minimum: how much to set aside")
    if minimum > desired:
        raise invalid_field("minimum", "must not be more than desired")
    key = await idempotency_key(request, visitor, "holds")
    async with wiring.database.as_mandate(mandate.mandate_id) as connection:
        remembered = await is_remembered(connection, visitor, key)
    person = None if remembered else await _person(request, visitor, body.user_id)
    outcome = await own_work.place(
        wiring,
        visitor.caller,
        mandate,
        own_work.Wanted(minimum, desired, body.ttl_seconds, person, body.model, body.tags),
        idempotency=key,
        is_remembered=remembered,
    )
    if isinstance(outcome, Granted):
        response.headers["x-request-id"] = str(outcome.hold_id)
        return _granted(outcome)
    raise await _refused(request, visitor, person, outcome)


@router.post(
    "/api/mandates/{mandateId}/holds/{holdId}/extend",
    responses=refusals(402, 409, 429),
    openapi_extra=dict(_KEY_POSSIBLE),
)
async def extend_hold(request: Request, holdId: str, body: Extension, visitor: MayHold) -> GrantedAnswer:
    """Set `amount` more aside, and begin the time to live anew (zero does only that). A refusal changes nothing."""
    wiring, mandate_id, hold_id = wiring_of(request), visitor.mandate.mandate_id, as_id(holdId, "hold")
    key = await idempotency_key(request, visitor, f"holds/{hold_id}/extend")
    outcome = await own_work.extend(wiring, mandate_id, hold_id, body.amount, key)
    if isinstance(outcome, Granted):
        return _granted(outcome)
    hold = await own_work.find_hold(wiring, mandate_id, hold_id)
    found = await wiring.authenticator.find_person(mandate_id, str(hold.user_id)) if hold.user_id else None
    raise await _refused(request, visitor, found if isinstance(found, Person) else None, outcome)


@router.post(
    "/api/mandates/{mandateId}/holds/{holdId}/settle", responses=refusals(409), openapi_extra=dict(_KEY_POSSIBLE)
)
async def settle_hold(request: Request, holdId: str, body: Settlement, visitor: MayHold) -> SettledAnswer:
    """Charge what the work cost, keep what was used, and free the rest of the hold."""
    mandate_id, hold_id = visitor.mandate.mandate_id, as_id(holdId, "hold")
    key = await idempotency_key(request, visitor, f"holds/{hold_id}/settle")
    used = body.model_dump(exclude={"amount"}, exclude_none=True)
    settled = await own_work.settle(wiring_of(request), mandate_id, hold_id, body.amount, used, key)
    return _settled(settled.hold_id, settled.state, settled.charged_nanos, settled.overrun_nanos)


@router.post(
    "/api/mandates/{mandateId}/holds/{holdId}/release", responses=refusals(409), openapi_extra=dict(_KEY_POSSIBLE)
)
async def release_hold(request: Request, holdId: str, visitor: MayHold, _: Nothing | None = None) -> SettledAnswer:
    """Give everything back. A hold that was settled stays settled, and the answer says so."""
    mandate_id, hold_id = visitor.mandate.mandate_id, as_id(holdId, "hold")
    key = await idempotency_key(request, visitor, f"holds/{hold_id}/release")
    settled = await own_work.release(wiring_of(request), mandate_id, hold_id, key)
    return _settled(settled.hold_id, settled.state, settled.charged_nanos, settled.overrun_nanos)


async def _person(request: Request, visitor: Visitor, user: str | None) -> Person | None:
    """Whom the work is for. Raises a 404 or 422 `Problem`."""
    header = request.headers.get(X_BURSAR_USER)
    if user is not None and header is not None and user != header:
        raise invalid_field("userId", f"is another user than the header {X_BURSAR_USER} says")
    name = user if user is not None else header
    if name is None:
        return None
    authenticator = wiring_of(request).authenticator
    may_create = visitor.caller.kind == "service"
    found = await authenticator.find_person(visitor.mandate.mandate_id, name, create=may_create)
    if isinstance(found, Person):
        return found
    raise not_found("user", "userId" if user is not None else X_BURSAR_USER)


async def _refused(request: Request, visitor: Visitor, person: Person | None, shortage: own_work.Shortage) -> Problem:
    """402 (429 for held funds) with the billing object, in the reader's language."""
    wiring, mandate = wiring_of(request), visitor.mandate
    told_at = await wiring.told_at(mandate.mandate_id, shortage.account_id)
    reader = replace(visitor.caller, person=person or visitor.caller.person, mandate=mandate)
    billing = billing_object_for(
        shortage.rejected,
        billing_facts(mandate, notified_at=told_at),
        viewer_of(reader),
        request_id=str(shortage.hold_id),
        public_url=wiring.public_url,
        top_up_enabled=wiring.top_up_enabled,
    )
    return refusal_problem(billing, language_for(reader, request.headers.get("accept-language")))


def _granted(granted: Granted) -> GrantedAnswer:
    return GrantedAnswer(id=granted.hold_id, granted=format_amount(granted.amount_nanos), expires_at=granted.expires_at)


def _settled(hold_id: UUID, state: HoldState, charged_nanos: int, overrun_nanos: int) -> SettledAnswer:
    return SettledAnswer(
        id=hold_id, state=state, charged=format_amount(charged_nanos), overrun=format_amount(overrun_nanos)
    )


def _listed(hold: hold_list.ListedHold) -> HoldAnswer:
    def amount(nanos: int | None) -> str | None:
        return None if nanos is None else format_amount(nanos)

    return HoldAnswer(
        id=hold.hold_id,
        state=hold.state,
        amount=format_amount(hold.amount_nanos),
        used=amount(hold.used_nanos),
        charged=amount(hold.charged_nanos),
        overrun=amount(hold.overrun_nanos),
        payer=hold.payer,
        billing_model=hold.billing_model,
        user_id=hold.user_id,
        key_id=hold.key_id,
        model=hold.model,
        upstream=hold.upstream,
        tags=None if hold.tags is None else dict(hold.tags),
        origin=hold.origin,
        created_at=hold.created_at,
        expires_at=hold.expires_at,
        resolved_at=hold.resolved_at,
    )
