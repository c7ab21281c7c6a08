"""The journal as a spreadsheet: the same search as the list, all of its pages, streamed."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Annotated, Any, Final

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bursar.billing import journal
from bursar.billing.journal import Entry
from bursar.billing.routes_transfers import WantedOf, wanted_transfers
from bursar.billing.statements.csv_form import harmless
from bursar.foundation.database import Database
from bursar.foundation.money import format_amount
from bursar.identity.documented import refusals
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["journal"])
_PAGE: Final = 1000
_CSV: Final[dict[str, Any]] = {"text/csv": {"schema": {"type": "string"}}}

_COLUMNS: Final[Mapping[str, Callable[[Entry], object]]] = {
    "at": lambda entry: entry.at.isoformat().replace("+00:00", "Z"),
    "kind": lambda entry: entry.kind,
    "amount": lambda entry: format_amount(entry.amount_nanos),
    "payer": lambda entry: entry.payer,
    "userId": lambda entry: entry.user_id,
    "keyId": lambda entry: entry.key_id,
    "requestId": lambda entry: entry.hold_id,
    "model": lambda entry: harmless(entry.model),
    "upstream": lambda entry: harmless(entry.upstream),
    "inputTokens": lambda entry: entry.input_tokens,
    "cachedInputTokens": lambda entry: entry.cached_input_tokens,
    "outputTokens": lambda entry: entry.output_tokens,
    "costSource": lambda entry: entry.cost_source,
    "reference": lambda entry: harmless(entry.reference),
    "reason": lambda entry: harmless(entry.reason),
    "tags": lambda entry: harmless(orjson.dumps(dict(entry.tags)).decode()) if entry.tags else "",
    "id": lambda entry: entry.transfer_id,
}


@router.get(
    "/api/mandates/{mandateId}/transfers/export",
    response_class=StreamingResponse,
    responses={200: {"content": _CSV, "description": "The transfers, newest first."}, **refusals()},
)
async def export_transfers(
    request: Request,
    asked: Annotated[WantedOf, Depends(wanted_transfers)],
    byte_order_mark: Annotated[bool, Query(alias="bom", description="for Excel")] = False,
) -> StreamingResponse:
    """What `GET …/transfers` finds, as CSV: every page of it."""
    mandate_id = asked.visitor.mandate.mandate_id
    headers = {"content-disposition": 'attachment; filename="journal.csv"', "cache-control": "no-store"}
    rows = _rows(wiring_of(request).database, mandate_id, asked.wanted, "\ufeff" if byte_order_mark else "")
    return StreamingResponse(rows, media_type="text/csv; charset=utf-8", headers=headers)


async def _rows(database: Database, mandate_id: Any, wanted: journal.Wanted, start: str) -> AsyncIterator[str]:
    yield start + _lines([list(_COLUMNS)])
    cursor: str | None = None
    while True:
        page = await journal.list_transfers(database, mandate_id, wanted, cursor=cursor, limit=_PAGE)
        if page.items:
            yield _lines([[_cell(column(entry)) for column in _COLUMNS.values()] for entry in page.items])
        cursor = page.next_cursor
        if cursor is None:
            return


def _cell(value: object) -> str:
    return "" if value is None else str(value)


def _lines(rows: list[list[str]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()
