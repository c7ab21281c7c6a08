"""How much to hold, what a hold pays for, the clamp and the slices."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from bursar.pricing.catalogue import ModelFacts, Priced
from bursar.pricing.cost import PriceFeatures, cost_nanos
from bursar.pricing.families import Reasoning, family_of
from bursar.pricing.model import NotPriced, PriceUsed, Usage
from bursar.pricing.quote import (
    Quote,
    QuoteSettings,
    RequestBound,
    affordable_output_tokens,
    clamped_output_tokens,
    extension,
    granted_output_tokens,
    output_limit_to_write,
    quote,
)
from bursar.pricing.source import UnpricedInput
from tests.pricing.samples import COUNTS, price, priced, prices, usages

PLAIN = price({"input": "1", "output": "4"})
"""1,000 nanos for a token in, 4,000 for one out."""


def _priced(
    used: PriceUsed = PLAIN,
    *,
    reasoning: Reasoning = "never",
    longest: int | None = None,
    unpriced: frozenset[UnpricedInput] = frozenset(),
) -> Priced:
    return Priced(used, ModelFacts(used.model, family_of(used.model), None, longest, reasoning, unpriced))


HOLDS = """
input  limit  choices  longest  reasoning   visible   |  minimum  desired  growing
100    -      1        -        possible    no        |  256      4096     no
100    -      1        -        never       no        |  256      4096     no
100    -      1        -        never       yes       |  256      4096     yes
100    -      1        -        possible    yes       |  256      4096     no
100    -      1        -        on_request  yes       |  256      4096     yes
100    -      3        -        never       yes       |  256      4096     no
100    50     1        -        never       no        |  50       50       no
100    50     1        -        never       yes       |  50       50       yes
100    1000   1        -        possible    no        |  256      1000     no
100    90000  1        -        possible    no        |  256      90000    no
100    90000  1        -        never       yes       |  256      4096     yes
100    90000  1        8000     possible    no        |  256      8000     no
100    90000  4        8000     never       yes       |  256      8000     no
100    -      1        2000     possible    no        |  256      2000     no
100    -      1        100      never       yes       |  100      100      yes
0      0      1        -        never       no        |  0        0        no
100    0      1        -        never       yes       |  0        0        no
"""


@pytest.mark.parametrize("row", [row.replace("|", "").split() for row in HOLDS.strip().splitlines()[1:]], ids=" ".join)
def test_what_is_held(row: list[str]) -> None:
    """Output tokens for each choice; money is the input plus that many tokens for each choice."""
    text, limit, choices, longest, reasoning, visible, minimum, desired, growing = row
    asked = quote(
        _priced(reasoning=reasoning, longest=None if longest == "-" else int(longest)),  # type: ignore[arg-type]
        RequestBound(
            text_tokens=int(text),
            output_limit=None if limit == "-" else int(limit),
            choices=int(choices),
            visible_output=visible == "yes",
        ),
    )
    assert asked.input_bound_nanos == int(text) * 1_000
    assert asked.minimum_nanos == int(text) * 1_000 + int(minimum) * int(choices) * 4_000
    assert asked.desired_nanos == int(text) * 1_000 + int(desired) * int(choices) * 4_000
    assert asked.growing is (growing == "yes")


def test_the_sizes_are_settings() -> None:
    asked = quote(_priced(), RequestBound(text_tokens=0), QuoteSettings(10, 20))
    assert (asked.minimum_nanos, asked.desired_nanos) == (40_000, 80_000)
    asked = quote(_priced(), RequestBound(text_tokens=0), QuoteSettings(30, 20))
    assert (asked.minimum_nanos, asked.desired_nanos) == (120_000, 120_000)


def test_every_kind_of_input_is_held_at_its_own_rate() -> None:
    used = price(
        {"input": "1", "output": "4", "input_audio": "30", "input_image": "2", "web_search": "10", "request": "5"}
    )
    bound = RequestBound(
        text_tokens=1, image_tokens=1, audio_tokens=1, opaque_tokens=1, web_searches=2, fixed_nanos=7, output_limit=0
    )
    assert quote(_priced(used), bound).input_bound_nanos == 1_000 + 2_000 + 30_000 + 30_000 + 20_000_000 + 5_000_000 + 7


def test_the_dearest_features_are_held_unless_the_dialect_rules_them_out() -> None:
    narrow = PriceFeatures(service_tiers=("default",), cache_writes="none")
    dear = quote(priced("gpt-4o"), RequestBound(text_tokens=1_000, output_limit=1))
    plain = quote(priced("gpt-4o"), RequestBound(text_tokens=1_000, output_limit=1, features=narrow))
    assert dear.desired_nanos == 4_250_000 + 17_000
    assert plain.desired_nanos == 2_500_000 + 10_000


def test_long_context_is_held_at_its_own_rate() -> None:
    narrow = PriceFeatures(cache_writes="none")
    short = quote(priced("claude-sonnet-4-5"), RequestBound(text_tokens=200_000, output_limit=1, features=narrow))
    long = quote(priced("claude-sonnet-4-5"), RequestBound(text_tokens=200_001, output_limit=1, features=narrow))
    assert short.desired_nanos == 600_000_000 + 15_000
    assert long.desired_nanos == 1_200_006_000 + 22_500


@pytest.mark.parametrize("kind", ["output_audio", "output_image"])
def test_output_that_is_not_text_does_not_grow(kind: str) -> None:
    used = _priced(price({"input": "1", "output": "4", kind: "60"}))  # type: ignore[dict-item]
    bound = RequestBound(text_tokens=1, visible_output=True)
    silent = PriceFeatures(audio_output=False, image_output=False)
    assert not quote(used, bound).growing
    assert quote(used, replace(bound, features=silent)).growing


@pytest.mark.parametrize(
    ("used", "bound", "unpriced", "kind"),
    [
        (price({"input": "1"}), RequestBound(text_tokens=1), frozenset(), "output"),
        (PLAIN, RequestBound(text_tokens=1, web_searches=1), frozenset(), "web_search"),
        (PLAIN, RequestBound(text_tokens=1, file_searches=1), frozenset(), "file_search"),
        (PLAIN, RequestBound(text_tokens=1, code_executions=1), frozenset(), "code_execution"),
        (PLAIN, RequestBound(text_tokens=1, audio_tokens=1), frozenset({"audio"}), "audio input"),
        (PLAIN, RequestBound(text_tokens=1, opaque_tokens=1), frozenset({"document"}), "document input"),
    ],
)
def test_what_has_no_price_is_refused_by_name(
    used: PriceUsed, bound: RequestBound, unpriced: frozenset[UnpricedInput], kind: str
) -> None:
    with pytest.raises(NotPriced) as caught:
        quote(_priced(used, unpriced=unpriced), bound)
    assert caught.value.kind == kind


def test_embeddings_need_no_output_price() -> None:
    asked = quote(_priced(price({"input": "0.02"})), RequestBound(text_tokens=500, output_limit=0))
    assert asked.minimum_nanos == asked.desired_nanos == asked.input_bound_nanos == 10_000
    assert output_limit_to_write(asked, 10_000) is None


# --- what a grant pays for -------------------------------------------------------------------------------------------

CLAMPS = """
limit  growing  granted  |  tokens  written  clamped
-      no       desired  |  4096    4096     -
-      no       1124000  |  256     256      -
-      yes      1124000  |  256     -        -
1000   no       desired  |  1000    -        -
1000   no       1124000  |  256     256      256
1000   no       1127999  |  256     256      256
1000   no       1128000  |  257     257      257
9000   yes      1124000  |  256     -        -
100    no       500000   |  100     -        -
"""


@pytest.mark.parametrize("row", [row.replace("|", "").split() for row in CLAMPS.strip().splitlines()[1:]], ids=" ".join)
def test_what_is_written_into_the_request(row: list[str]) -> None:
    limit, growing, granted, tokens, written, clamped = row
    asked = quote(
        _priced(),
        RequestBound(
            text_tokens=100, output_limit=None if limit == "-" else int(limit), visible_output=growing == "yes"
        ),
    )
    nanos = asked.desired_nanos if granted == "desired" else int(granted)
    assert granted_output_tokens(asked, nanos) == int(tokens)
    assert output_limit_to_write(asked, nanos) == (None if written == "-" else int(written))
    assert clamped_output_tokens(asked, nanos) == (None if clamped == "-" else int(clamped))


def test_a_limit_beyond_the_model_is_clamped_to_the_model() -> None:
    asked = quote(_priced(longest=8_000), RequestBound(text_tokens=0, output_limit=90_000))
    assert clamped_output_tokens(asked, asked.desired_nanos) == 8_000


def test_an_absurd_limit_is_held_within_the_range_of_amounts() -> None:
    asked = quote(_priced(), RequestBound(text_tokens=0, output_limit=10**30, choices=128))
    assert asked.desired_nanos <= 4 * 10**18
    assert output_limit_to_write(asked, asked.minimum_nanos) == 256


def test_what_is_affordable_when_money_is_short() -> None:
    asked = quote(_priced(), RequestBound(text_tokens=100, output_limit=1_000))
    assert [affordable_output_tokens(asked, nanos) for nanos in (0, 99_999, 100_000, 103_999, 104_000, 10**12)] == (
        [0, 0, 0, 0, 1, 1_000]
    )
    assert affordable_output_tokens(asked, -5) == 0


def test_free_output_is_affordable_to_the_longest() -> None:
    asked = quote(_priced(price({"input": "1", "output": "0"}), longest=77), RequestBound(text_tokens=1))
    assert affordable_output_tokens(asked, 1_000) == 77
    assert affordable_output_tokens(asked, 999) == 0


SLICES = """
limit  longest  held     |  minimum  desired
-      -        desired  |  4352     8192
-      -        256      |  512      4352
5000   -        desired  |  4352     5000
4100   -        desired  |  4100     4100
4096   -        desired  |  -        -
-      4200     desired  |  4200     4200
9000   9000     9000     |  -        -
"""


@pytest.mark.parametrize("row", [row.replace("|", "").split() for row in SLICES.strip().splitlines()[1:]], ids=" ".join)
def test_the_next_slice(row: list[str]) -> None:
    """Totals of output tokens that the extended hold pays for, beside the input."""
    limit, longest, held, minimum, desired = row
    asked = quote(
        _priced(longest=None if longest == "-" else int(longest)),
        RequestBound(text_tokens=100, output_limit=None if limit == "-" else int(limit), visible_output=True),
    )
    nanos = asked.desired_nanos if held == "desired" else asked.nanos_for(int(held))
    grown = extension(asked, nanos)
    if grown is None:
        assert minimum == "-"
        return
    assert (grown.minimum_total_nanos, grown.desired_total_nanos) == (
        100_000 + int(minimum) * 4_000,
        100_000 + int(desired) * 4_000,
    )


# --- properties ------------------------------------------------------------------------------------------------------


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    bound = RequestBound(
        text_tokens=draw(COUNTS),
        image_tokens=draw(COUNTS),
        opaque_tokens=draw(COUNTS),
        choices=draw(st.integers(1, 5)),
        output_limit=draw(st.none() | COUNTS),
        visible_output=draw(st.booleans()),
    )
    return quote(_priced(draw(prices()), longest=draw(st.none() | COUNTS)), bound)


@given(quotes(), st.integers(0, 10**15))
def test_a_grant_pays_for_what_it_says_and_for_no_token_more(asked: Quote, nanos: int) -> None:
    tokens = affordable_output_tokens(asked, nanos)
    if nanos >= asked.input_bound_nanos:
        assert asked.nanos_for(tokens) <= nanos
        assert tokens == asked.output_ceiling or asked.nanos_for(tokens + 1) > nanos
    else:
        assert tokens == 0


@given(quotes())
def test_amounts_stand_in_order(asked: Quote) -> None:
    assert 0 <= asked.input_bound_nanos <= asked.minimum_nanos <= asked.desired_nanos
    assert granted_output_tokens(asked, asked.minimum_nanos) >= asked.minimum_output_tokens
    assert granted_output_tokens(asked, asked.desired_nanos) == asked.output_tokens_desired
    assert asked.output_tokens_desired <= asked.output_ceiling


@given(quotes())
def test_extensions_end_at_the_longest_output(asked: Quote) -> None:
    assume(asked.output_ceiling < 10**5)
    held = asked.minimum_nanos
    for _ in range(10**5 // 256 + 2):
        grown = extension(asked, held)
        if grown is None:
            break
        assert held <= grown.minimum_total_nanos <= grown.desired_total_nanos
        assert affordable_output_tokens(asked, grown.minimum_total_nanos) > affordable_output_tokens(asked, held)
        held = grown.minimum_total_nanos
    assert affordable_output_tokens(asked, held) == asked.output_ceiling


@given(prices(), usages(), st.tuples(COUNTS, COUNTS, COUNTS), st.data())
def test_a_hold_is_never_below_the_cost_of_what_fits_into_it(
    used: PriceUsed, usage: Usage, slack: tuple[int, int, int], data: st.DataObject
) -> None:
    """`usage` no larger than the bound, field by field: then the cost is no larger than the hold."""
    text = usage.input_tokens - usage.input_audio_tokens - usage.input_image_tokens
    opaque = data.draw(st.integers(0, text))
    bound = RequestBound(
        text_tokens=text - opaque + slack[0],
        opaque_tokens=opaque,
        image_tokens=usage.input_image_tokens + slack[1],
        audio_tokens=usage.input_audio_tokens + slack[2],
        output_limit=usage.output_tokens,
        web_searches=usage.web_searches if "web_search" in used.rates else 0,
        file_searches=usage.file_searches if "file_search" in used.rates else 0,
        features=PriceFeatures(
            service_tiers=data.draw(st.sampled_from([None, (usage.service_tier or "default", "default")])),
            speeds=data.draw(st.sampled_from([None, (usage.speed or "standard", "standard")])),
            cache_writes="long" if usage.cache_write_1h_tokens else "short" if usage.cache_write_tokens else "none",
            audio_output=usage.output_audio_tokens > 0,
            image_output=usage.output_image_tokens > 0,
        ),
    )
    ran = replace(usage, web_searches=bound.web_searches, file_searches=bound.file_searches)
    assert cost_nanos(used, ran) <= quote(_priced(used), bound).desired_nanos


@given(usages())
def test_of_two_usages_the_larger_bound_is_no_smaller(usage: Usage) -> None:
    small = quote(priced("gpt-5.5"), RequestBound(text_tokens=usage.input_tokens, output_limit=usage.output_tokens))
    large = quote(
        priced("gpt-5.5"), RequestBound(text_tokens=usage.input_tokens + 1, output_limit=usage.output_tokens + 1)
    )
    assert small.minimum_nanos <= large.minimum_nanos
    assert small.desired_nanos <= large.desired_nanos


def test_a_hold_is_rounded_up_once() -> None:
    used = price({"input": "0.0004", "output": "0.0004"})
    asked = quote(_priced(used), RequestBound(text_tokens=1, output_limit=1))
    assert (asked.input_bound_nanos, asked.desired_nanos) == (1, 1)
