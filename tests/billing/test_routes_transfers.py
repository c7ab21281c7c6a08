"""The journal and its sums over HTTP: order, pages, spans, tags, and who sees what."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from bursar.billing.journal import PLUS_WHERE_PAYER_IS
from bursar.foundation.ids import new_id, pool_account_id
from bursar.ledger.model import CostSource, Expire, Reserve, Settle, TransferKind
from tests.support.management import Api, assert_problem, mandate_id_of


async def charge(api: Api, mandate: str, amount: str, *, key: str, **fields: Any) -> str:
    """A settled hold; its id."""
    hold = await api.made(f"{mandate}/holds", {"desired": amount, **fields}, key=key)
    settled = await api.post(
        f"{mandate}/holds/{hold['id']}/settle", {"amount": amount, "inputTokens": 10, "outputTokens": 2}, key=key
    )
    assert settled.status_code == 200
    return str(hold["id"])


async def transfers(api: Api, mandate: str, **params: Any) -> list[dict[str, Any]]:
    key = params.pop("key", None)
    answer = await api.get(f"{mandate}/transfers", params=params, **({"key": key} if key else {}))
    assert answer.status_code == 200, answer.text
    return list(answer.json()["transfers"])


@pytest.fixture
async def mandate(api: Api) -> str:
    return await api.mandate(timeZone="Europe/Zurich")


def test_every_kind_has_a_sign() -> None:
    assert set(PLUS_WHERE_PAYER_IS) == set(TransferKind)


async def test_the_journal_is_newest_first_and_its_pages_meet(api: Api, mandate: str) -> None:
    made = [(await api.top_up(mandate, str(amount)))["id"] for amount in range(1, 8)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        page = (await api.get(f"{mandate}/transfers", params=params)).json()
        seen += [entry["id"] for entry in page["transfers"]]
        if cursor is None:
            made.append((await api.top_up(mandate, "100"))["id"])  # added meanwhile: shifts nothing
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == made[-2::-1]
    for wrong in ("x", "AAAA", str(uuid4()), "é"):
        answer = await api.get(f"{mandate}/transfers", params={"cursor": wrong})
        assert_problem(answer, 422, "invalid_request", "cursor")


async def test_spans_include_their_beginning_and_not_their_end(api: Api, mandate: str) -> None:
    one, two, three = [await api.top_up(mandate, "1") for _ in range(3)]
    assert [each["id"] for each in await transfers(api, mandate, **{"from": two["at"]})] == [three["id"], two["id"]]
    assert [each["id"] for each in await transfers(api, mandate, to=two["at"])] == [one["id"]]
    assert await transfers(api, mandate, **{"from": two["at"], "to": two["at"]}) == []
    # Without an offset a moment is the mandate's local time.
    local = datetime.fromisoformat(two["at"]).astimezone(ZoneInfo("Europe/Zurich"))
    naive = local.replace(tzinfo=None).isoformat()
    assert len(await transfers(api, mandate, **{"from": naive})) == 2
    for wrong in ("yesterday", "0001-01-01T00:00:00+14:00"):
        answer = await api.get(f"{mandate}/transfers", params={"from": wrong})
        assert_problem(answer, 422, "invalid_request", "from")


async def test_one_request_can_be_found(api: Api, mandate: str) -> None:
    await api.top_up(mandate, "10")
    service = await api.key(mandate, "service")
    ids = [await charge(api, mandate, "0.1", key=service) for _ in range(2)]
    assert [each["requestId"] for each in await transfers(api, mandate, requestId=ids[0])] == [ids[0]]
    assert await transfers(api, mandate, requestId=str(uuid4())) == []


async def test_charges_of_the_journal_add_up_to_what_is_gone(api: Api, mandate: str) -> None:
    await api.top_up(mandate, "10")
    service = await api.key(mandate, "service")
    for amount in ("0.000000001", "1.5", "0.25"):
        await charge(api, mandate, amount, key=service)
    charged = sum(Decimal(each["amount"]) for each in await transfers(api, mandate) if each["kind"] == "CHARGE")
    assert charged == Decimal(10) - Decimal((await api.balance(mandate))["posted"]) == Decimal("1.750000001")


async def test_what_came_late_has_the_sign_of_what_it_does(api: Api, mandate: str) -> None:
    """A hold that expired was charged at its last known usage; the rest comes late, in either direction."""
    await api.top_up(mandate, "10")
    mandate_id = mandate_id_of(mandate)
    for recorded, actual in ((300, 500), (300, 100)):
        hold_id = new_id()
        common: dict[str, Any] = {
            "mandate_id": mandate_id,
            "hold_id": hold_id,
            "account_id": pool_account_id(mandate_id),
        }
        await api.ledger.submit(
            Reserve(
                **common,
                payer="pool",
                billing_model="PREPAY_MANDATE",
                minimum_nanos=1000,
                desired_nanos=1000,
                input_bound_nanos=recorded,
            )
        )
        async with api.database.ledger_pool.acquire() as connection:
            await connection.execute("UPDATE hold SET expires_at = now() WHERE hold_id = $1", hold_id)
        await api.ledger.submit(Expire(**common, transfer_id=new_id()))
        await api.ledger.submit(
            Settle(**common, transfer_id=new_id(), actual_nanos=actual, cost_source=CostSource.PROVIDER_USAGE)
        )
    found = [(each["kind"], each["amount"], each["costSource"]) for each in await transfers(api, mandate)]
    assert found[:4] == [
        ("LATE_ADJUSTMENT", "-0.000000200", "PROVIDER_USAGE"),
        ("CHARGE", "0.000000300", "INPUT_BOUND"),
        ("LATE_ADJUSTMENT", "0.000000200", "PROVIDER_USAGE"),
        ("CHARGE", "0.000000300", "INPUT_BOUND"),
    ]
    usage = (await api.get(f"{mandate}/usage", params={"groupBy": "model"})).json()
    assert (usage["total"]["calls"], usage["total"]["amount"]) == (2, "0.000000600")


async def test_what_the_operator_bears_is_the_operator_s_to_see(api: Api, mandate: str) -> None:
    await api.top_up(mandate, "1")
    service = await api.key(mandate, "service")
    hold = await api.made(f"{mandate}/holds", {"desired": "0.5"}, key=service)
    settled = await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": "3"}, key=service)
    assert (settled.json()["charged"], settled.json()["overrun"]) == ("1.000000000", "2.000000000")
    assert {each["kind"] for each in await transfers(api, mandate)} == {"TOP_UP", "CHARGE", "OVERRUN"}
    owner = await api.key(mandate, "admin")
    assert {each["kind"] for each in await transfers(api, mandate, key=owner)} == {"TOP_UP", "CHARGE"}


@pytest.fixture
async def busy(api: Api, mandate: str) -> dict[str, str]:
    """Two people, calls of both, one wallet's movement; ids and keys by name."""
    people = {name: await api.person_key(mandate, "member", name) for name in ("anna", "berta")}
    service = await api.key(mandate, "service")
    await api.top_up(mandate, "10")
    await charge(api, mandate, "0.10", key=service, userId="anna", model="m-1", tags={"project": "alpha", "team": "a"})
    await charge(api, mandate, "0.20", key=service, userId="anna", model="m-2", tags={"project": "alpha"})
    await charge(api, mandate, "0.40", key=service, userId="berta", model="m-1")
    await charge(api, mandate, "0.80", key=service)
    await api.made(f"{mandate}/wallet-transfers", {"userId": "berta", "amount": "1"})
    ids = {name: user_id for name, (user_id, _) in people.items()}
    return {**ids, **{f"{name}'s key": key for name, (_, key) in people.items()}}


async def test_a_member_sees_their_own(api: Api, mandate: str, busy: dict[str, str]) -> None:
    own = await transfers(api, mandate, key=busy["anna's key"])
    assert [each["amount"] for each in own] == ["0.200000000", "0.100000000"]
    berta = await transfers(api, mandate, key=busy["berta's key"])
    assert [each["kind"] for each in berta] == ["WALLET_TRANSFER", "CHARGE"]
    answer = await api.get(f"{mandate}/transfers", params={"userId": busy["berta"]}, key=busy["anna's key"])
    assert_problem(answer, 404, "not_found")
    usage = (await api.get(f"{mandate}/usage", params={"groupBy": "user"}, key=busy["anna's key"])).json()
    assert [(group["key"], group["amount"]) for group in usage["groups"]] == [(busy["anna"], "0.300000000")]
    assert len(await transfers(api, mandate, userId=busy["berta"])) == 2


async def test_usage_adds_up_by_everything(api: Api, mandate: str, busy: dict[str, str]) -> None:
    async def groups(group_by: str, **params: Any) -> dict[str | None, str]:
        answer = await api.get(f"{mandate}/usage", params={"groupBy": group_by, **params})
        assert answer.status_code == 200, answer.text
        usage = answer.json()
        if group_by != "tag":
            total = sum(Decimal(group["amount"]) for group in usage["groups"])
            assert total == Decimal(usage["total"]["amount"])
        return {group["key"]: group["amount"][:4] for group in usage["groups"]}

    assert await groups("user") == {None: "0.80", busy["berta"]: "0.40", busy["anna"]: "0.30"}
    assert await groups("model") == {None: "0.80", "m-1": "0.50", "m-2": "0.20"}
    assert await groups("tag") == {None: "1.20", "project=alpha": "0.30", "team=a": "0.10"}
    assert list((await groups("key")).values()) == ["1.50"]
    (day,) = await groups("day")
    assert day is not None
    assert await groups("day", **{"from": f"{day}T00:00:00"}) == {day: "1.50"}
    assert await groups("day", to=f"{day}T00:00:00") == {}
    usage = (await api.get(f"{mandate}/usage")).json()
    assert usage["total"] == {
        "calls": 4,
        "amount": "1.500000000",
        "inputTokens": 40,
        "cachedInputTokens": 0,
        "outputTokens": 8,
    }
    users = (await api.get(f"{mandate}/usage", params={"groupBy": "user"})).json()["groups"]
    assert [group["label"] for group in users] == [None, "Berta", "Anna"]
    assert_problem(await api.get(f"{mandate}/usage", params={"groupBy": "mood"}), 422, "invalid_request", "groupBy")


async def test_days_are_the_mandate_s(api: Api, mandate: str) -> None:
    """Half past eleven at night in UTC is the next day in Zurich."""
    await api.top_up(mandate, "10")
    service = await api.key(mandate, "service")
    await charge(api, mandate, "1", key=service)
    late = datetime.fromisoformat("2026-03-31T23:30:00+00:00")
    usage = await _usage_at(api, mandate, late)
    assert [group["key"] for group in usage["groups"]] == ["2026-04-01"]
    await api.call("PATCH", mandate, {"timeZone": "UTC"})
    usage = await _usage_at(api, mandate, late)
    assert [group["key"] for group in usage["groups"]] == ["2026-03-31"]


async def _usage_at(api: Api, mandate: str, at: datetime) -> dict[str, Any]:
    """The journal is append-only for everybody but its owner, who may date a row back for a test."""
    owner = await asyncpg.connect(api.database.addresses.owner.dsn)
    try:
        await owner.execute("UPDATE transfer SET at = $1", at)
    finally:
        await owner.close()
    return dict((await api.get(f"{mandate}/usage", params={"groupBy": "day"})).json())
