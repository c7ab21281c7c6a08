"""The settings as values: frozen, comparable, safe to print. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

Dialect = Literal["openai", "anthropic"]
LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "json", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamSettings:
    """A provider's endpoint: which models it serves, and how it is spoken to."""

    name: str
    dialect: Dialect
    base_url: str
    models: tuple[str, ...]
    api_key: str | None = field(default=None, repr=False)
    rename: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    order: int = 1
    weight: int = 1
    timeout_seconds: int = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPriceSettings:
    """A configured price, in `currency` per million tokens; `None` where the model has no such price."""

    model: str
    currency: str
    input_per_million: Decimal
    output_per_million: Decimal
    cached_input_per_million: Decimal | None = None
    cache_write_per_million: Decimal | None = None
    context_window: int | None = None
    max_output_tokens: int | None = None
    reasoning: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PricingSettings:
    """Markup on every price, rates `{target currency: {source currency: factor}}`, prices of one's own."""

    markup_percent: Decimal = Decimal(0)
    exchange_rates: Mapping[str, Mapping[str, Decimal]] = field(default_factory=dict)
    models: tuple[ModelPriceSettings, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StripeSettings:
    """An account with Stripe, by which people pay online. Amounts are nanos of whatever currency is paid."""

    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    api_base: str = "https://api.stripe.com"
    minimum_nanos: int = 5_000_000_000
    maximum_nanos: int = 5_000_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSettings:
    """The providers that people can pay by."""

    stripe: StripeSettings | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that can be set. What each one means stands in the table of `settings`."""

    host: str
    port: int
    workers: int
    data_dir: Path
    config: Path | None
    demo: bool
    public_url: str
    trusted_proxies: tuple[str, ...]
    database_url: str | None = field(repr=False)
    app_pool_size: int
    ledger_pool_size: int
    root_key: str | None = field(repr=False)
    secret_keys: tuple[str, ...] = field(repr=False)
    mail_url: str = field(repr=False)
    mail_from: str
    operator_emails: tuple[str, ...]
    operator_language: Literal["de", "en", "fr", "it"]
    verify_hours: int
    log_level: LogLevel
    log_format: LogFormat
    currency: str
    hold_ttl_seconds: int
    minimum_output_tokens: int
    default_output_tokens: int
    held_funds_wait_millis: int
    reserve_queue_limit: int
    reserve_queue_millis: int
    max_body_bytes: int
    unpriced_fields: tuple[str, ...]
    keep_holds_days: int
    keep_notices_days: int
    traces: bool
    upstreams: tuple[UpstreamSettings, ...]
    pricing: PricingSettings
    vouchers: bool
    payments: PaymentSettings
    sign_in: tuple[Mapping[str, Any], ...] = field(repr=False)

    @property
    def top_up_enabled(self) -> bool:
        """Whether people have any means of topping up by themselves."""
        return self.vouchers or self.payments.stripe is not None

    @property
    def is_embedded(self) -> bool:
        """Whether the database is Bursar's own."""
        return self.database_url is None
