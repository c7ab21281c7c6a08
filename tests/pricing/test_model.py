"""Usages that cannot be true, and prices that explain themselves."""

from __future__ import annotations

import json
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given

from bursar.pricing.model import AbsurdUsage, PriceUsed, Rate, Tier, Usage
from tests.pricing.samples import price, priced, prices


@pytest.mark.parametrize(
    ("figures", "wrong"),
    [
        ({"input_tokens": -1}, "input_tokens"),
        ({"output_tokens": -1}, "output_tokens"),
        ({"web_searches": -1}, "web_searches"),
        ({"input_tokens": 10, "cached_input_tokens": 11}, "cached_input_tokens"),
        ({"input_tokens": 10, "cached_input_tokens": -1}, "cached_input_tokens"),
        ({"output_tokens": 10, "reasoning_tokens": 11}, "reasoning_tokens"),
        ({"input_tokens": 10, "cache_write_tokens": 4, "cache_write_1h_tokens": 5}, "cache_write_1h_tokens"),
        ({"input_tokens": 10, "input_audio_tokens": 3, "cached_audio_tokens": 2}, "cached_audio_tokens"),
        ({"input_tokens": 10, "cached_input_tokens": 6, "cache_write_tokens": 6}, "input_tokens"),
    ],
)
def test_a_report_that_cannot_be_true_is_no_usage(figures: dict[str, int], wrong: str) -> None:
    with pytest.raises(AbsurdUsage) as caught:
        Usage(**figures)  # type: ignore[arg-type]
    assert caught.value.field == wrong


def test_cached_audio_is_part_of_both_cached_and_audio() -> None:
    usage = Usage(input_tokens=10, cached_input_tokens=8, input_audio_tokens=8, cached_audio_tokens=6)
    assert usage.counts() == {
        "input_tokens": 10,
        "cached_input_tokens": 8,
        "cached_audio_tokens": 6,
        "input_audio_tokens": 8,
    }


@given(prices())
def test_a_price_survives_its_storage(used: PriceUsed) -> None:
    stored = json.loads(json.dumps(used.content()))
    assert PriceUsed.from_content(stored).content() == used.content()
    assert PriceUsed.from_content(stored).price_id == used.price_id
    assert PriceUsed.from_content(stored) == used


def test_the_same_price_has_the_same_id_everywhere_and_for_ever() -> None:
    used = price({"input": Rate(base=_d("2.50"), tiers=(Tier(200_000, _d("5")),)), "output": "10"})
    again = price({"output": "10.0", "input": Rate(base=_d("2.5"), tiers=(Tier(200_000, _d("5.000")),))})
    assert used == again
    assert hash(used) == hash(again)
    assert used.price_id == UUID("a54340e7-2f98-5914-8f4a-7f41dad8c3f9")


def test_every_figure_counts_for_the_id() -> None:
    plain = price({"input": "1", "output": "4"})
    others = [
        price({"input": "1", "output": "4.1"}),
        price({"input": "1", "output": "4", "reasoning": "4"}),
        price({"input": "1", "output": "4"}, markup_percent="10"),
        price({"input": "1", "output": "4"}, exchange_rate="0.8"),
        price({"input": "1", "output": "4"}, model="another"),
    ]
    assert len({plain.price_id, *(other.price_id for other in others)}) == 6
    assert plain not in others


def test_a_stored_price_says_what_a_bill_needs() -> None:
    content = priced("gpt-5-mini", currency="CHF").price.content()
    assert content["catalogue"].startswith("genai-prices ")
    assert (content["sourceCurrency"], content["currency"], content["exchangeRate"]) == ("USD", "CHF", "0.8")
    assert content["rates"]["input"] == "0.25"
    assert {"when": {"service_tier": "flex"}, "rates": {"input": "0.125", "cached_input": "0.0125", "output": "1"}} in (
        content["variants"]
    )


@pytest.mark.parametrize(
    "change", [{"version": 2}, {"rates": {"input": "1", "thoughts": "2"}}, {"rates": {"input": "x"}}]
)
def test_stored_content_that_is_not_understood_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"version|thoughts|decimal"):
        PriceUsed.from_content({**price({"input": "1"}).content(), **change})


def _d(text: str) -> Decimal:
    return Decimal(text)
