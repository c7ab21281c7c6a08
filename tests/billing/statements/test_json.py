"""JSON: the contract's names and forms."""

from __future__ import annotations

import orjson

from bursar.billing.statements import render_json
from bursar.ledger.model import TransferKind
from tests.billing.statements.samples import MANDATE_ID, UNIT, USERS, entry, statement


def test_a_statement_in_the_contracts_forms() -> None:
    made = statement(
        [(1, "model-a", 2 * UNIT), (2, None, 123_450)],
        opening_nanos=-UNIT,
        entries=[entry(5 * UNIT, reference="invoice 7")],
        amount_due_nanos=0,
    )
    body = orjson.loads(render_json(made))
    assert {key: value for key, value in body.items() if key not in ("usage", "totals")} == {
        "mandateId": str(MANDATE_ID),
        "mandateName": "Helvetia Treuhand AG",
        "currency": "CHF",
        "payer": "pool",
        "userId": None,
        "userName": None,
        "ownPart": False,
        "month": "2026-11",
        "timeZone": "Europe/Zurich",
        "startsAt": "2026-10-31T23:00:00Z",
        "endsAt": "2026-11-30T23:00:00Z",
        "closed": True,
        "asOf": "2026-11-30T23:00:00Z",
        "openingBalance": "-1.000000000",
        "closingBalance": "1.999876550",
        "amountDue": "0.000000000",
        "movementCount": 3,
    }
    assert body["totals"] == [
        {"kind": "CHARGE", "count": 2, "amount": "-2.000123450"},
        {"kind": "TOP_UP", "count": 1, "amount": "5.000000000"},
    ]
    tokens = {"inputTokens": 1_200, "cachedInputTokens": 200, "outputTokens": 450}
    assert body["usage"]["byDayAndModel"] == [
        {"day": "2026-11-01", "model": "model-a", "calls": 3, "amount": "2.000000000", **tokens},
        {"day": "2026-11-02", "model": None, "calls": 3, "amount": "0.000123450", **tokens},
    ]
    assert body["usage"]["total"] == {
        "calls": 6, "amount": "2.000123450", "inputTokens": 2_400, "cachedInputTokens": 400, "outputTokens": 900,
    }  # fmt: skip
    assert [(row["userId"], row["userName"]) for row in body["usage"]["byUser"]] == [
        (str(USERS[0]), "Anna Meier"), (str(USERS[1]), "Ömer Yılmaz"),
    ]  # fmt: skip
    assert [row["keyName"] for row in body["usage"]["byKey"]] == ["Back end", None]
    assert [row["model"] for row in body["usage"]["byModel"]] == ["model-a", None]


def test_somebodys_part_has_no_balances() -> None:
    made = statement([(1, "model-a", UNIT)], header={"own_part": True, "user_id": USERS[0], "user_name": "Anna Meier"})
    body = orjson.loads(render_json(made))
    assert (body["openingBalance"], body["closingBalance"], body["amountDue"]) == (None, None, None)
    assert (body["ownPart"], body["userId"]) == (True, str(USERS[0]))


def test_entries_have_their_sign() -> None:
    made = statement([], entries=[entry(-UNIT, TransferKind.REFUND)])
    assert orjson.loads(render_json(made))["totals"][1] == {"kind": "REFUND", "count": 1, "amount": "-1.000000000"}
