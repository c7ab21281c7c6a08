"""`bursar serve --workers 2`, as one: nobody overspends between them, one mail goes out, a key ends on both."""

# ruff: noqa: ASYNC110, ASYNC212 -- the server is another process: nothing is lost by waiting for it plainly

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest

from bursar.foundation.addresses import DatabaseAddresses
from tests.notices.mail_host import MailHost
from tests.support.serving import SECRET_KEY, Served, serving

ROOT_KEY = "burroot_end_to_end_0123456789abcdef0123456789abcdef"
ROOT = {"authorization": f"Bearer {ROOT_KEY}"}
AT_ONCE = 100


@pytest.fixture
async def inbox() -> AsyncIterator[MailHost]:
    async with MailHost() as host:
        yield host


@pytest.fixture
def served(database_addresses: DatabaseAddresses, inbox: MailHost) -> Iterator[Served]:
    environ = {
        "BURSAR_DATABASE_URL": database_addresses.owner.dsn,
        "BURSAR_SECRET_KEY": SECRET_KEY,
        "BURSAR_ROOT_KEY": ROOT_KEY,
        "BURSAR_MAIL_URL": f"smtp://127.0.0.1:{inbox.port}",
    }
    with serving("--workers", "2", "--demo", environ=environ) as served:
        yield served


def mandate_with(http: httpx.Client, *, pool: str | None, contacts: list[str]) -> tuple[str, str, str]:
    """Id, a service key, and that key's id."""
    mandate = http.post("/api/mandates", json={"name": "Zwei AG"}).raise_for_status().json()["id"]
    settings = {"notifyEmails": contacts, "maxHoldSharePercent": 100}
    http.put(f"/api/mandates/{mandate}/billing-settings", json=settings).raise_for_status()
    if pool is not None:
        top_up = http.post(
            f"/api/mandates/{mandate}/top-ups", json={"amount": pool}, headers={"Idempotency-Key": "first"}
        )
        top_up.raise_for_status()
    key = http.post(f"/api/mandates/{mandate}/keys", json={"kind": "service", "name": "app"}).raise_for_status().json()
    return mandate, key["key"], key["id"]


async def calls(url: str, key: str, count: int, **body: Any) -> Counter[int]:
    """As many at once as the machine lets, each on a connection of its own, so that both workers get some."""
    body = {"model": "demo-1", "messages": [{"role": "user", "content": "Hello"}], **body}
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=0)
    async with httpx.AsyncClient(base_url=url, limits=limits, timeout=60) as http:

        async def one() -> int:
            headers = {"authorization": f"Bearer {key}"}
            return (await http.post("/v1/chat/completions", json=body, headers=headers)).status_code

        return Counter(await asyncio.gather(*(one() for _ in range(count))))


async def test_200_denials_at_once_send_one_mail_to_each_contact(served: Served, inbox: MailHost) -> None:
    contacts = ["cfo@zwei.example", "buchhaltung@zwei.example"]
    with httpx.Client(base_url=served.url, headers=ROOT, timeout=30) as http:
        mandate, key, _ = mandate_with(http, pool=None, contacts=contacts)
        assert await calls(served.url, key, 200) == {402: 200}
        deadline = time.monotonic() + 20
        while len(inbox.received) < len(contacts) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
        assert await calls(served.url, key, 20) == {402: 20}
        await asyncio.sleep(1.5)
        notices = http.get(f"/api/mandates/{mandate}/notices").raise_for_status().json()
    assert sorted(mail.recipient for mail in inbox.received) == sorted(contacts)
    assert Counter(notice["state"] for notice in notices["notices"]) == {"SENT": 2}


async def test_400_calls_at_once_spend_what_is_there_and_no_more(served: Served) -> None:
    """One word in and four tokens out cost 0.000017, so the pool is worth 100 such calls, and 300 are too many."""
    body = {"model": "demo-1", "messages": [{"role": "user", "content": "Hello"}], "max_completion_tokens": 4}
    with httpx.Client(base_url=served.url, headers=ROOT, timeout=30) as http:
        mandate, key, _ = mandate_with(http, pool="0.0017", contacts=[])
        statuses = await calls(served.url, key, 400, max_completion_tokens=4)
        headers = {"authorization": f"Bearer {key}"}
        while (last := http.post("/v1/chat/completions", json=body, headers=headers)).status_code == 200:
            statuses[200] += 1
        await asyncio.sleep(0.5)
        (pool, *_) = http.get(f"/api/mandates/{mandate}/balance").raise_for_status().json()["accounts"]
        journal = http.get(f"/api/mandates/{mandate}/transfers?limit=500").raise_for_status().json()["transfers"]
    charges = [Decimal(row["amount"]) for row in journal if row["kind"] == "CHARGE"]
    assert set(statuses) <= {200, 402, 429}
    assert len(charges) == statuses[200] <= 100
    assert set(charges) == {Decimal("0.000017")}
    assert Decimal(pool["available"]) == Decimal(pool["posted"]) == Decimal("0.0017") - sum(charges)
    required = Decimal(last.json()["error"]["billing"]["requiredAmount"])
    assert 0 <= Decimal(pool["available"]) < required, "money was left that would have paid for a call"


def test_a_revoked_key_ends_on_both_workers_within_a_second(served: Served) -> None:
    with httpx.Client(base_url=served.url, headers=ROOT, timeout=30) as http:
        mandate, key, key_id = mandate_with(http, pool="1.00", contacts=[])
        assert asyncio.run(calls(served.url, key, 20)) == {200: 20}
        http.delete(f"/api/mandates/{mandate}/keys/{key_id}").raise_for_status()
        time.sleep(1.0)
        assert asyncio.run(calls(served.url, key, 20)) == {401: 20}
