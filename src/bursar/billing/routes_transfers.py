"""Management routes of the journal: transfers and usage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.billing import journal, usage
from bursar.foundation.money import format_amount
from bursar.foundation.problems import invalid_field
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, may
from bursar.identity.wire import ONE_LINE, Answer
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import AccountKind, Payer

router = APIRouter(tags=["journal"])
From = Annotated[
    datetime | None, Query(alias="from", description="the first moment; without an offset in the mandate's time zone")
]
To = Annotated[datetime | None, Query(alias="to", description="the end, itself not included")]


class TransferAnswer(Answer):
    """A row of the journal. `amount` is what a charge costs, what a top-up brings, what a refund pays out; a correction
    in the account's favour, or money that goes from the pool to a wallet, is positive, the opposite negative."""

    id: UUID
    at: datetime
    kind: str
    amount: str
    payer: Payer | None
    debit: AccountKind
    credit: AccountKind
    user_id: UUID | None
    key_id: UUID | None
    request_id: UUID | None
    model: str | None
    upstream: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    usage_details: dict[str, Any] | None
    price_used: dict[str, Any] | None
    cost_source: str | None
    billing_model: str | None
    tags: dict[str, str] | None
    reference: str | None
    reason: str | None
    actor: str | None


class TransferPage(Answer):
    currency: str
    transfers: list[TransferAnswer]
    next_cursor: str | None


class SumAnswer(Answer):
    calls: int
    amount: str
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


class GroupAnswer(SumAnswer):
    key: str | None
    label: str | None


class UsageAnswer(Answer):
    currency: str
    group_by: usage.GroupBy
    total: SumAnswer
    groups: list[GroupAnswer]


def transfer_answer(entry: journal.Entry) -> TransferAnswer:
    return TransferAnswer(
        id=entry.transfer_id,
        at=entry.at,
        kind=entry.kind,
        amount=format_amount(entry.amount_nanos),
        payer=entry.payer,
        debit=entry.debit,
        credit=entry.credit,
        user_id=entry.user_id,
        key_id=entry.key_id,
        request_id=entry.hold_id,
        model=entry.model,
        upstream=entry.upstream,
        input_tokens=entry.input_tokens,
        cached_input_tokens=entry.cached_input_tokens,
        output_tokens=entry.output_tokens,
        usage_details=None if entry.usage_details is None else dict(entry.usage_details),
        price_used=None if entry.price_used is None else dict(entry.price_used),
        cost_source=entry.cost_source,
        billing_model=entry.billing_model,
        tags=None if entry.tags is None else dict(entry.tags),
        reference=entry.reference,
        reason=entry.reason,
        actor=entry.actor,
    )


def moment(value: datetime | None, time_zone: str, field: str) -> datetime | None:
    """The moment in UTC; one without an offset is the mandate's local time. Raises a 422 `Problem`."""
    if value is None:
        return None
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(time_zone))
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise invalid_field(field, "is too far away") from None


def _confined(visitor: Visitor, user_id: UUID | None) -> UUID | None:
    """The user whose rows are asked for, and may be seen. Raises a 404 `Problem`."""
    own = visitor.own_user_id
    if own is not None and user_id not in (None, own):
        raise not_found("user")
    return own or user_id


TransferKindName = Literal["CHARGE", "OVERRUN", "LATE_ADJUSTMENT", "TOP_UP", "CORRECTION", "REFUND", "WALLET_TRANSFER"]
Text = Annotated[str | None, Query(min_length=1, max_length=200, pattern=ONE_LINE)]


def wanted_transfers(
    visitor: Annotated[Visitor, Depends(may(Action.READ_JOURNAL))],
    begin: From = None,
    end: To = None,
    request_id: Annotated[UUID | None, Query(alias="requestId")] = None,
    user_id: Annotated[UUID | None, Query(alias="userId")] = None,
    key_id: Annotated[UUID | None, Query(alias="keyId")] = None,
    kind: Annotated[list[TransferKindName] | None, Query(description="one or several")] = None,
    model: Text = None,
    text: Annotated[
        str | None,
        Query(
            alias="q",
            min_length=1,
            max_length=200,
            pattern=ONE_LINE,
            description="in reference, reason, model, tags, ids, or the name of the user or key; case does not matter",
        ),
    ] = None,
) -> WantedOf:
    """What a request wants of the journal, confined to what its caller may see."""
    zone = visitor.mandate.time_zone
    wanted = journal.Wanted(
        begin=moment(begin, zone, "from"),
        end=moment(end, zone, "to"),
        request_id=request_id,
        of_user=_confined(visitor, user_id),
        key_id=key_id,
        kinds=kind or None,
        model=model,
        text=text,
        all_accounts=visitor.is_operator,
    )
    return WantedOf(visitor, wanted)


@dataclass(frozen=True, slots=True)
class WantedOf:
    visitor: Visitor
    wanted: journal.Wanted


@router.get("/api/mandates/{mandateId}/transfers", responses=refusals())
async def list_transfers(
    request: Request,
    asked: Annotated[WantedOf, Depends(wanted_transfers)],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> TransferPage:
    """The journal, newest first; a member sees what was charged for them, and their wallet's movements."""
    mandate = asked.visitor.mandate
    page = await journal.list_transfers(
        wiring_of(request).database, mandate.mandate_id, asked.wanted, cursor=cursor, limit=limit
    )
    return TransferPage(
        currency=mandate.currency,
        transfers=[transfer_answer(entry) for entry in page.items],
        next_cursor=page.next_cursor,
    )


@router.get("/api/mandates/{mandateId}/usage", responses=refusals())
async def read_usage(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_JOURNAL))],
    group_by: Annotated[usage.GroupBy, Query(alias="groupBy")] = "model",
    begin: From = None,
    end: To = None,
) -> UsageAnswer:
    """What calls were charged, summed. By tag, a call counts for each of its tags; the total counts it once."""
    mandate = visitor.mandate
    found = await usage.get_usage(
        wiring_of(request).database,
        mandate.mandate_id,
        group_by,
        time_zone=mandate.time_zone,
        begin=moment(begin, mandate.time_zone, "from"),
        end=moment(end, mandate.time_zone, "to"),
        of_user=visitor.own_user_id,
    )
    groups = [GroupAnswer(key=each.value, label=each.label, **_numbers(each)) for each in found.groups]
    return UsageAnswer(
        currency=mandate.currency, group_by=group_by, total=SumAnswer(**_numbers(found.total)), groups=groups
    )


def _numbers(found: usage.Sum) -> dict[str, Any]:
    return {
        "calls": found.calls,
        "amount": format_amount(found.amount_nanos),
        "input_tokens": found.input_tokens,
        "cached_input_tokens": found.cached_input_tokens,
        "output_tokens": found.output_tokens,
    }
