"""Which price a model has: configuration before the catalogue, currencies, markups, and what is refused by name."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from genai_prices.types import ModelPrice

from bursar.foundation.settings import load_settings
from bursar.pricing.catalogue import Catalogue, ExchangeRateMissing, ModelNotPriced
from bursar.pricing.cost import cost_nanos, has_rate
from bursar.pricing.families import family_of
from bursar.pricing.model import Usage
from bursar.pricing.quote import RequestBound, quote
from bursar.pricing.source import RATE_OF_KEY, UNPRICED_INPUT_OF_KEY, bundled
from tests.pricing.samples import AT, Override, Settings, catalogue

DEMO = Override("demo-1", "CHF", input_per_million=Decimal("1.00"), output_per_million=Decimal("4.00"))
ONE_EACH = Usage(input_tokens=1, output_tokens=1)


def _catalogue(*overrides: Override, **settings: Any) -> Catalogue:
    return Catalogue.from_settings(replace(Settings(models=overrides), **settings))


def _cost(where: Catalogue, model: str, *, hint: str | None = None, currency: str = "CHF", **more: Any) -> int:
    return cost_nanos(where.price(model, hint, AT, currency=currency, **more).price, ONE_EACH)


def test_a_configured_model_needs_no_catalogue_and_no_exchange() -> None:
    where = _catalogue(DEMO, exchange_rates={})
    assert _cost(where, "demo-1") == 5_000
    assert where.find("demo-1", None, AT).catalogue == "configuration"


def test_the_installations_own_settings_are_read(tmp_path: Path) -> None:
    file = tmp_path / "bursar.toml"
    file.write_text("""
        default_output_tokens = 512

        [pricing]
        markup_percent = "10"
        exchange_rates = { USD = "0.80", EUR = { USD = "0.90" } }

        [[pricing.models]]
        model = "demo-1"
        currency = "CHF"
        input_per_million = "1.00"
        output_per_million = "4.00"
        """)
    settings = load_settings({"BURSAR_DATA_DIR": str(tmp_path)}, config_path=file)
    where = Catalogue.from_settings(settings.pricing)
    assert _cost(where, "demo-1") == 5_500
    assert _cost(where, "gpt-4o") == 11_000
    assert _cost(where, "gpt-4o", currency="EUR") == 12_375
    priced = where.price("demo-1", None, AT, currency="CHF")
    assert quote(priced, RequestBound(text_tokens=0), settings).output_tokens_desired == 512


def test_a_configured_price_goes_before_the_catalogues_and_is_not_mixed_with_it() -> None:
    where = _catalogue(Override("gpt-4o", "CHF", input_per_million=Decimal(1), output_per_million=Decimal(2)))
    found = where.find("gpt-4o", "openai", AT)
    assert _cost(where, "gpt-4o") == 3_000
    assert found.rates.keys() == {"input", "output"}
    assert found.variants == ()


def test_all_configured_rates_are_used() -> None:
    where = _catalogue(
        Override("own", "CHF", Decimal(1), Decimal("0.1"), Decimal("1.25"), Decimal(4)),
    )
    used = where.price("own", None, AT, currency="CHF").price
    usage = Usage(input_tokens=111, cached_input_tokens=100, cache_write_tokens=10, output_tokens=1)
    assert cost_nanos(used, usage) == 1_000 + 100 * 100 + 10 * 1_250 + 4_000


def test_an_entry_without_rates_changes_facts_only() -> None:
    where = _catalogue(Override("gpt-5-mini", reasoning=False, context_window=1_234, max_output_tokens=99))
    priced = where.price("gpt-5-mini", None, AT, currency="CHF")
    assert cost_nanos(priced.price, ONE_EACH) == _cost(catalogue(), "gpt-5-mini")
    assert (priced.facts.reasoning, priced.facts.context_bound_tokens, priced.facts.max_output_tokens) == (
        "never",
        1_234,
        99,
    )


def test_an_entry_may_be_a_glob_and_an_exact_name_goes_first() -> None:
    where = _catalogue(
        Override("local-*", "CHF", input_per_million=Decimal(1), output_per_million=Decimal(1)),
        Override("local-big", "CHF", input_per_million=Decimal(7), output_per_million=Decimal(1)),
    )
    assert _cost(where, "local-small") == 2_000
    assert _cost(where, "local-big") == 8_000


def test_a_missing_exchange_rate_names_the_setting() -> None:
    with pytest.raises(ExchangeRateMissing, match=r"pricing\.exchange_rates\.EUR\.USD") as caught:
        _cost(catalogue(), "gpt-4o", currency="EUR")
    assert caught.value.setting == "pricing.exchange_rates.EUR.USD"


def test_every_mandate_currency_has_its_own_rates() -> None:
    where = _catalogue(exchange_rates={"CHF": {"USD": Decimal("0.8")}, "EUR": {"USD": Decimal("0.9")}})
    assert _cost(where, "gpt-4o") == 10_000
    assert _cost(where, "gpt-4o", currency="EUR") == 11_250
    assert _cost(where, "gpt-4o", currency="USD") == 12_500


def test_the_mandates_markup_goes_before_the_installations() -> None:
    where = _catalogue(DEMO, markup_percent=Decimal(10))
    assert _cost(where, "demo-1") == 5_500
    assert _cost(where, "demo-1", markup_percent=Decimal(0)) == 5_000
    assert _cost(where, "demo-1", markup_percent=Decimal("12.5")) == 5_625


@pytest.mark.parametrize(
    ("model", "hint", "provider", "found"),
    [
        ("gpt-5-mini", "openai", "openai", "gpt-5-mini"),
        ("gpt-5-mini", "https://api.openai.com/v1", "openai", "gpt-5-mini"),
        ("gpt-5-mini", "https://acme.openai.azure.com/openai", "azure", "gpt-5-mini"),
        ("gpt-5-mini-2025-08-07", None, "openai", "gpt-5-mini"),
        ("claude-sonnet-4-5", "https://api.anthropic.com", "anthropic", "claude-sonnet-4-5"),
        ("gpt-5-mini", "http://127.0.0.1:9999/v1", "openai", "gpt-5-mini"),
        ("gpt-5-mini", "my-upstream", "openai", "gpt-5-mini"),
        ("text-embedding-3-small", "http://127.0.0.1:9999/v1", "openai", "text-embedding-3-small"),
    ],
)
def test_where_a_price_is_found(model: str, hint: str | None, provider: str, found: str) -> None:
    listed = catalogue().find(model, hint, AT)
    assert (listed.provider, listed.model) == (provider, found)


@pytest.mark.parametrize(
    ("model", "hint"),
    [
        ("no-such-model", None),
        ("no-such-model", "openai"),
        ("gpt-5-mini", "groq"),  # known, and does not list it: another provider's price is not its price
        ("", None),
        ("omni-moderation-latest", "openai"),  # listed without any price
        ("whisper-1", "openai"),  # by the hour
        ("tts-1", "openai"),  # by the character
        ("gemini-omni-flash-preview", "google"),  # its video output has a price that no usage here can count
        ("gpt-4o" + "o" * 300, None),
        ("deepseek/deepseek-r1:free", "openrouter"),
    ],
)
def test_a_model_without_a_price_is_refused_by_name(model: str, hint: str | None) -> None:
    with pytest.raises(ModelNotPriced) as caught:
        catalogue().find(model, hint, AT)
    assert caught.value.model == model
    assert "[[pricing.models]]" in str(caught.value)


def test_variants_of_one_provider_do_not_apply_at_another() -> None:
    assert catalogue().find("gpt-4o", "openai", AT).variants
    assert catalogue().find("gpt-4o", "azure", AT).variants == ()


def test_only_what_a_response_can_report_makes_a_variant() -> None:
    conditions = {
        condition
        for variant in catalogue().find("claude-opus-5", "anthropic", AT).variants
        for condition, _ in variant.when
    }
    assert conditions == {"speed"}


def test_prices_with_a_date_apply_from_that_date() -> None:
    before = catalogue().find("deepseek-v4-flash", "deepseek", datetime(2026, 8, 16, 12, tzinfo=UTC))
    after = catalogue().find("deepseek-v4-flash", "deepseek", datetime(2026, 8, 17, 12, tzinfo=UTC))
    assert (before.rates["input"].base, before.valid_from) == (Decimal("0.14"), None)
    assert (after.rates["input"].base, after.valid_from) == (Decimal("0.22"), "2026-08-17")


def test_one_price_is_one_object_while_it_applies() -> None:
    where = _catalogue()
    first = where.price("gpt-4o", "openai", AT, currency="CHF")
    assert where.price("gpt-4o", "openai", AT.replace(hour=3), currency="CHF") is first
    assert where.price("gpt-4o", "openai", AT, currency="CHF", markup_percent=Decimal(1)) is not first


def test_made_up_names_do_not_pile_up() -> None:
    where = _catalogue()
    for number in range(2_100):
        with pytest.raises(ModelNotPriced):
            where.find(f"made-up-{number}", "acme", AT)
    assert where._entry.cache_info().currsize <= 2_048


def test_the_network_is_never_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert _cost(_catalogue(), "gpt-4o-mini", hint="https://api.openai.com/v1") > 0


def test_every_key_of_the_bundled_prices_is_known_or_makes_a_model_unpriced() -> None:
    """A release of `genai-prices` with a new key must be looked at before it is taken."""
    keys = {
        key
        for provider in bundled().providers
        for info in provider.models
        for listed in ([info.prices] if isinstance(info.prices, ModelPrice) else [p.prices for p in info.prices])
        for key, value in vars(listed).items()
        if value is not None
    }
    assert keys - RATE_OF_KEY.keys() - UNPRICED_INPUT_OF_KEY.keys() == {
        "input_mchars",
        "input_text_messages_kcount",
        "output_video_mtok",
    }


def test_input_that_is_charged_by_the_hour_is_a_fact_of_the_model() -> None:
    voxtral = catalogue().find("voxtral-small-24b-2507", "mistral", AT)
    assert voxtral.facts.unpriced_inputs == {"audio"}


def test_an_embedding_model_has_no_output_price() -> None:
    used = catalogue().price("text-embedding-3-small", None, AT, currency="CHF").price
    assert has_rate(used, "input")
    assert not has_rate(used, "output")


# --- facts -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "reasoning", "encoding", "exact"),
    [
        ("gpt-4o", "never", "o200k_base", True),
        ("openai/gpt-4o-mini-2024-07-18", "never", "o200k_base", True),
        ("ft:gpt-4o:acme::1", "never", "o200k_base", True),
        ("gpt-4.1-nano", "never", "o200k_base", True),
        ("gpt-4-0613", "never", "cl100k_base", True),
        ("gpt-3.5-turbo", "never", "cl100k_base", True),
        ("gpt-5-chat-latest", "never", "o200k_base", True),
        ("gpt-5-mini", "possible", "o200k_base", True),
        ("gpt-5.2", "possible", "o200k_base", True),
        ("o3", "possible", "o200k_base", True),
        ("o4-mini-2025-04-16", "possible", "o200k_base", True),
        ("gpt-7-something", "possible", "o200k_base", False),
        ("claude-3-5-sonnet-20241022", "never", "o200k_base", False),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "on_request", "o200k_base", False),
        ("claude-opus-4-20250514", "on_request", "o200k_base", False),
        ("claude-opus-4-8", "possible", "o200k_base", False),
        ("claude-sonnet-5-5", "possible", "o200k_base", False),
        ("meta-llama/llama-3.1-8b-instruct", "never", "o200k_base", False),
        ("nvidia/llama-3.1-nemotron-ultra-253b", "possible", "o200k_base", False),
        ("deepseek-r1-distill-llama-70b", "possible", "o200k_base", False),
        ("qwen3-32b", "possible", "o200k_base", False),
        ("demo-1", "never", None, True),
    ],
)
def test_families(model: str, reasoning: str, encoding: str | None, exact: bool) -> None:
    family = family_of(model)
    assert (family.reasoning, family.encoding, family.margin == 1) == (reasoning, encoding, exact)


@pytest.mark.parametrize(
    ("model", "hint", "least"),
    [
        ("gpt-4.1", "openai", 1_047_576),  # listed as 1,000,000
        ("gpt-4-32k", "openai", 32_768),  # listed as 32,000
        ("claude-sonnet-4-5", "anthropic", 1_000_000),  # listed as 200,000, with a rate above 200,000
    ],
)
def test_the_context_bound_covers_what_the_model_takes_in(model: str, hint: str, least: int) -> None:
    bound = catalogue().find(model, hint, AT).facts.context_bound_tokens
    assert bound is not None
    assert bound >= least
