"""The process beside the workers that tells people: it is there, gives way, is replaced, and ends with its server."""

# ruff: noqa: ASYNC110, ASYNC210 -- the server is another process: nothing is lost by waiting for it plainly

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import httpx
import psutil
import pytest

from bursar.foundation.addresses import DatabaseAddresses
from tests.notices.mail_host import MailHost
from tests.support.serving import SECRET_KEY, Served, bursar, serving

ROOT_KEY = "burroot_messenger_0123456789abcdef0123456789abcdef01"
PATIENCE_SECONDS = 60.0


@pytest.fixture
async def post() -> AsyncIterator[MailHost]:
    async with MailHost() as host:
        yield host


def environ(addresses: DatabaseAddresses, post: MailHost) -> dict[str, str]:
    return {
        "BURSAR_DATABASE_URL": addresses.owner.dsn,
        "BURSAR_SECRET_KEY": SECRET_KEY,
        "BURSAR_ROOT_KEY": ROOT_KEY,
        "BURSAR_MAIL_URL": f"smtp://127.0.0.1:{post.port}",
    }


def messengers(served: Served) -> list[psutil.Process]:
    """Those that live, started by the server or by one of its children."""
    found: list[psutil.Process] = []
    for process in psutil.Process(served.process.pid).children(recursive=True):
        with suppress(psutil.Error):  # Some of them end while we look.
            if "bursar.messenger" in " ".join(process.cmdline()):
                found.append(process)
    return found


def is_gone(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def until(is_so: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.05)


async def refused(url: str, contact: str) -> None:
    """A mandate without money, and a call of it."""
    async with httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {ROOT_KEY}"}, timeout=60) as api:
        mandate = (await api.post("/api/mandates", json={"name": "Leer AG"})).raise_for_status().json()["id"]
        settings = {"notifyEmails": [contact]}
        (await api.put(f"/api/mandates/{mandate}/billing-settings", json=settings)).raise_for_status()
        made = await api.post(f"/api/mandates/{mandate}/keys", json={"kind": "service", "name": "app"})
        call = {"model": "demo-1", "messages": [{"role": "user", "content": "Hello"}]}
        headers = {"authorization": f"Bearer {made.raise_for_status().json()['key']}"}
        assert (await api.post("/v1/chat/completions", json=call, headers=headers)).status_code == 402


async def test_one_process_beside_the_workers_tells_and_is_replaced(
    database_addresses: DatabaseAddresses, post: MailHost
) -> None:
    with serving("--demo", environ=environ(database_addresses, post)) as served:
        await until(lambda: len(messengers(served)) == 1)
        (first,) = messengers(served)
        await refused(served.url, "first@leer.example")
        await until(lambda: post.recipients == ["first@leer.example"])
        assert first.nice() > os.getpriority(os.PRIO_PROCESS, served.process.pid), "calls go first"
        await until(lambda: 'bursar_notices_total{outcome="sent"}' in httpx.get(f"{served.url}/metrics").text)
        assert "bursar_workers 1.0" in httpx.get(f"{served.url}/metrics").text, "it is no worker"

        first.kill()
        await refused(served.url, "second@leer.example")
        await until(lambda: "second@leer.example" in post.recipients)
        (second,) = messengers(served)
        assert second.pid != first.pid
        assert any("messenger_died" in line for line in served.lines)

        served.process.kill()  # Not even this leaves it behind.
        await until(lambda: is_gone(second))


def test_a_mail_setting_that_is_wrong_stops_the_start_and_is_named(database_addresses: DatabaseAddresses) -> None:
    settings = {"BURSAR_DATABASE_URL": database_addresses.owner.dsn, "BURSAR_SECRET_KEY": SECRET_KEY}
    output = bursar("serve", "--port", "0", environ={**settings, "BURSAR_MAIL_URL": "ftp://mail"}, status=2)
    assert "BURSAR_MAIL_URL" in output
