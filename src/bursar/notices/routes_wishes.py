"""Management routes of notices: what to be told, silences, a preview, and a test."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime, Field
from starlette.requests import Request

from bursar.billing.settings import get_settings
from bursar.billing.texts import choose_language
from bursar.foundation.money import AmountError, format_amount, parse_amount
from bursar.foundation.problems import invalid_field
from bursar.identity.access import Action, not_found
from bursar.identity.documented import IF_MATCH, refusals
from bursar.identity.entrance import Visitor, as_id, etag, if_match, may
from bursar.identity.mandates import changed_meanwhile
from bursar.identity.wire import Answer, Ask, Line, WholeNumber
from bursar.identity.wiring import wiring_of
from bursar.notices import samples, wishes
from bursar.notices.kinds import KINDS
from bursar.notices.wishes import AddressState, Wishes

router = APIRouter(tags=["notices"])
MOST_THRESHOLDS: Final = 10
LONGEST_SILENCE: Final = timedelta(days=90)
_PERCENT: Final = re.compile(r"([1-9][0-9]?)\s?%")
Language = Literal["de", "en", "fr", "it"]
ReadSettings = Annotated[Visitor, Depends(may(Action.READ_SETTINGS))]
ChangeNotices = Annotated[Visitor, Depends(may(Action.CHANGE_NOTICES))]


class WishesChange(Ask):
    """What is left out stays as it is."""

    low_balance_thresholds: Annotated[list[str], Field(max_length=MOST_THRESHOLDS)] | None = None
    """Amounts, or percentages of the last top-up: `"10.00"`, `"20%"`."""
    running_out_hours: Annotated[WholeNumber, Field(ge=0, le=2160)] | None = None
    limit_near_percent: Annotated[WholeNumber, Field(ge=0, le=99)] | None = None


class AddressAnswer(Answer):
    address: str
    state: AddressState
    reason: str | None
    since: datetime | None


class WishesAnswer(Answer):
    low_balance_thresholds: list[str]
    running_out_hours: int
    limit_near_percent: int
    notify_emails: list[AddressAnswer]


class SilenceAsk(Ask):
    kind: str | None = None
    """Which notice; without it, all of them."""
    ends_at: AwareDatetime
    reason: Line | None = None


class SilenceAnswer(Answer):
    id: UUID
    kind: str | None
    ends_at: datetime
    reason: str | None
    created_by: str
    created_at: datetime


class SilencePage(Answer):
    silences: list[SilenceAnswer]
    next_cursor: str | None


class PreviewAsk(Ask):
    kind: str
    language: Language | None = None


class PreviewAnswer(Answer):
    language: str
    subject: str
    text: str
    html: str
    brief: str
    """What a chat or a phone gets."""


class TestAsk(Ask):
    address: str | None = None
    """One of `notifyEmails`; without it, the caller's own."""


class TestAnswer(Answer):
    id: UUID
    recipient: str


@router.get("/api/mandates/{mandateId}/notice-settings", responses=refusals())
async def read_wishes(request: Request, response: Response, visitor: ReadSettings) -> WishesAnswer:
    """Thresholds, and what became of each address in `notifyEmails`: dead, unsubscribed, or good."""
    return await _answer(request, response, visitor)


@router.put(
    "/api/mandates/{mandateId}/notice-settings", responses=refusals(412), openapi_extra={"parameters": [IF_MATCH]}
)
async def change_wishes(
    request: Request, response: Response, body: WishesChange, visitor: ChangeNotices
) -> WishesAnswer:
    database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
    found = await wishes.read_wishes(database, mandate_id)
    if if_match(request) not in (None, found.version):
        raise changed_meanwhile()
    amounts, percents = found.low_amounts_nanos, found.low_percents
    if body.low_balance_thresholds is not None:
        amounts, percents = _thresholds(body.low_balance_thresholds)
    hours, percent = body.running_out_hours, body.limit_near_percent
    changed = Wishes(
        amounts,
        percents,
        found.running_out_hours if hours is None else hours,
        found.limit_near_percent if percent is None else percent,
        found.version,
    )
    if not await wishes.write_wishes(database, mandate_id, changed):
        raise changed_meanwhile()
    return await _answer(request, response, visitor)


@router.get("/api/mandates/{mandateId}/silences", responses=refusals())
async def list_silences(
    request: Request,
    visitor: ReadSettings,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> SilencePage:
    """Those that have not ended, the next end first."""
    database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
    page = await wishes.list_silences(database, mandate_id, cursor=cursor, limit=limit)
    return SilencePage(silences=[_silence(each) for each in page.items], next_cursor=page.next_cursor)


@router.post("/api/mandates/{mandateId}/silences", status_code=201, responses=refusals())
async def add_silence(request: Request, body: SilenceAsk, visitor: ChangeNotices) -> SilenceAnswer:
    """Nothing is told before `endsAt`; what still lasts then is told."""
    if body.kind is not None and body.kind not in KINDS:
        raise invalid_field("kind", f"must be one of {', '.join(KINDS)}")
    now = datetime.now(UTC)
    if not now < body.ends_at <= now + LONGEST_SILENCE:
        raise invalid_field("endsAt", f"must be in the future, at most {LONGEST_SILENCE.days} days")
    silence = await wishes.add_silence(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        kind=body.kind,
        ends_at=body.ends_at,
        reason=body.reason,
        actor=visitor.actor,
    )
    return _silence(silence)


@router.delete("/api/mandates/{mandateId}/silences/{silenceId}", status_code=204, responses=refusals())
async def end_silence(request: Request, silenceId: str, visitor: ChangeNotices) -> Response:
    """What it held back, and still lasts, is told at once."""
    silence_id = as_id(silenceId, "silence")
    if not await wishes.end_silence(wiring_of(request).database, visitor.mandate.mandate_id, silence_id):
        raise not_found("silence")
    return Response(status_code=204)


@router.post("/api/mandates/{mandateId}/notices/preview", responses=refusals())
async def preview(request: Request, body: PreviewAsk, visitor: ReadSettings) -> PreviewAnswer:
    """What a notice looks like, with figures that are made up."""
    if body.kind not in KINDS:
        raise invalid_field("kind", f"must be one of {', '.join(KINDS)}")
    language = choose_language(None, body.language, visitor.mandate.notify_language or visitor.mandate.language)
    mail = samples.preview(body.kind, language, visitor.mandate, wiring_of(request).public_url)
    return PreviewAnswer(language=mail.language, subject=mail.subject, text=mail.text, html=mail.html, brief=mail.brief)


@router.post("/api/mandates/{mandateId}/notices/test", status_code=202, responses=refusals())
async def send_test(request: Request, body: TestAsk, visitor: ChangeNotices) -> TestAnswer:
    """A test mail by the way that all notices take; how it ended is among the mandate's notices."""
    wiring, mandate_id = wiring_of(request), visitor.mandate.mandate_id
    own = visitor.caller.person.email if visitor.caller.person is not None else None
    address = body.address if body.address is not None else own
    if address is None:
        raise invalid_field("address", "is required: you have no address of your own here")
    if address != own and address not in (await get_settings(wiring.database, mandate_id)).notify_emails:
        raise invalid_field("address", "must be one of notifyEmails, or your own")
    notice_id = await samples.queue_test(wiring.database.ledger_pool, mandate_id, address)
    return TestAnswer(id=notice_id, recipient=address)


def _thresholds(given: list[str]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Amounts in nanos, and percents. Raises a 422 `Problem`."""
    amounts: dict[int, None] = {}
    percents: dict[int, None] = {}
    for text in given:
        share = _PERCENT.fullmatch(text.strip())
        if share is not None:
            percents[int(share[1])] = None
            continue
        try:
            amounts[parse_amount(text, field="lowBalanceThresholds")] = None
        except AmountError as error:
            raise invalid_field("lowBalanceThresholds", f'{error.message}, or be a percentage such as "20%"') from None
    return tuple(sorted(amounts)), tuple(sorted(percents))


async def _answer(request: Request, response: Response, visitor: Visitor) -> WishesAnswer:
    database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
    found = await wishes.read_wishes(database, mandate_id)
    response.headers["ETag"] = etag(found.version)
    news = await wishes.address_news(database, mandate_id)
    return WishesAnswer(
        low_balance_thresholds=[
            *map(format_amount, found.low_amounts_nanos),
            *(f"{percent}%" for percent in found.low_percents),
        ],
        running_out_hours=found.running_out_hours,
        limit_near_percent=found.limit_near_percent,
        notify_emails=[AddressAnswer.model_validate(each) for each in news],
    )


def _silence(silence: wishes.Silence) -> SilenceAnswer:
    return SilenceAnswer(
        id=silence.silence_id,
        kind=silence.kind,
        ends_at=silence.ends_at,
        reason=silence.reason,
        created_by=silence.created_by,
        created_at=silence.created_at,
    )
