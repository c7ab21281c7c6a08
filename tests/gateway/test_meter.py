"""What a call has used, when it needs more money, and what it is charged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.gateway.dialects.chat_completions import CHAT_COMPLETIONS
from bursar.gateway.dialects.seam import CallRequest, Produced, Reading, UsageReport
from bursar.gateway.meter import LEAST_STEP_TOKENS, Ending, Meter
from bursar.ledger.model import CostSource
from bursar.pricing.catalogue import ModelFacts, Priced
from bursar.pricing.cost import cost_nanos
from bursar.pricing.families import family_of
from bursar.pricing.model import PriceUsed, Rate, Usage
from bursar.pricing.quote import Quote, QuoteSettings, quote
from bursar.pricing.tokens import count_tokens

INPUT_NANOS, OUTPUT_NANOS = 1_000, 4_000


def priced(model: str = "gpt-4o-mini", max_output: int | None = 16_384) -> Priced:
    rates = {"input": Rate(Decimal(1)), "output": Rate(Decimal(4))}
    used = PriceUsed(
        model=model,
        provider="test",
        catalogue="test",
        source_currency="CHF",
        currency="CHF",
        exchange_rate=Decimal(1),
        markup_percent=Decimal(0),
        rates=rates,  # type: ignore[arg-type]
    )
    return Priced(used, ModelFacts(model, family_of(model), 128_000, max_output, "never"))


REQUEST = CHAT_COMPLETIONS.read_request(
    b'{"model":"gpt-4o-mini","stream":true,"messages":[{"role":"user","content":"hi"}]}', frozenset()
)
PRICED = priced()
INPUT = REQUEST.bounds(PRICED.facts, exact=True)


def quoted(request: CallRequest = REQUEST, settings: QuoteSettings | None = None, **bounds: int) -> Quote:
    bound = request.bounds(PRICED.facts, exact=True)
    return quote(PRICED, bound, settings or QuoteSettings(minimum_output_tokens=16, default_output_tokens=100))


def text(value: str) -> Reading:
    return Reading(Produced(value))


def usage(**counts: int) -> Reading:
    return Reading(report=UsageReport(Usage(**counts)), only_usage=True)  # type: ignore[arg-type]


def meter(held_nanos: int | None = None) -> Meter:
    wanted = quoted()
    return Meter(REQUEST, PRICED, wanted, wanted.desired_nanos if held_nanos is None else held_nanos)


def held_for(tokens: int) -> int:
    return quoted().nanos_for(tokens)


# --- usage that is too low -------------------------------------------------------------------------------------------

LONG = "The quick brown fox jumps over the lazy dog. " * 20  # 201 tokens by the model's own tokenizer
SPACES = " " * 4_000  # 32 tokens


@pytest.mark.parametrize(
    ("delivered", "reported", "model", "is_told"),
    [
        (LONG, 201, "gpt-4o-mini", False),
        (LONG, 90, "gpt-4o-mini", False),
        (LONG, 50, "gpt-4o-mini", True),
        (LONG, 1, "gpt-4o-mini", True),
        (LONG, 60, "some-model", False),
        (LONG, 30, "some-model", True),
        (SPACES, 32, "gpt-4o-mini", False),
        ("Hi there, how are you?", 1, "gpt-4o-mini", False),
    ],
)
def test_a_usage_far_below_what_was_delivered_is_told_and_charged(
    delivered: str, reported: int, model: str, is_told: bool
) -> None:
    other = Meter(REQUEST, priced(model), quoted(), quoted().desired_nanos)
    for place in range(0, len(delivered), 100):
        other.add(text(delivered[place : place + 100]))
    other.add(usage(input_tokens=10, output_tokens=reported))
    charge = other.charge(Ending.COMPLETE)
    assert (charge.actual_nanos, charge.cost_source) == (10_000 + reported * 4_000, CostSource.PROVIDER_USAGE)
    assert (charge.event == "usage_understated", charge.alert is not None) == (is_told, is_told)
    assert not other.needs_counting(Ending.STOPPED), "then it is an estimate anyway"


def event(content: str) -> bytes:
    shape = {"id": "chatcmpl-1", "model": "gpt-4o-mini", "choices": [{"index": 0, "delta": {"content": content}}]}
    return b"data: " + json.dumps(shape).encode() + b"\n\n"


@pytest.mark.parametrize("events", [[event(word + " ") for word in LONG.split()], [event(LONG)]], ids=["many", "one"])
def test_events_that_were_passed_on_unread_are_counted_for_it(events: list[bytes]) -> None:
    unread = Meter(REQUEST, PRICED, quoted(), quoted().nanos_for(100_000), CHAT_COMPLETIONS.read_event)
    for each in events:
        assert unread.takes(each)
    unread.add(usage(input_tokens=10, output_tokens=200))
    assert not unread.needs_counting(Ending.COMPLETE)
    unread.add(usage(input_tokens=10, output_tokens=3))
    assert unread.charge(Ending.COMPLETE).event == "usage_understated"


# --- the charge ------------------------------------------------------------------------------------------------------

GOOD = usage(input_tokens=10, output_tokens=2)
CHARGES = {
    #                          what was read                     ending           source                     alert
    "by the provider": ([text("Hi there"), GOOD], Ending.COMPLETE, CostSource.PROVIDER_USAGE, None),
    "drained": ([text("Hi there"), GOOD], Ending.DRAINED, CostSource.DRAINED, None),
    "broken after usage": ([text("Hi there"), GOOD], Ending.BROKEN, CostSource.PROVIDER_USAGE, None),
    "stopped": ([text("Hi there")], Ending.STOPPED, CostSource.ESTIMATED, None),
    "broken off": ([text("Hi there")], Ending.BROKEN, CostSource.ESTIMATED, None),
    "never answered": ([], Ending.BROKEN, CostSource.ESTIMATED, None),
    "usage missing": ([text("Hi there")], Ending.COMPLETE, CostSource.ESTIMATED, "missing"),
    "usage missing, drained": ([text("Hi there")], Ending.DRAINED, CostSource.ESTIMATED, "missing"),
    "no output, but text": (
        [text("Hi there"), usage(input_tokens=10)],
        Ending.COMPLETE,
        CostSource.ESTIMATED,
        "no output tokens",
    ),
    "no input": ([text("Hi there"), usage(output_tokens=2)], Ending.COMPLETE, CostSource.ESTIMATED, "no input tokens"),
    "more input than fits": (
        [text("Hi there"), usage(input_tokens=128_001, output_tokens=2)],
        Ending.COMPLETE,
        CostSource.ESTIMATED,
        "128001 input tokens",
    ),
    "more output than possible": (
        [text("Hi there"), usage(input_tokens=10, output_tokens=16_385)],
        Ending.COMPLETE,
        CostSource.ESTIMATED,
        "16385 output tokens",
    ),
    "absurd": (
        [text("Hi there"), Reading(report=UsageReport(absurd="input_tokens: -1 is negative"))],
        Ending.COMPLETE,
        CostSource.ESTIMATED,
        "-1 is negative",
    ),
    "an empty answer": ([usage(input_tokens=10)], Ending.COMPLETE, CostSource.PROVIDER_USAGE, None),
}


@pytest.mark.parametrize("name", CHARGES)
def test_charge(name: str) -> None:
    readings, ending, source, alert = CHARGES[name]
    one = meter()
    for reading in readings:
        one.add(reading)
    assert one.needs_estimate(ending) is (source is CostSource.ESTIMATED)
    charge = one.charge(ending, INPUT)
    assert charge.cost_source is source
    if alert is None:
        assert charge.alert is None
    else:
        assert alert in (charge.alert or "")
    if source is CostSource.ESTIMATED:
        output = 2 if any(reading.produced.text for reading in readings) else 0
        assert charge.usage == Usage(input_tokens=INPUT.input_tokens, output_tokens=output)
    assert charge.actual_nanos == cost_nanos(PRICED.price, charge.usage)


def test_a_usage_is_charged_even_above_the_hold() -> None:
    """What a provider produces beyond its limit is an overrun: the ledger knows who bears it."""
    one = meter(held_for(10))
    one.add(usage(input_tokens=10, output_tokens=5_000))
    assert one.charge(Ending.COMPLETE).actual_nanos == 10 * INPUT_NANOS + 5_000 * OUTPUT_NANOS


def test_an_old_report_says_nothing_about_what_came_after_it() -> None:
    one = meter(held_for(10))
    one.add(Reading(Produced("Hi"), UsageReport(Usage(input_tokens=1, output_tokens=1))))
    assert one.covered()
    one.add(text("one two three four five six seven eight nine ten eleven twelve thirteen"))
    assert not one.covered()
    one.add(usage(input_tokens=1, output_tokens=9))
    assert one.covered()


def test_where_no_maximum_is_known_there_is_one_all_the_same() -> None:
    facts = ModelFacts("m", family_of("m"), None, None, "never")
    for counts in ({"input_tokens": 10**9, "output_tokens": 2}, {"input_tokens": 1, "output_tokens": 10**9}):
        one = Meter(REQUEST, Priced(PRICED.price, facts), quoted(), held_for(10))
        one.add(usage(**counts))
        assert one.needs_estimate(Ending.COMPLETE)
        assert one.charge(Ending.COMPLETE, INPUT).actual_nanos <= held_for(10)


def test_an_estimate_is_never_above_the_hold() -> None:
    one = meter(held_for(10))
    one.add(text("word " * 500))
    assert one.charge(Ending.STOPPED, INPUT).actual_nanos == held_for(10)


def test_what_is_never_reported_is_always_charged() -> None:
    body = b'{"model":"gpt-4o-mini","messages":[],"web_search_options":{}}'
    request = CHAT_COMPLETIONS.read_request(body, frozenset())
    one = Meter(request, PRICED, quoted(), held_for(100))
    one.add(GOOD)
    assert one.charge(Ending.COMPLETE).usage.web_searches == 1


# --- slices ----------------------------------------------------------------------------------------------------------


def test_a_slice_covers_its_tokens_and_not_one_more() -> None:
    one = meter(held_for(10))
    words = [" one"] * 10
    for word in words:
        one.add(text(word))
        assert one.covered()
    one.add(text(" more"))
    assert not one.covered()


def test_a_token_across_two_events_counts_once() -> None:
    one = meter(held_for(2))
    for letter in " internationalization":
        one.add(text(letter))
    assert one.output_tokens() == count_tokens(" internationalization", PRICED.facts.family)
    assert one.covered()


def test_the_next_slice_pays_for_what_came_and_a_little_more() -> None:
    one = meter(held_for(10))
    one.add(text(" word" * 30))
    assert not one.covered()
    wanted = one.next_slice()
    assert wanted.minimum_total_nanos == held_for(30 + LEAST_STEP_TOKENS)
    assert wanted.desired_total_nanos == held_for(30 + 100)
    one.extended(wanted.minimum_total_nanos)
    assert one.covered()


def test_what_was_taken_back_is_neither_counted_nor_charged() -> None:
    one = meter(held_for(10))
    one.add(text(" one" * 10))
    one.add(text(" more" * 10))
    assert not one.covered()
    one.take_back()
    assert one.covered()
    assert one.charge(Ending.STOPPED, INPUT).usage.output_tokens == 10


def test_a_usage_that_the_hold_pays_for_needs_no_extension() -> None:
    """Our own count may be too high; the provider's is what is charged."""
    one = meter(held_for(10))
    one.add(text(" word" * 12))
    assert not one.covered()
    one.add(usage(input_tokens=10, output_tokens=10))
    assert one.covered()


def test_a_call_that_does_not_grow_is_always_covered() -> None:
    body = b'{"model":"gpt-4o-mini","messages":[],"max_tokens":5}'
    request = CHAT_COMPLETIONS.read_request(body, frozenset())
    wanted = quoted(request)
    one = Meter(request, PRICED, wanted, wanted.desired_nanos)
    one.add(text(" word" * 50))
    assert one.covered()


def test_the_callers_own_limit_is_never_extended_beyond() -> None:
    body = b'{"model":"gpt-4o-mini","messages":[],"stream":true,"max_tokens":20}'
    request = CHAT_COMPLETIONS.read_request(body, frozenset())
    wanted = quoted(request)
    one = Meter(request, PRICED, wanted, wanted.nanos_for(20))
    one.add(text(" word" * 25))
    assert one.covered()


# --- any stream ------------------------------------------------------------------------------------------------------

PIECES = st.lists(
    st.one_of(
        st.sampled_from([" word", "\n", "ä", "日本", "}", '{"a":', " ", "x" * 40]),
        st.text(max_size=6),
    ),
    min_size=1,
    max_size=60,
)


@dataclass
class Run:
    """What became of a stream that was passed on as the relay does it."""

    passed: int
    """How many pieces the client got."""
    held_nanos: int
    charged_nanos: int
    extensions: int
    stopped: bool


def run(pieces: Sequence[str], first_tokens: int, money_nanos: int) -> Run:
    held = min(held_for(first_tokens), money_nanos)
    one = meter(held)
    extensions = 0
    for passed, piece in enumerate(pieces):
        one.add(text(piece))
        if not one.covered():
            wanted = one.next_slice()
            assert wanted.minimum_total_nanos <= wanted.desired_total_nanos
            assert wanted.minimum_total_nanos > held
            extensions += 1
            if wanted.minimum_total_nanos > money_nanos:
                one.take_back()
                charge = one.charge(Ending.STOPPED, INPUT)
                return Run(passed, held, charge.actual_nanos, extensions, True)
            held = min(wanted.desired_total_nanos, money_nanos)
            one.extended(held)
            assert one.covered()
    return Run(len(pieces), held, one.charge(Ending.BROKEN, INPUT).actual_nanos, extensions, False)


@given(PIECES, st.integers(1, 40), st.integers(0, 400))
def test_whatever_is_delivered_is_paid_for(pieces: list[str], first_tokens: int, more_tokens: int) -> None:
    money = held_for(first_tokens + more_tokens)
    done = run(pieces, first_tokens, money)
    delivered = "".join(pieces[: done.passed])
    used = count_tokens(delivered, PRICED.facts.family)
    expected = cost_nanos(PRICED.price, Usage(input_tokens=INPUT.input_tokens, output_tokens=used))
    assert done.charged_nanos <= done.held_nanos <= money
    assert done.charged_nanos == min(expected, done.held_nanos)
    assert expected <= done.held_nanos + 2 * OUTPUT_NANOS  # The tokenizer may join what was counted apart.
    assert done.stopped == (done.passed < len(pieces))
    if done.stopped:
        # Nothing was stopped that could have been paid for, down to the smallest step and one event.
        would_need = count_tokens(delivered + pieces[done.passed], PRICED.facts.family) + LEAST_STEP_TOKENS + 2
        assert held_for(would_need) > money


@given(
    st.lists(
        st.sampled_from([" word" * 9, "ä" * 20, "x", "\n\n", " longer words here" * 3]), min_size=150, max_size=400
    )
)
def test_a_long_stream_is_counted_as_a_whole(pieces: list[str]) -> None:
    """Windows are closed behind us: what they hide from the count stays within a few tokens."""
    one = meter(held_for(16))
    for piece in pieces:
        one.add(text(piece))
        if not one.covered():
            one.extended(one.next_slice().desired_total_nanos)
            assert one.covered()
    whole = count_tokens("".join(pieces), PRICED.facts.family)
    assert whole <= one.output_tokens() <= whole + 2 * (len("".join(pieces)) // 4_096 + 1)
