"""The Python client when the connection breaks, the server fails, or the money is gone."""

from __future__ import annotations

import httpx
import pytest
from aiohttp import web

from bursar.client import Bursar, BursarError, InsufficientBalance, exchange
from bursar.ledger.model import Reason
from tests.support.fake_bursar import DROP_AFTER, DROP_BEFORE, KEY, FakeBursar, problem

# --- connections that break ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [DROP_BEFORE, DROP_AFTER])
def test_what_was_lost_is_sent_again_and_happens_once(server: FakeBursar, bursar: Bursar, fault: str) -> None:
    server.faults = [fault, fault]
    with bursar.hold(desired="0.20") as hold:
        server.faults = [fault, fault]
        hold.settle("0.13")
    assert server.served == {"hold": 1, "settle": 1}
    assert server.available == 870_000_000
    assert [verb for verb, _ in server.requests] == ["hold"] * 3 + ["settle"] * 3
    assert len({key for _, key in server.requests}) == 2


async def test_what_was_lost_is_sent_again_when_awaited(server: FakeBursar, bursar: Bursar) -> None:
    server.faults = [DROP_AFTER]
    async with bursar.hold(desired="0.20") as hold:
        server.faults = [DROP_AFTER]
        await hold.settle("0.13")
    assert server.served == {"hold": 1, "settle": 1}
    assert server.available == 870_000_000


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_server_in_trouble_is_asked_again(server: FakeBursar, bursar: Bursar, status: int) -> None:
    server.faults = [problem(status, "ledger_unavailable", retry_after="3")]
    with bursar.hold(desired="0.20"):
        pass
    assert server.served["hold"] == 1


def test_a_server_that_stays_in_trouble_is_an_error(server: FakeBursar, bursar: Bursar) -> None:
    server.faults = [problem(503, "ledger_unavailable", detail="try later")] * exchange.SENDINGS
    with pytest.raises(BursarError, match="try later") as raised, bursar.hold(desired="0.20"):
        pass
    assert raised.value.status == 503
    assert len(server.requests) == exchange.SENDINGS


def test_the_server_says_how_long_to_wait() -> None:
    steps = exchange.exchange(exchange.Send("GET", "/"))
    assert next(steps) == exchange.Send("GET", "/")
    assert steps.send(httpx.Response(503, headers={"Retry-After": "4"})) == exchange.Pause(4)
    steps.send(None)
    assert steps.send(httpx.Response(503, headers={"Retry-After": "86400"})) == exchange.Pause(10)
    steps.send(None)
    assert steps.send(httpx.ConnectError("refused")) == exchange.Pause(0.8)


def test_nobody_listening_is_an_error_that_says_so(server: FakeBursar) -> None:
    with Bursar(base_url="http://127.0.0.1:9", key=KEY) as bursar:
        with pytest.raises(BursarError, match="ConnectError") as raised:
            bursar.balance()
        assert raised.value.code == "unreachable"
        assert isinstance(raised.value.__cause__, httpx.ConnectError)


def test_an_answer_from_somebody_else_is_an_error(server: FakeBursar, bursar: Bursar) -> None:
    server.faults = [lambda: web.Response(text="<h1>It works!</h1>"), lambda: web.Response(status=404, text="nginx")]
    for status in (200, 404):
        with pytest.raises(BursarError) as raised, bursar.hold(desired="0.20"):
            pass
        assert (raised.value.status, raised.value.code) == (status, "unreadable_answer")


# --- no money --------------------------------------------------------------------------------------------------------


def test_no_money_is_an_insufficient_balance(server: FakeBursar) -> None:
    with (
        Bursar(base_url=server.url, key=KEY, language="it") as bursar,
        pytest.raises(InsufficientBalance) as raised,
        bursar.hold(desired=2),
    ):
        pytest.fail("the block must not run")
    billing = raised.value
    assert billing.reason is Reason.BALANCE_EXHAUSTED
    assert str(billing) == billing.messages["it"]
    assert billing.to_client_dict()["requestId"] == "r-1"
    assert billing.http_status == 402
    assert len(server.requests) == 1, "a 402 is not to be sent again"


async def test_no_money_when_awaited(server: FakeBursar, bursar: Bursar) -> None:
    with pytest.raises(InsufficientBalance):
        async with bursar.hold(desired=2):
            pytest.fail("the block must not run")


def test_held_funds_are_waited_for(server: FakeBursar, bursar: Bursar) -> None:
    server.faults = [problem(429, "funds_held", retry_after="1")]
    with bursar.hold(desired="0.20"):
        pass
    assert len(server.requests) == 3
    assert server.requests[0] == server.requests[1]


def test_held_funds_are_not_waited_for_for_ever(server: FakeBursar, bursar: Bursar) -> None:
    server.reason = Reason.FUNDS_HELD
    with pytest.raises(InsufficientBalance) as raised, bursar.hold(desired=2):
        pytest.fail("the block must not run")
    assert raised.value.reason is Reason.FUNDS_HELD
    assert raised.value.retry_after_seconds == 1
    assert raised.value.http_status == 429
    assert len(server.requests) == 1 + exchange.WAITS_FOR_HELD_FUNDS


def test_a_dialects_error_body_is_understood_too() -> None:
    body = {"error": {"message": "No such key.", "type": "invalid_request_error", "code": "invalid_api_key"}}
    with pytest.raises(BursarError) as raised:
        exchange.read(httpx.Response(401, json=body))
    assert (raised.value.code, raised.value.detail) == ("invalid_api_key", "No such key.")


def test_a_billing_object_that_cannot_be_read_is_an_error() -> None:
    with pytest.raises(BursarError, match="cannot be read"):
        exchange.read(httpx.Response(402, json={"detail": "no", "billing": {"code": "SOMETHING"}}))
