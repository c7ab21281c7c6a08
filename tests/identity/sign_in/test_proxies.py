"""Who asks, where a reverse proxy stands before us: believed of trusted proxies and of nobody else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from bursar.app import behind_proxies
from bursar.foundation.settings import SettingsError, load_settings
from bursar.identity.sign_in.rates import BY_ADDRESS
from tests.support.management import PUBLIC_URL, ROOT_KEY, Api

NOT_THERE = "/auth/link?token=lnk_x"


@asynccontextmanager
async def proxied(
    api: Api, trusted: str | None, tmp_path: Path, peer: str = "10.0.0.7"
) -> AsyncIterator[httpx.AsyncClient]:
    """As a request arrives from `peer`."""
    environ = {"BURSAR_DATA_DIR": str(tmp_path), **({"BURSAR_TRUSTED_PROXIES": trusted} if trusted else {})}
    app = behind_proxies(api.app, load_settings(environ))
    transport = httpx.ASGITransport(app, client=(peer, 4711))
    async with httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as http:
        yield http


async def tries(http: httpx.AsyncClient, forwarded: str) -> int:
    return (await http.get(NOT_THERE, headers={"X-Forwarded-For": forwarded})).status_code


async def test_behind_a_trusted_proxy_people_are_counted_one_by_one(api: Api, tmp_path: Path) -> None:
    async with proxied(api, "10.0.0.0/8", tmp_path) as http:
        for _ in range(BY_ADDRESS.most):
            assert await tries(http, "203.0.113.5") == 410
        assert await tries(http, "203.0.113.5") == 429
        assert await tries(http, "203.0.113.6") == 410
        # What a client writes there itself stands before what our proxies add.
        assert await tries(http, "198.51.100.1, 203.0.113.5") == 429
        assert await tries(http, "203.0.113.5, 10.1.2.3") == 429


@pytest.mark.parametrize(("trusted", "peer"), [(None, "10.0.0.7"), ("192.0.2.1", "10.0.0.7")])
async def test_nobody_else_is_believed(api: Api, tmp_path: Path, trusted: str | None, peer: str) -> None:
    """Else whoever tries passwords, or codes, would be somebody new each time."""
    async with proxied(api, trusted, tmp_path, peer) as http:
        for number in range(BY_ADDRESS.most):
            assert await tries(http, f"203.0.113.{number}") == 410
        assert await tries(http, "203.0.113.250") == 429


async def test_the_audit_log_says_who_it_was(api: Api, tmp_path: Path) -> None:
    async with proxied(api, "10.0.0.7", tmp_path) as http:
        headers = {"Authorization": f"Bearer {ROOT_KEY}", "X-Forwarded-For": "203.0.113.9"}
        made = await http.post("/api/mandates", json={"name": "Far away"}, headers=headers)
    entries = (await api.get(f"/api/mandates/{made.json()['id']}/audit")).json()["entries"]
    assert {entry["ip"] for entry in entries} == {"203.0.113.9"}


@pytest.mark.parametrize("wrong", ["*", "proxy.example", "10.0.0.1/8", "10.0.0.0/33"])
def test_a_proxy_is_an_address_or_a_network(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SettingsError, match="BURSAR_TRUSTED_PROXIES"):
        load_settings({"BURSAR_DATA_DIR": str(tmp_path), "BURSAR_TRUSTED_PROXIES": wrong})
