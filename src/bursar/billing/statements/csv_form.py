"""A statement as CSV: one row per movement, all nine decimals, streamed.

RFC 4180 with a header row, UTF-8 without a byte order mark. Text that a spreadsheet would take for a formula gets an
apostrophe in front, as OWASP advises ("CSV Injection"); amounts, which may begin with a minus sign, are figures of our
own and stay as they are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final

import orjson

from bursar.billing.statements.json_form import moment
from bursar.billing.statements.model import Movement, Statement
from bursar.billing.statements.reading import pages
from bursar.foundation.database import Database
from bursar.foundation.money import format_amount

_FORMULA_SIGNS: Final = frozenset("=+-@\t\r\n|%＝＋－＠")
"""What may begin a formula in Excel, LibreOffice or Google Sheets; full-width signs are read as plain ones."""


def harmless(text: str | None) -> str:
    """Text from outside as a cell that no spreadsheet computes; leading spaces do not hide a formula."""
    if text is None:
        return ""
    text = text.replace("\x00", "")
    start = text.lstrip(" \u00a0\u3000\ufeff")[:1]
    return f"'{text}" if start in _FORMULA_SIGNS and start else text


def _tags(tags: Mapping[str, str] | None) -> str:
    return harmless(orjson.dumps(tags, option=orjson.OPT_SORT_KEYS).decode()) if tags else ""


def _plain(value: object) -> str:
    return "" if value is None else str(value)


_COLUMNS: Final[Mapping[str, Callable[[Movement], str]]] = {
    "version": lambda m: str(m.version),
    "at": lambda m: moment(m.at),
    "kind": lambda m: m.kind.value,
    "amount": lambda m: format_amount(m.amount_nanos),
    "balance": lambda m: "" if m.balance_nanos is None else format_amount(m.balance_nanos),
    "userId": lambda m: _plain(m.user_id),
    "userName": lambda m: harmless(m.user_name),
    "keyId": lambda m: _plain(m.key_id),
    "keyName": lambda m: harmless(m.key_name),
    "requestId": lambda m: _plain(m.request_id),
    "model": lambda m: harmless(m.model),
    "upstream": lambda m: harmless(m.upstream),
    "inputTokens": lambda m: _plain(m.input_tokens),
    "cachedInputTokens": lambda m: _plain(m.cached_input_tokens),
    "outputTokens": lambda m: _plain(m.output_tokens),
    "costSource": lambda m: _plain(m.cost_source),
    "priceId": lambda m: _plain(m.price_id),
    "reference": lambda m: harmless(m.reference),
    "reason": lambda m: harmless(m.reason),
    "tags": lambda m: _tags(m.tags),
    "id": lambda m: str(m.transfer_id),
}
COLUMNS: Final = tuple(_COLUMNS)


async def stream_csv(
    database: Database, statement: Statement, *, byte_order_mark: bool = False
) -> AsyncIterator[bytes]:
    """The movements of a statement, oldest first. `byte_order_mark` is for Excel, which else guesses the encoding.

    Raises `StatementDoesNotAddUp` at the end if a movement is missing: the transfer then breaks off.
    """
    start = "\ufeff" if byte_order_mark else ""
    yield (start + _lines([list(COLUMNS)])).encode()
    async for page in pages(database, statement):
        yield _lines([[cell(movement) for cell in _COLUMNS.values()] for movement in page]).encode()


def _lines(rows: list[list[Any]]) -> str:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue()
