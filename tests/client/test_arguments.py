"""The Python client's arguments, its connections, and what the package exports."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

import bursar as package
from bursar.client import Bursar, BursarError, InsufficientBalance
from bursar.foundation.money import AmountError
from tests.support.fake_bursar import KEY, MANDATE_ID, FakeBursar

# --- arguments -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amounts", "error"),
    [
        ({"desired": 0.2}, TypeError),
        ({"desired": "0.2", "minimum": 0.1}, TypeError),
        ({"desired": True}, TypeError),
        ({}, TypeError),
        ({"desired": "0.0000000001"}, AmountError),
        ({"desired": "-1"}, AmountError),
        ({"desired": "1e3"}, AmountError),
        ({"desired": Decimal("NaN")}, AmountError),
    ],
    ids=str,
)
def test_amounts_that_are_none_are_never_sent(
    server: FakeBursar, bursar: Bursar, amounts: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        bursar.hold(**amounts)
    with bursar.hold(desired=Decimal("1E-1")) as hold, pytest.raises(TypeError):
        hold.settle(0.1)  # type: ignore[arg-type]
    assert [verb for verb, _ in server.requests] == ["hold", "release"]


def test_the_mandate_is_in_the_key() -> None:
    assert Bursar(key=KEY).mandate_id == MANDATE_ID
    assert Bursar(key=f"bur_{MANDATE_ID.hex}secret").mandate_id == MANDATE_ID
    other = UUID(int=7)
    assert Bursar(key="burroot_abc", mandate_id=str(other)).mandate_id == other
    with pytest.raises(ValueError, match="mandate_id"):
        Bursar(key="burroot_abc")


def test_the_environment_serves_where_nothing_is_given(server: FakeBursar, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="BURSAR_KEY"):
        Bursar()
    monkeypatch.setenv("BURSAR_KEY", KEY)
    monkeypatch.setenv("BURSAR_URL", server.url)
    with Bursar() as bursar:
        assert bursar.balance()["available"] == "1.000000000"


def test_the_balance_of_a_user(server: FakeBursar, bursar: Bursar) -> None:
    assert bursar.balance(user="anna")["payer"] == "pool"
    assert server.headers[-1]["x-bursar-user"] == "anna"


def test_one_client_serves_one_event_loop_after_another(server: FakeBursar) -> None:
    bursar = Bursar(base_url=server.url, key=KEY)

    async def look() -> str:
        async with bursar.hold(desired="0.10"):
            return str((await bursar.balance_async())["available"])

    assert [asyncio.run(look()) for _ in range(3)] == ["0.900000000"] * 3
    assert len(bursar._async_clients) == 1


def test_a_client_can_be_used_again_after_closing(bursar: Bursar) -> None:
    bursar.balance()
    bursar.close()
    assert bursar.balance()["payer"] == "pool"


# --- the package -----------------------------------------------------------------------------------------------------


def test_the_package_exports_the_client() -> None:
    assert package.Bursar is Bursar
    assert package.BursarError is BursarError
    assert package.InsufficientBalance is InsufficientBalance
    assert "Bursar" in dir(package)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = package.Nothing


def test_importing_costs_nothing_that_is_not_used() -> None:
    script = (
        "import sys, bursar\n"
        "heavy = {'httpx', 'babel', 'asyncpg', 'fastapi', 'msgspec'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "from bursar import InsufficientBalance\n"
        "assert not heavy - {'msgspec'} & set(sys.modules)\n"
        "from bursar import Bursar\n"
        "assert not {'babel', 'asyncpg', 'fastapi'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
