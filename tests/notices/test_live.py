"""What open pages are told, over real HTTP: at once, whenever something changes, to whom it belongs, and no longer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal
from uuid import UUID

import httpx
import orjson
import pytest

from bursar.billing.money_in import post_money
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.settings import Settings
from bursar.identity.authenticator import Authenticator
from bursar.ledger.engine import Ledger
from bursar.ledger.model import TransferKind
from bursar.notices.live.hub import LiveHub, LivePace
from bursar.notices.live.hub import Page as HubPage
from bursar.notices.live.standing import Standing
from tests.gateway.world import eventually
from tests.support.management import ROOT_KEY, assert_problem
from tests.support.whole_worker import WholeWorker, running_worker

PATIENCE_SECONDS = 30


@dataclass
class Page:
    """A page's stream, event by event."""

    response: httpx.Response
    lines: AsyncIterator[str]

    async def next(self, event: str) -> dict[str, Any]:
        """The data of the next event of this name; others are passed over."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            name = ""
            async for line in self.lines:
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: ") and name == event:
                    found: dict[str, Any] = orjson.loads(line.removeprefix("data: "))
                    return found
        raise AssertionError(f"the stream ended without {event}")

    async def until_available(self, amount: str, payer: Literal["pool", "wallet"] = "pool") -> None:
        while True:
            for account in (await self.next("balance"))["accounts"]:
                if account["payer"] == payer and account["available"] == amount:
                    return

    async def ended(self) -> bool:
        async with asyncio.timeout(PATIENCE_SECONDS):
            async for _ in self.lines:
                pass
        return True


@asynccontextmanager
async def page(http: httpx.AsyncClient, mandate: str, **headers: str) -> AsyncIterator[Page]:
    async with http.stream("GET", f"{mandate}/live", headers=headers, timeout=None) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        yield Page(response, response.aiter_lines())


@pytest.fixture
async def whole(settings: Settings, database_addresses: DatabaseAddresses) -> AsyncIterator[WholeWorker]:
    async with running_worker(replace(settings, root_key=ROOT_KEY), database_addresses) as whole:
        await whole.worker.live.wait_until_listening()
        yield whole


async def test_a_page_has_all_figures_at_once_and_each_change_when_it_comes(whole: WholeWorker) -> None:
    mandate = await whole.mandate()
    anna = await whole.user(mandate, "anna", "owner")
    await whole.top_up(mandate, "10")
    http = await whole.signed_in("anna@example.com")
    async with http, page(http, mandate) as seen:
        first = await seen.next("balance")
        assert first["currency"] == "CHF"
        assert first["accounts"] == [
            {"payer": "pool", "userId": None, "posted": "10.000000000", "held": "0.000000000",
             "available": "10.000000000", "creditLimit": "0.000000000"}
        ]  # fmt: skip
        assert await seen.next("notices") == {"unread": 0}
        await whole.top_up(mandate, "2.5")
        await seen.until_available("12.500000000")
        await whole.top_up(mandate, "1", anna)
        await seen.until_available("1.000000000", "wallet")
        await whole.made(f"{mandate}/holds", {"desired": "0.5"})
        await seen.until_available("12.000000000")


async def test_what_another_process_moves_is_told_as_well(whole: WholeWorker) -> None:
    """A second engine, as another worker or the command line has one."""
    mandate = await whole.mandate()
    other = Ledger(whole.worker.database.engine_pool)
    await other.start()
    try:
        async with page(whole.http, mandate) as seen:
            await seen.until_available("0.000000000")
            await _top_up_by(other, whole, mandate, 3_000_000_000)
            await seen.until_available("3.000000000")
    finally:
        await other.stop()


async def _top_up_by(ledger: Ledger, whole: WholeWorker, mandate: str, amount_nanos: int) -> None:
    mandate_id = UUID(mandate.rsplit("/", 1)[1])
    await post_money(whole.worker.database, ledger, mandate_id, TransferKind.TOP_UP, amount_nanos, actor="test")


async def test_a_member_sees_their_wallet_and_never_the_pool(whole: WholeWorker) -> None:
    mandate = await whole.mandate(billingModel="PREPAY_USER")
    ben, _ = await whole.user(mandate, "ben"), await whole.user(mandate, "carla")
    await whole.top_up(mandate, "50")
    http = await whole.signed_in("ben@example.com")
    async with http, page(http, mandate) as seen:
        first = await seen.next("balance")
        assert [account["payer"] for account in first["accounts"]] == ["wallet"]
        assert first["accounts"][0]["userId"] == str(ben)
        await whole.top_up(mandate, "7")
        await whole.top_up(mandate, "2", ben)
        second = await seen.next("balance")
        assert [(account["payer"], account["available"]) for account in second["accounts"]] == [
            ("wallet", "2.000000000")
        ]


async def test_the_unread_count_moves_with_notices_and_with_reading(whole: WholeWorker) -> None:
    mandate = await whole.mandate()
    await whole.user(mandate, "anna", "owner")
    http = await whole.signed_in("anna@example.com")
    async with http, page(http, mandate) as seen:
        assert await seen.next("notices") == {"unread": 0}
        refused = await whole.http.post(f"{mandate}/holds", json={"desired": "1"})
        assert_problem(refused, 402, refused.json()["code"])
        assert await seen.next("notices") == {"unread": 1}
        assert (await http.post(f"{mandate}/inbox/read")).status_code == 200
        assert await seen.next("notices") == {"unread": 0}


async def test_the_stream_ends_with_the_session_and_with_the_role(whole: WholeWorker) -> None:
    whole.worker.live.pace = replace(whole.worker.live.pace, standing_seconds=0.05)
    mandate = await whole.mandate()
    await whole.user(mandate, "anna", "owner")
    ben = await whole.user(mandate, "ben", "finance")
    anna_http, ben_http = await whole.signed_in("anna@example.com"), await whole.signed_in("ben@example.com")
    async with anna_http, ben_http, page(anna_http, mandate) as annas, page(ben_http, mandate) as bens:
        await annas.next("balance")
        await bens.next("balance")
        assert (await anna_http.post("/auth/sign-out")).status_code < 400
        assert await annas.next("end") == {"reason": "signedOut"}
        assert await annas.ended()
        await whole.http.patch(f"{mandate}/users/{ben}", json={"role": "member"})
        assert await bens.next("end") == {"reason": "signedOut"}
        assert await bens.ended()
        assert (await anna_http.get(f"{mandate}/live")).status_code == 401
    assert whole.worker.live.open_pages == 0


async def test_a_revoked_key_ends_its_stream(whole: WholeWorker) -> None:
    mandate = await whole.mandate()
    key = await whole.made(f"{mandate}/keys", {"kind": "admin", "name": "x"})
    async with page(whole.http, mandate, authorization=f"Bearer {key['key']}") as seen:
        await seen.next("balance")
        await whole.http.delete(f"{mandate}/keys/{key['id']}")
        assert await seen.next("end") == {"reason": "signedOut"}


async def test_a_page_that_goes_away_is_forgotten_and_a_stopping_worker_ends_all(whole: WholeWorker) -> None:
    mandate = await whole.mandate()
    async with page(whole.http, mandate) as seen:
        await seen.next("balance")
        assert whole.worker.live.open_pages == 1
    await eventually(lambda: whole.worker.live.open_pages == 0)
    async with page(whole.http, mandate) as seen:
        await seen.next("balance")
        whole.worker.live.end_all()
        assert await seen.next("end") == {"reason": "stopping"}


async def test_one_caller_has_a_bounded_number_of_pages(whole: WholeWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bursar.notices.live.hub.MOST_PER_CALLER", 1)
    mandate = await whole.mandate()
    async with page(whole.http, mandate) as seen:
        await seen.next("balance")
        assert_problem(await whole.http.get(f"{mandate}/live"), 429, "too_many")
    assert_problem(await whole.http.get("/api/mandates/unknown/live"), 404, "not_found")


async def test_a_word_that_got_lost_is_made_up_for(whole: WholeWorker) -> None:
    """A change that nobody announced is found by looking, now and then."""
    authenticator = Authenticator(whole.worker.database, root_key=ROOT_KEY)
    deaf = LiveHub(whole.worker.database, authenticator, pace=LivePace(pause_seconds=0.01, look_seconds=0.05))
    deaf._listener.start = lambda: None  # type: ignore[method-assign]
    mandate = await whole.mandate()
    await deaf.start()
    try:
        mandate_id = UUID(mandate.rsplit("/", 1)[1])
        one = HubPage(Standing(mandate_id, "operator", key=ROOT_KEY), "root", None, None)
        await deaf.join(one)
        one.accounts = {}
        await whole.top_up(mandate, "4")
        async with asyncio.timeout(PATIENCE_SECONDS):
            while b'"available":"4.000000000"' not in one.accounts.get(mandate_id, b""):
                one.woken.clear()
                await one.woken.wait()
    finally:
        await deaf.stop()
