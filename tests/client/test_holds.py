"""The Python client: holds that are settled, given back, grown and renewed, over real HTTP."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import anyio
import pytest

from bursar.client import Bursar, BursarError, InsufficientBalance, exchange
from tests.support.fake_bursar import DROP_BEFORE, KEY, FakeBursar, problem

# --- a hold ----------------------------------------------------------------------------------------------------------


def test_work_is_held_for_and_settled(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(user="anna", desired="0.20", model="sketcher-2", tags={"team": "ops"}) as hold:
        assert hold.granted == Decimal("0.20")
        assert hold.is_open
        assert server.available == 800_000_000
        hold.settle("0.13", model="my-model", tags={"project": "alpha"}, input_tokens=7, output_tokens=9)
    held = server.only_hold()
    assert (held.state, held.charged) == ("SETTLED", 130_000_000)
    assert held.body == {
        "userId": "anna",
        "minimum": "0.200000000",
        "desired": "0.200000000",
        "ttlSeconds": 300,
        "model": "sketcher-2",
        "tags": {"team": "ops"},
    }
    assert held.settled_with == {
        "amount": "0.130000000",
        "model": "my-model",
        "tags": {"project": "alpha"},
        "inputTokens": 7,
        "outputTokens": 9,
    }
    assert server.available == 870_000_000
    assert server.headers[0]["Authorization"] == f"Bearer {KEY}"


async def test_the_same_awaited(server: FakeBursar, bursar: Bursar) -> None:
    async with bursar.hold(minimum="0.10", desired=Decimal("0.20")) as hold:
        await hold.extend("0.05")
        assert hold.granted == Decimal("0.25")
        await hold.settle(Decimal("0.13"))
    assert server.only_hold().charged == 130_000_000
    await bursar.close_async()


def test_less_than_desired_may_be_granted(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(minimum=1, desired=3) as hold:
        assert hold.granted == 1
        hold.settle(1)
    assert server.available == 0


def test_a_hold_can_grow(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(desired="0.20") as hold:
        before = hold.expires_at
        hold.extend("0.30")
        assert hold.granted == Decimal("0.5")
        assert hold.expires_at != before
        with pytest.raises(InsufficientBalance):
            hold.extend(5)
        assert hold.is_open
        hold.settle("0.5")
    assert server.available == 500_000_000


# --- giving back -----------------------------------------------------------------------------------------------------


def test_what_was_never_settled_is_released(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(desired="0.20"):
        pass
    assert server.only_hold().state == "RELEASED"
    assert server.available == 10**9


def test_an_exception_releases_and_stays_itself(server: FakeBursar, bursar: Bursar) -> None:
    with pytest.raises(ZeroDivisionError), bursar.hold(desired="0.20"):
        _ = 1 / 0
    assert server.only_hold().state == "RELEASED"


async def test_an_exception_releases_and_stays_itself_when_awaited(server: FakeBursar, bursar: Bursar) -> None:
    with pytest.raises(ZeroDivisionError):
        async with bursar.hold(desired="0.20"):
            _ = 1 / 0
    assert server.only_hold().state == "RELEASED"


def test_a_failing_release_does_not_mask_the_exception(server: FakeBursar, bursar: Bursar) -> None:
    def work() -> None:
        with bursar.hold(desired="0.20"):
            server.faults = [problem(500, "broken", detail="everything is on fire")]
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError) as raised:
        work()
    assert "everything is on fire" in "".join(raised.value.__notes__)
    assert server.only_hold().state == "PENDING"


def test_a_failing_release_is_told_where_nothing_else_failed(server: FakeBursar, bursar: Bursar) -> None:
    with pytest.raises(BursarError, match="everything is on fire"), bursar.hold(desired="0.20"):
        server.faults = [problem(500, "broken", detail="everything is on fire")]


def test_a_hold_that_has_expired_meanwhile_needs_no_release(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(desired="0.20"):
        server.only_hold().state = "EXPIRED"
    assert server.only_hold().state == "EXPIRED"


async def test_a_cancelled_task_gives_its_money_back(server: FakeBursar, bursar: Bursar) -> None:
    entered = asyncio.Event()

    async def work() -> None:
        async with bursar.hold(desired="0.20"):
            entered.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(work())
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.only_hold().state == "RELEASED"


async def test_so_does_a_cancelled_scope(server: FakeBursar, bursar: Bursar) -> None:
    with anyio.CancelScope() as scope:
        async with bursar.hold(desired="0.20"):
            scope.cancel()
            await anyio.sleep(60)
    assert scope.cancelled_caught
    assert server.only_hold().state == "RELEASED"


def test_released_early(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(desired="0.20") as hold:
        hold.release()
        assert server.available == 10**9
        with pytest.raises(RuntimeError, match="already released"):
            hold.settle("0.1")
    assert server.served == {"hold": 1, "release": 1}


def test_settled_once(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(desired="0.20") as hold:
        hold.settle("0.1")
        with pytest.raises(RuntimeError, match="already settled"):
            hold.settle("0.1")
    assert server.served == {"hold": 1, "settle": 1}


def test_a_refused_settle_leaves_the_hold_to_be_released(server: FakeBursar, bursar: Bursar) -> None:
    def work() -> None:
        with bursar.hold(desired="0.20") as hold:
            server.faults = [problem(400, "invalid", detail="no such tag", field="tags")]
            hold.settle("0.1")

    with pytest.raises(BursarError) as raised:
        work()
    assert (raised.value.status, raised.value.code, raised.value.field) == (400, "invalid", "tags")
    assert str(raised.value) == "invalid (tags): no such tag"
    assert server.only_hold().state == "RELEASED"


def test_a_settle_of_unknown_fate_is_never_followed_by_a_release(server: FakeBursar, bursar: Bursar) -> None:
    def work() -> None:
        with bursar.hold(desired="0.20") as hold:
            server.faults = [DROP_BEFORE] * exchange.SENDINGS
            hold.settle("0.1")

    with pytest.raises(BursarError) as raised:
        work()
    assert raised.value.status is None
    assert raised.value.code == "unreachable"
    assert "release" not in dict(server.requests)


def test_a_hold_is_entered_once(bursar: Bursar) -> None:
    pending = bursar.hold(desired="0.20")
    with pending:
        pass
    with pytest.raises(RuntimeError, match="once"), pending:
        pass


# --- long work -------------------------------------------------------------------------------------------------------


def wait_for_extensions(server: FakeBursar, count: int) -> None:
    for _ in range(1000):
        if server.served["extend"] >= count:
            return
        threading.Event().wait(0.005)
    pytest.fail("the hold was not renewed")


def test_long_work_keeps_its_hold(server: FakeBursar, bursar: Bursar, monkeypatch: pytest.MonkeyPatch) -> None:
    pending = bursar.hold(desired="0.20", ttl_seconds=60, keep_alive=True)
    assert pending._renew_every_seconds == 20
    monkeypatch.setattr(pending, "_renew_every_seconds", 0.01)
    with pending as hold:
        server.faults = [problem(500, "broken")]
        wait_for_extensions(server, 2)
        hold.settle("0.1")
    assert hold.granted == Decimal("0.2")
    assert server.only_hold().state == "SETTLED"
    for thread in threading.enumerate():
        if hold.id in thread.name:
            thread.join(5)
            assert not thread.is_alive()


def test_nothing_waits_for_the_next_renewal_when_the_work_is_done(server: FakeBursar, bursar: Bursar) -> None:
    with bursar.hold(desired="0.20", ttl_seconds=3600, keep_alive=True) as hold:
        (thread,) = [thread for thread in threading.enumerate() if hold.id in thread.name]
    thread.join(10)
    assert not thread.is_alive()


async def test_long_work_keeps_its_hold_when_awaited(server: FakeBursar, bursar: Bursar) -> None:
    pending = bursar.hold(desired="0.20", ttl_seconds=60, keep_alive=True)
    pending._renew_every_seconds = 0.01
    async with pending as hold:
        await asyncio.to_thread(wait_for_extensions, server, 2)
    assert server.only_hold().state == "RELEASED"
    assert hold._renewal is not None
    await asyncio.wait([hold._renewal])
    assert hold._renewal.cancelled()
