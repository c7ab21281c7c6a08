"""Settings: where they come from, what is refused and how, what is never shown."""

from __future__ import annotations

import dataclasses
import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bursar.foundation.settings import (
    SETTINGS,
    Settings,
    SettingsError,
    load_settings,
    reload_settings,
    unknown_variables,
)
from bursar.foundation.settings_document import settings_document

_KEY = "a-secret-key-for-tests-only-0123456789"
_FILE = """
port = 9000
hold_ttl_seconds = 30

[[upstreams]]
name = "openai"
dialect = "openai"
base_url = "https://api.example.test/v1/"
api_key = "env:OPENAI_API_KEY"
models = ["gpt-5-mini", "gpt-*"]
rename = { "gpt-5-mini" = "my-azure-deployment" }
headers = { api-key = "env:AZURE_KEY" }
query = { api-version = "2026-01-01" }
order = 2
weight = 3
timeout_seconds = 60

[pricing]
markup_percent = "12.5"
exchange_rates = { USD = "0.80", EUR = { USD = "0.90" } }

[[pricing.models]]
model = "demo-1"
currency = "CHF"
input_per_million = "1.00"
output_per_million = "4.00"
reasoning = false
"""


def _load(tmp_path: Path, content: str, environ: dict[str, str] | None = None, **overrides: Any) -> Settings:
    path = tmp_path / "bursar.toml"
    path.write_text(content)
    secrets = {"OPENAI_API_KEY": "sk-hidden-1", "AZURE_KEY": "hidden-2"}
    return load_settings({**secrets, **(environ or {})}, config_path=path, **overrides)


def test_without_anything_there_are_defaults() -> None:
    settings = load_settings({})
    assert (settings.host, settings.port, settings.public_url) == ("127.0.0.1", 8402, "http://127.0.0.1:8402")
    assert settings.is_embedded
    assert settings.mail_url == f"maildir:{settings.data_dir}/mail"
    assert (settings.hold_ttl_seconds, settings.minimum_output_tokens, settings.default_output_tokens) == (
        60,
        256,
        4096,
    )
    assert settings.reserve_queue_limit == 2000
    assert settings.pricing.markup_percent == 0
    assert settings.upstreams == ()


def test_the_data_directory_of_root_is_below_var_lib(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert load_settings({}).data_dir == Path("/var/lib/bursar")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert load_settings({}).data_dir.is_relative_to(tmp_path)


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path: Path) -> None:
    assert _load(tmp_path, "port = 9000").port == 9000
    assert _load(tmp_path, "port = 9000", {"BURSAR_PORT": "9001"}).port == 9001
    assert _load(tmp_path, "port = 9000", {"BURSAR_PORT": "9001"}, port=9002).port == 9002
    assert _load(tmp_path, "port = 9000", {"BURSAR_PORT": " "}, port=None).port == 9000


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    path = tmp_path / "bursar.toml"
    path.write_text('host = "0.0.0.0"')
    assert load_settings({"BURSAR_CONFIG": str(path)}).host == "0.0.0.0"


def test_upstreams_and_prices_from_the_file(tmp_path: Path) -> None:
    settings = _load(tmp_path, _FILE)
    (upstream,) = settings.upstreams
    assert upstream.base_url == "https://api.example.test/v1"
    assert upstream.api_key == "sk-hidden-1"
    assert upstream.headers == {"api-key": "hidden-2"}
    assert upstream.models == ("gpt-5-mini", "gpt-*")
    assert upstream.rename == {"gpt-5-mini": "my-azure-deployment"}
    assert (upstream.order, upstream.weight, upstream.timeout_seconds) == (2, 3, 60)
    assert settings.pricing.markup_percent == Decimal("12.5")
    assert settings.pricing.exchange_rates == {"CHF": {"USD": Decimal("0.80")}, "EUR": {"USD": Decimal("0.90")}}
    (model,) = settings.pricing.models
    assert (model.model, model.input_per_million, model.reasoning) == ("demo-1", Decimal(1), False)
    assert model.cached_input_per_million is None


def test_upstreams_and_prices_from_the_environment() -> None:
    upstreams = '[{"name": "local", "dialect": "anthropic", "base_url": "http://127.0.0.1:1", "models": ["*"]}]'
    settings = load_settings(
        {
            "BURSAR_UPSTREAMS": upstreams,
            "BURSAR_PRICING": '{"exchange_rates": {"USD": "0.7"}}',
            "BURSAR_CURRENCY": "EUR",
        }
    )
    assert settings.upstreams[0].dialect == "anthropic"
    assert settings.pricing.exchange_rates == {"EUR": {"USD": Decimal("0.7")}}


def test_several_secret_keys_are_accepted() -> None:
    settings = load_settings({"BURSAR_SECRET_KEY": f"{_KEY}, {_KEY}2"})
    assert settings.secret_keys == (_KEY, f"{_KEY}2")


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("BURSAR_PORT", "abc", "must be a whole number from 0 to 65535"),
        ("BURSAR_PORT", "65536", "must be a whole number from 0 to 65535"),
        ("BURSAR_PORT", "²", "must be a whole number from 0 to 65535"),
        ("BURSAR_WORKERS", "0", "must be a whole number from 1 to 256"),
        ("BURSAR_DEMO", "maybe", "must be true or false"),
        ("BURSAR_DATABASE_URL", "mysql://x", "must be an address that begins with postgresql:// or postgres://"),
        ("BURSAR_DATABASE_URL", "postgresql+asyncpg://x/y", "must be an address that begins with"),
        ("BURSAR_PUBLIC_URL", "bursar.example.org", "must be an address that begins with https:// or http://"),
        ("BURSAR_MAIL_URL", "imap://x", "must be smtp://user:password@host:port, smtps://… or maildir:DIRECTORY"),
        ("BURSAR_MAIL_URL", "smtp://host:port", "must be smtp://"),
        ("BURSAR_ROOT_KEY", "short", "must have at least 20 characters and no spaces"),
        ("BURSAR_SECRET_KEY", "short", "must have at least 32 characters and no spaces"),
        ("BURSAR_LOG_LEVEL", "loud", "must be one of debug, info, warning, error"),
        ("BURSAR_CURRENCY", "Franken", "must be a currency code of three capital letters, such as CHF"),
        ("BURSAR_HOLD_TTL_SECONDS", "4", "must be a whole number from 5 to 3600"),
        ("BURSAR_UPSTREAMS", "no json", "must be"),
        ("BURSAR_PRICING", "{", "must be JSON"),
        ("BURSAR_MINIMUM_OUTPUT_TOKENS", "5000", "must not exceed BURSAR_DEFAULT_OUTPUT_TOKENS"),
        ("BURSAR_CONFIG", "/no/such/file.toml", "cannot read /no/such/file.toml"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting(variable: str, value: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        load_settings({variable: value})
    assert str(raised.value).startswith(f"{variable}")
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


_UPSTREAM = 'name = "a"\ndialect = "openai"\nbase_url = "http://x"\nmodels = ["*"]\n'


@pytest.mark.parametrize(
    ("content", "place", "message"),
    [
        ("prot = 1", "prot in ", "is not a setting"),
        ("port = [", "BURSAR_CONFIG", "is not valid TOML"),
        ('port = "x"', "port in ", "must be a whole number"),
        ("port = true", "port in ", "must be a whole number"),
        (
            "[[upstreams]]\n" + _UPSTREAM + "base_urll = 1",
            "upstreams[0].base_urll in ",
            "is not a setting; there are name",
        ),
        ('[[upstreams]]\nname = "a"', "upstreams[0].dialect in ", "is missing"),
        (
            "[[upstreams]]\n" + _UPSTREAM.replace("openai", "gemini"),
            "upstreams[0].dialect in ",
            "must be one of openai, anthropic",
        ),
        ("[[upstreams]]\n" + _UPSTREAM.replace('["*"]', "[]"), "upstreams[0].models in ", "at least one model"),
        ("[[upstreams]]\n" + _UPSTREAM + "[[upstreams]]\n" + _UPSTREAM, "upstreams[1].name in ", "is used twice"),
        (
            "[[upstreams]]\n" + _UPSTREAM + 'api_key = "env:NOT_SET"',
            "upstreams[0].api_key in ",
            "the environment variable NOT_SET is not set",
        ),
        (
            "[[upstreams]]\n" + _UPSTREAM + 'headers = { x = "env:NOT_SET" }',
            "upstreams[0].headers.x in ",
            "NOT_SET is not set",
        ),
        ("[pricing]\nmarkup_percent = 12.5", "pricing.markup_percent in ", "in quotes"),
        ('[pricing]\nmarkup_percent = "-100"', "pricing.markup_percent in ", "must be above -100"),
        ('[pricing]\nexchange_rates = { USD = "0" }', "pricing.exchange_rates.USD in ", "must be above 0"),
        ('[pricing]\nexchange_rates = { usd = "1" }', "pricing.exchange_rates.usd in ", "three capital letters"),
        ('[pricing]\nexchange_rates = { EUR = { USD = "NaN" } }', "pricing.exchange_rates.EUR in ", "must be above 0"),
        (
            '[[pricing.models]]\nmodel = "m"\ncurrency = "CHF"\ninput_per_million = "-1"\noutput_per_million = "1"',
            "pricing.models[0].input_per_million in ",
            "must be at least 0",
        ),
    ],
)
def test_a_wrong_file_is_one_line_that_leads_to_the_place(
    tmp_path: Path, content: str, place: str, message: str
) -> None:
    with pytest.raises(SettingsError) as raised:
        _load(tmp_path, content)
    assert str(raised.value).startswith(place)
    assert message in str(raised.value)
    assert "bursar.toml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_an_external_database_needs_a_secret_key() -> None:
    environ = {"BURSAR_DATABASE_URL": "postgresql://somewhere/db"}
    with pytest.raises(SettingsError, match="BURSAR_SECRET_KEY: is required with an external database"):
        load_settings(environ)
    assert not load_settings({**environ, "BURSAR_SECRET_KEY": _KEY}).is_embedded


def test_secrets_are_shown_neither_by_settings_nor_by_errors(tmp_path: Path) -> None:
    environ = {
        "BURSAR_ROOT_KEY": "burroot_hidden-3-hidden-3",
        "BURSAR_SECRET_KEY": "hidden-4-hidden-4-hidden-4-hidden-4",
        "BURSAR_DATABASE_URL": "postgresql://user:hidden-5@host/db",
        "BURSAR_MAIL_URL": "smtp://user:hidden-6@host:587",
    }
    settings = _load(tmp_path, _FILE, environ)
    assert "hidden" not in repr(settings)
    for variable, value in {"BURSAR_ROOT_KEY": "hidden 3", "BURSAR_MAIL_URL": "x://user:hidden-6@host"}.items():
        with pytest.raises(SettingsError) as raised:
            load_settings({variable: value})
        assert "hidden" not in str(raised.value)


def test_upstreams_and_prices_are_read_again_and_nothing_else(tmp_path: Path) -> None:
    settings = _load(tmp_path, _FILE)
    environ = {"OPENAI_API_KEY": "sk-new", "AZURE_KEY": "new"}
    (tmp_path / "bursar.toml").write_text(_FILE.replace("9000", "9999").replace('"12.5"', '"20"'))
    again = reload_settings(settings, environ)
    assert again.port == 9000
    assert again.pricing.markup_percent == 20
    assert again.upstreams[0].api_key == "sk-new"
    (tmp_path / "bursar.toml").write_text("[pricing]\nmarkup_percent = 'x'")
    with pytest.raises(SettingsError, match=r"pricing\.markup_percent"):
        reload_settings(again, environ)


def test_misspelt_variables_can_be_told() -> None:
    assert unknown_variables({"BURSAR_PROT": "1", "BURSAR_PORT": "1", "PATH": ""}) == ("BURSAR_PROT",)


def test_the_table_and_the_object_have_the_same_settings() -> None:
    assert [setting.target for setting in SETTINGS] != []
    assert {setting.target for setting in SETTINGS} == {field.name for field in dataclasses.fields(Settings)}


def test_settings_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_settings({}).port = 1  # type: ignore[misc]


def test_the_page_about_settings_is_what_the_table_says() -> None:
    """`python -m bursar.foundation.settings_document > docs/settings.md` writes it."""
    page = Path(__file__).parents[2] / "docs" / "settings.md"
    assert page.read_text() == settings_document()
    assert set(re.findall(r"^\| `(BURSAR_\w+)`", page.read_text(), re.MULTILINE)) == {row.variable for row in SETTINGS}


def test_payments_by_stripe() -> None:
    stripe = '{"stripe": {"secret_key": "env:KEY", "webhook_secret": "whsec_1", "minimum": "2.50"}}'
    found = load_settings({"BURSAR_PAYMENTS": stripe, "KEY": "sk_live_1", "BURSAR_VOUCHERS": "false"})
    assert found.payments.stripe is not None
    assert (found.payments.stripe.secret_key, found.payments.stripe.minimum_nanos) == ("sk_live_1", 2_500_000_000)
    assert "sk_live_1" not in repr(found)
    assert found.top_up_enabled
    assert not load_settings({"BURSAR_VOUCHERS": "false"}).top_up_enabled


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"stripe": {"secret_key": "sk"}}', "BURSAR_PAYMENTS.stripe.webhook_secret"),
        ('{"stripe": {"secret_key": "env:NO", "webhook_secret": "w"}}', "BURSAR_PAYMENTS.stripe.secret_key"),
        ('{"stripe": {"secret_key": "s", "webhook_secret": "w", "minimum": "x"}}', "BURSAR_PAYMENTS.stripe.minimum"),
        ('{"paypal": {}}', "BURSAR_PAYMENTS.paypal"),
    ],
)
def test_a_wrong_payment_setting_is_named(text: str, place: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings({"BURSAR_PAYMENTS": text})
    assert caught.value.name == place
