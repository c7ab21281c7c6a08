"""What the pages open with: balance over time, the journal's search and export, checks of the books, prices, health."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

from bursar.billing.history import steps, worked_back
from bursar.foundation.database import Database
from bursar.foundation.settings import load_settings
from bursar.gateway.health import UpstreamHealth, Verdict
from bursar.gateway.wiring import Configuration
from tests.support.management import Api, Idle, assert_problem, mandate_id_of, running_api

ZURICH = "Europe/Zurich"


def test_days_follow_the_clock_of_the_mandate() -> None:
    begin = datetime(2026, 3, 28, 12, tzinfo=UTC)
    found = steps(begin, begin + timedelta(days=2), "day", ZURICH)
    assert [each.hour for each in found] == [23, 23, 22], "the 29th has 23 hours"


def test_a_balance_is_worked_back_from_what_is_there() -> None:
    days = steps(datetime(2026, 5, 1, 8, tzinfo=UTC), datetime(2026, 5, 4, 8, tzinfo=UTC), "day", ZURICH)
    now = datetime(2026, 5, 4, 9, tzinfo=UTC)
    moved = {None: 100, days[1]: -20, days[3]: 50}
    assert [point.balance_nanos for point in worked_back(moved, days, "day", ZURICH, now)] == [70, 50, 50, 100]
    assert worked_back({None: 7}, days[-1:], "day", ZURICH, now)[-1].at == now


async def test_the_history_ends_with_the_balance_and_marks_what_came_in_and_was_refused(api: Api) -> None:
    mandate = await api.mandate()
    await api.top_up(mandate, "10")
    hold = await api.made(f"{mandate}/holds", {"desired": "1"})
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "0.25", "model": "m"})
    await api.database.ledger_pool.execute(
        "INSERT INTO alert (mandate_id, kind, account_id, shortage_id, since, refused_calls)"
        " VALUES ($1, 'EXHAUSTED', $1, gen_random_uuid(), now(), 3)", mandate_id_of(mandate),
    )  # fmt: skip
    await api.database.ledger_pool.execute(
        "UPDATE alert SET refused_calls = 5 WHERE mandate_id = $1", mandate_id_of(mandate)
    )
    found = (await api.get(f"{mandate}/balance-history")).json()
    assert found["step"] == "day"
    assert found["points"][-1]["balance"] == "9.750000000"
    assert found["points"][0]["balance"] == "0.000000000"
    assert [(mark["kind"], mark["amount"]) for mark in found["movements"]] == [("TOP_UP", "10.000000000")]
    assert [row["calls"] for row in found["refusals"]] == [5]
    hours = (await api.get(f"{mandate}/balance-history", params={"from": _ago(days=1)})).json()
    assert hours["step"] == "hour"
    wrong = await api.get(f"{mandate}/balance-history", params={"from": _ago(days=-1)})
    assert_problem(wrong, 422, "invalid_request", "from")


async def test_a_member_s_history_is_their_wallet_s(api: Api) -> None:
    mandate = await api.mandate()
    ben, key = await api.person_key(mandate, "member", "ben")
    other = await api.user(mandate, "carla")
    await api.top_up(mandate, "10")
    await api.top_up(mandate, "2", ben)
    found = (await api.get(f"{mandate}/balance-history", key=key)).json()
    assert (found["payer"], found["userId"], found["points"][-1]["balance"]) == ("wallet", ben, "2.000000000")
    refused = await api.get(f"{mandate}/balance-history", key=key, params={"userId": other})
    assert_problem(refused, 404, "not_found")


async def test_the_journal_is_searched_and_exported_by_the_same_words(api: Api) -> None:
    mandate = await api.mandate()
    anna, _ = await api.person_key(mandate, "owner", "anna")
    for reference in ("invoice 17", "=HYPERLINK(1)"):
        body = {"amount": "10", "reference": reference}
        await api.made(f"{mandate}/top-ups", body, headers={"Idempotency-Key": str(uuid4())})
    hold = await api.made(f"{mandate}/holds", {"desired": "1", "userId": anna})
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "0.25", "model": "Image-3"})

    async def found(**query: str) -> list[str]:
        rows = (await api.get(f"{mandate}/transfers", params=query)).json()["transfers"]
        return [row["reference"] or row["model"] for row in rows]

    assert await found(q="INVOICE") == ["invoice 17"]
    assert await found(q="anna") == ["Image-3"]
    assert await found(kind="CHARGE") == ["Image-3"]
    assert await found(model="Image-3", userId=anna) == ["Image-3"]
    assert await found(q="%") == []
    exported = await api.get(f"{mandate}/transfers/export", params={"kind": "TOP_UP"})
    assert exported.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(exported.text)))
    assert [row["reference"] for row in rows] == ["'=HYPERLINK(1)", "invoice 17"]
    assert sum(Decimal(row["amount"]) for row in rows) == 20


async def test_a_check_of_the_books_is_begun_and_ends(api: Api) -> None:
    mandate = await api.mandate()
    await api.top_up(mandate, "10")
    begun = await api.post("/api/verifications", {"mandateId": str(mandate_id_of(mandate))})
    assert begun.status_code == 202
    states: list[str] = []

    async def ended() -> str:
        latest = (await api.get(f"/api/verifications/{begun.json()['id']}")).json()
        states.append(latest["state"])
        return str(latest["state"])

    while await ended() == "RUNNING":
        pass
    assert states[-1] == "CLEAN"
    await api.database.ledger_pool.execute(
        "UPDATE account SET credits_posted = credits_posted + 1 WHERE mandate_id = $1 AND kind = 'pool'",
        mandate_id_of(mandate),
    )
    begun = await api.post("/api/verifications", {})
    while await ended() == "RUNNING":
        pass
    first = (await api.get("/api/verifications", params={"limit": 1})).json()
    (latest,) = first["verifications"]
    assert latest["state"] == "VIOLATED"
    assert latest["violations"] >= 1
    assert UUID(latest["findings"][0]["mandateId"]) == mandate_id_of(mandate)
    (before, *_) = (await api.get("/api/verifications", params={"cursor": first["nextCursor"]})).json()["verifications"]
    assert (before["state"], before["mandateId"]) == ("CLEAN", str(mandate_id_of(mandate)))
    assert_problem(await api.get(f"/api/verifications/{uuid4()}"), 404, "not_found")


async def test_operators_see_prices_and_upstreams_without_keys(database: Database) -> None:
    settings = load_settings(
        {
            "BURSAR_UPSTREAMS": '[{"name": "u", "dialect": "openai", "base_url": "https://u.example/v1",'
            ' "models": ["m-1", "m-2"], "api_key": "sk-very-secret"}, {"name": "é", "dialect": "openai",'
            ' "base_url": "https://e.example/v1", "models": ["m-3"]}]',
            "BURSAR_PRICING": '{"markup_percent": "10", "models": [{"model": "m-1", "currency": "CHF",'
            ' "input_per_million": "1.00", "output_per_million": "4.00"}]}',
        }
    )
    clock = [0.0]
    serving = Idle(Configuration.from_settings(settings), UpstreamHealth(lambda: clock[0]))
    async with running_api(database, serving=serving) as api:
        page = (await api.get("/api/prices", params={"limit": 2})).json()
        assert [(row["model"], row["outputPerMillion"], row["problem"]) for row in page["prices"]] == [
            ("m-1", "4.4", None),
            ("m-2", None, "NOT_PRICED"),
        ]
        rest = (await api.get("/api/prices", params={"cursor": page["nextCursor"]})).json()
        assert ([row["model"] for row in rest["prices"]], rest["nextCursor"]) == (["m-3"], None)
        first = (await api.get("/api/upstreams", params={"limit": 1})).json()
        rest = (await api.get("/api/upstreams", params={"cursor": first["nextCursor"]})).json()
        assert ([each["name"] for each in rest["upstreams"]], rest["nextCursor"]) == (["é"], None)
        refused = await api.get("/api/upstreams", params={"cursor": "nowhere"})
        assert_problem(refused, 422, "invalid_request", "cursor")
        (upstream,) = first["upstreams"]
        assert (upstream["name"], upstream["state"], upstream["retryAfterSeconds"]) == ("u", "closed", None)
        circuit = serving.health.of("u", "https://u.example/v1")
        entered = circuit.enter(0.0)
        assert entered is not None
        circuit.leave(entered, Verdict.ACCOUNT, 0.0)
        answer = await api.get("/api/upstreams")
        (upstream, _) = answer.json()["upstreams"]
        assert (upstream["state"], upstream["retryAfterSeconds"]) == ("open", 30)
        assert "secret" not in answer.text


def _ago(**span: int) -> str:
    return (datetime.now(UTC) - timedelta(**span)).isoformat()
