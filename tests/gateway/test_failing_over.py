"""Several upstreams for a model: who is asked, when another one is, and when one is left alone for a while."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from bursar.foundation.database import Database
from bursar.foundation.settings_model import PricingSettings
from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.health import Pace, UpstreamHealth
from bursar.gateway.upstreams import EvenLots, UpstreamTable
from bursar.pricing.catalogue import Catalogue, ModelNotPriced, Priced
from tests.gateway.scripted import DONE, USAGE, Script, ScriptedUpstream, answer, chat_body, chunk, scripted_upstream
from tests.gateway.scripted import stream as streaming
from tests.gateway.world import INPUT_NANOS, OUTPUT_NANOS, World, open_world, price, upstream

OK = answer(chat_body())


class Time:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class Pair:
    def __init__(self, world: World, first: ScriptedUpstream, second: ScriptedUpstream, time: Time) -> None:
        self.world, self.first, self.second, self.time = world, first, second, time
        self.first_url, self.second_url = first.url, second.url

    async def call(self, **more: Any) -> tuple[int, bytes, Any]:
        async with self.world.chat(model="gpt-4o-mini", **more) as response:
            return response.status, await response.read(), response.headers

    @property
    def asked(self) -> tuple[int, int]:
        return len(self.first.received), len(self.second.received)


@asynccontextmanager
async def pair(database: Database, *, base_url_first: str = "", **second_settings: Any) -> AsyncIterator[Pair]:
    time = Time()
    pace = Pace(faults_in_a_row=3, pause_seconds=5, account_pause_seconds=30)
    async with scripted_upstream() as first, scripted_upstream() as second:
        settings = [
            upstream(base_url_first or first.url, "gpt-*", name="first", timeout_seconds=1),
            upstream(second.url, "gpt-*", name="second", **{"order": 2, **second_settings}),
        ]
        async with open_world(database, settings, wire={"health": UpstreamHealth(time, pace)}) as world:
            await world.top_up("1.00")
            yield Pair(world, first, second, time)


def error(status: str, code: str = "c") -> Script:
    return answer(b'{"error":{"message":"m","type":"t","code":"%b"}}' % code.encode(), status=status, retry_after="7")


async def _hang(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def _reset(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


FIRST = {
    # what the first one does             is the second one asked  status  charged
    "answers": (OK, False, 200, True),
    "500": (error("500 Error"), True, 200, True),
    "503": (error("503 Busy"), True, 200, True),
    "429": (error("429 Slow down"), True, 200, True),
    "our account": (error("429 No", "insufficient_quota"), True, 200, True),
    "our key": (error("401 No"), True, 200, True),
    "a user's own error": (error("400 Bad"), False, 400, False),
    "a model that is not there": (error("404 Not found"), False, 404, False),
    "504": (error("504 Timeout"), False, 504, False),
    # Sent, and nobody knows what became of it: it is not sent again, and its input is charged.
    "reset": (_reset, False, 503, True),
    "silence": (_hang, False, 503, True),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", FIRST)
async def test_another_upstream_is_asked_only_where_the_first_has_surely_done_nothing(
    database: Database, name: str, stream: bool
) -> None:
    script, elsewhere, status, charged = FIRST[name]
    async with pair(database) as both:
        both.first.script = script
        both.second.script = streaming(chunk("Hi"), USAGE, DONE) if stream else OK
        if stream and script is OK:
            both.first.script = both.second.script
        got, _, _ = await both.call(stream=stream)
        assert got == status
        assert both.asked == (1, int(elsewhere))
        charges = await both.world.charges()
        assert len(charges) == int(charged)
        if charged:
            assert charges[0]["upstream"] == ("second" if elsewhere else "first")
        assert bool(both.world.alerts_named("upstream_rejects_our_account")) == name.startswith("our ")
        await both.world.balance()


async def test_no_other_upstream_is_asked_once_the_client_has_a_byte(database: Database) -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        piece = chunk("Hi")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.transport.abort()

    async with pair(database) as both:
        both.first.script = cut
        _, got, _ = await both.call(stream=True)
        assert b"upstream_unavailable" in got
        assert both.asked == (1, 0)
        assert (await both.world.only_charge())["upstream"] == "first"


async def test_the_last_ones_answer_is_passed_on_where_all_decline(database: Database) -> None:
    async with pair(database) as both:
        both.first.script, both.second.script = error("500 Error", "one"), error("429 Slow", "two")
        status, body, headers = await both.call()
        assert (status, headers["retry-after"]) == (429, "7")
        assert b'"two"' in body
        assert await both.world.balance() == 1_000_000_000


async def test_one_that_fails_again_and_again_is_left_alone_and_tried_again_later(database: Database) -> None:
    async with pair(database) as both:
        both.first.script, both.second.script = error("500 Error"), OK
        for _ in range(5):
            assert (await both.call())[0] == 200
        assert both.asked == (3, 5)
        assert [facts["upstream"] for facts in both.world.alerts_named("upstream_taken_out")] == ["first"]
        both.time.seconds += 5
        both.first.script = OK
        for _ in range(2):
            assert (await both.call())[0] == 200
        assert both.asked == (5, 5)
        await both.world.settled()


async def test_where_none_is_left_calls_are_refused_before_anything_is_held(database: Database) -> None:
    async with pair(database) as both:
        both.first.script = both.second.script = error("500 Error")
        for _ in range(3):
            assert (await both.call())[0] == 500
        status, body, headers = await both.call()
        assert (status, headers["retry-after"]) == (503, "5")
        assert b'"upstream_unavailable"' in body
        assert both.asked == (3, 3)
        assert await both.world.balance() == 1_000_000_000
        both.time.seconds += 5
        both.first.script = OK
        assert (await both.call())[0] == 200


async def test_what_users_do_wrong_never_takes_an_upstream_out(database: Database) -> None:
    async with pair(database) as both:
        for script in (error("400 Bad"), error("404 No"), error("422 No"), error("403 No"), error("413 Large")):
            both.first.script = script
            for _ in range(4):
                await both.call()
        assert both.asked[0] == 20
        await both.world.drain_to(10)
        for _ in range(4):
            assert (await both.call())[0] == 402
        await both.world.top_up("1.00")
        both.first.script = OK
        assert (await both.call())[0] == 200
        assert both.asked[0] == 21
        assert not both.world.alerts_named("upstream_taken_out")
        await both.world.settled()


async def test_a_complaint_about_our_account_takes_it_out_at_once(database: Database) -> None:
    async with pair(database) as both:
        both.first.script = error("429 No", "insufficient_quota")
        for _ in range(3):
            assert (await both.call())[0] == 200
        assert both.asked == (1, 3)
        assert len(both.world.alerts_named("upstream_rejects_our_account")) == 1
        both.time.seconds += 30
        both.first.script = OK
        assert (await both.call())[0] == 200
        assert both.asked == (2, 3)
        await both.world.settled()


class TwoPrices(Catalogue):
    """The second upstream's price is twice the first one's; or there is none for one of them."""

    second = ""
    unpriced = ""

    def price(self, model: str, provider_hint: str | None, at: datetime, **terms: Any) -> Priced:
        if provider_hint and provider_hint == self.unpriced:
            raise ModelNotPriced(model, "not here")
        if provider_hint == self.second:
            terms["markup_percent"] = Decimal(100)
        return super().price(model, provider_hint, at, **terms)


def at_two_prices(both: Pair) -> TwoPrices:
    before = both.world.gateway.configuration
    settings = PricingSettings(exchange_rates={"CHF": {"USD": Decimal("0.80")}}, models=(price("gpt-4o-mini"),))
    catalogue = TwoPrices.from_settings(settings)
    catalogue.second = both.second_url
    both.world.gateway.reconfigure(replace(before, catalogue=catalogue))
    return catalogue


ELSEWHERE = {
    # what the first one does              status  charged by
    "answers": (OK, 200, "first"),
    "500": (error("500 Error"), 200, "second"),
    "our account": (error("429 No", "insufficient_quota"), 200, "second"),
    "a user's own error": (error("400 Bad"), 400, None),
    "reset": (_reset, 503, "first"),
}


@pytest.mark.parametrize("name", ELSEWHERE)
async def test_one_at_another_price_is_asked_with_a_hold_of_its_own(database: Database, name: str) -> None:
    script, status, by = ELSEWHERE[name]
    async with pair(database) as both:
        at_two_prices(both)
        both.first.script, both.second.script = script, OK
        got, _, headers = await both.call()
        assert got == status
        charges = await both.world.charges()
        assert [charge["upstream"] for charge in charges] == ([by] if by else [])
        if by and status == 200:
            times = 2 if by == "second" else 1
            assert charges[0]["amount_nanos"] == times * (10 * INPUT_NANOS + 2 * OUTPUT_NANOS)
            assert headers["x-request-id"] == str(charges[0]["hold_id"])
        assert bool(both.world.alerts_named("upstream_rejects_our_account")) == (name == "our account")
        await both.world.balance()


async def test_an_upstream_that_is_not_there_is_passed_over_at_any_price(database: Database) -> None:
    async with pair(database, base_url_first="http://127.0.0.1:1/v1") as both:
        at_two_prices(both)
        both.second.script = OK
        assert (await both.call())[0] == 200
        assert (await both.world.only_charge())["upstream"] == "second"
        await both.world.balance()


async def test_who_can_pay_the_first_price_only_is_refused_at_the_second(database: Database) -> None:
    async with pair(database) as both:
        at_two_prices(both)
        await both.world.drain_to(2_000_000)
        both.first.script = error("500 Error")
        status, body, _ = await both.call()
        assert status == 402
        assert b'"billing"' in body
        assert both.asked == (1, 0)
        assert await both.world.balance() == 2_000_000


async def test_the_last_price_answers_where_all_decline(database: Database) -> None:
    async with pair(database) as both:
        at_two_prices(both)
        both.first.script, both.second.script = error("500 Error", "one"), error("429 Slow", "two")
        status, body, headers = await both.call()
        assert (status, headers["retry-after"]) == (429, "7")
        assert b'"two"' in body
        assert await both.world.balance() == 1_000_000_000


async def test_an_upstream_without_a_price_is_not_asked(database: Database) -> None:
    async with pair(database) as both:
        at_two_prices(both).unpriced = both.second_url
        both.first.script = error("500 Error")
        assert (await both.call())[0] == 500
        assert both.asked == (1, 0)
        at_two_prices(both).unpriced = both.first_url
        both.second.script = OK
        assert (await both.call())[0] == 200
        assert both.asked == (1, 1)
        await both.world.settled()


def test_equal_ones_share_by_weight_and_nobody_throws_dice() -> None:
    weights = {"a": 1, "b": 2, "c": 5}
    settings = [upstream("http://127.0.0.1:1", name=name, weight=weight) for name, weight in weights.items()]
    last = upstream("http://127.0.0.1:1", name="last", order=2)
    table, lots = UpstreamTable([last, *settings], [CHAT_COMPLETIONS]), EvenLots()
    drawn = [table.routes(CHAT_COMPLETIONS, "demo-1", lots) for _ in range(80)]
    firsts = Counter(routes[0].upstream.name for routes in drawn)
    assert all(abs(firsts[name] - 10 * weight) <= 2 for name, weight in weights.items()), firsts
    assert all(sorted(route.upstream.name for route in routes[:3]) == ["a", "b", "c"] for routes in drawn)
    assert {routes[3].upstream.name for routes in drawn} == {"last"}
