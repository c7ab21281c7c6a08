"""A statement as JSON: camelCase, amounts as decimal strings with nine decimals, times as RFC 3339 in UTC."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from bursar.billing.statements.model import Movement, Share, Statement, Usage
from bursar.billing.statements.reading import pages
from bursar.foundation.database import Database
from bursar.foundation.money import format_amount


def render_json(statement: Statement) -> bytes:
    """One JSON object. `movements` is there if the statement was built with them."""
    body = summary(statement)
    if statement.movements is not None:
        body["movements"] = [movement_json(movement) for movement in statement.movements]
    return orjson.dumps(body)


async def stream_json(database: Database, statement: Statement) -> AsyncIterator[bytes]:
    """The same object with all movements, page by page, for months that are too large for memory.

    Raises `StatementDoesNotAddUp` before the closing bracket, so that what is wrong is no JSON either.
    """
    yield orjson.dumps(summary(statement))[:-1] + b',"movements":['
    between = b""
    async for page in pages(database, statement):
        yield between + b",".join(orjson.dumps(movement_json(movement)) for movement in page)
        between = b","
    yield b"]}"


def summary(statement: Statement) -> dict[str, Any]:
    """Everything but the single movements of usage."""
    header = statement.header
    return {
        "mandateId": str(header.mandate_id),
        "mandateName": header.mandate_name,
        "currency": header.currency,
        "payer": header.payer,
        "userId": _id(header.user_id),
        "userName": header.user_name,
        "ownPart": header.own_part,
        "month": str(header.month),
        "timeZone": header.time_zone,
        "startsAt": moment(header.starts_at),
        "endsAt": moment(header.ends_at),
        "closed": header.closed,
        "asOf": moment(header.as_of),
        "openingBalance": _amount(statement.opening_nanos),
        "closingBalance": _amount(statement.closing_nanos),
        "amountDue": _amount(statement.amount_due_nanos),
        "movementCount": statement.movement_count,
        "totals": [
            {"kind": total.kind.value, "count": total.count, "amount": format_amount(total.amount_nanos)}
            for total in statement.totals
        ],
        "usage": {
            "total": _usage(statement.usage),
            "byDayAndModel": [
                {"day": row.day.isoformat(), "model": row.model, **_usage(row.usage)}
                for row in statement.by_day_and_model
            ],
            "byUser": _shares("user", statement.by_user),
            "byModel": [{"model": row.model, **_usage(row.usage)} for row in statement.by_model],
            "byKey": _shares("key", statement.by_key),
        },
    }


def movement_json(movement: Movement) -> dict[str, Any]:
    return {
        "version": movement.version,
        "id": str(movement.transfer_id),
        "at": moment(movement.at),
        "kind": movement.kind.value,
        "amount": format_amount(movement.amount_nanos),
        "balance": _amount(movement.balance_nanos),
        "userId": _id(movement.user_id),
        "userName": movement.user_name,
        "keyId": _id(movement.key_id),
        "keyName": movement.key_name,
        "requestId": _id(movement.request_id),
        "model": movement.model,
        "upstream": movement.upstream,
        "inputTokens": movement.input_tokens,
        "cachedInputTokens": movement.cached_input_tokens,
        "outputTokens": movement.output_tokens,
        "costSource": movement.cost_source,
        "priceId": _id(movement.price_id),
        "tags": movement.tags,
        "reference": movement.reference,
        "reason": movement.reason,
    }


def moment(at: datetime) -> str:
    """RFC 3339 in UTC, with microseconds where there are any."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def _shares(what: str, shares: Iterable[Share]) -> list[dict[str, Any]]:
    return [{f"{what}Id": _id(share.id), f"{what}Name": share.name, **_usage(share.usage)} for share in shares]


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "calls": usage.calls,
        "amount": format_amount(usage.cost_nanos),
        "inputTokens": usage.input_tokens,
        "cachedInputTokens": usage.cached_input_tokens,
        "outputTokens": usage.output_tokens,
    }


def _amount(nanos: int | None) -> str | None:
    return None if nanos is None else format_amount(nanos)


def _id(value: UUID | None) -> str | None:
    return None if value is None else str(value)
