"""Settings: one frozen object from the command line, the environment, a TOML file and defaults, in this order.

The table `SETTINGS` drives reading, errors and documentation. A wrong value, or a key of the file that means
nothing, is a `SettingsError` of one line that names it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bursar.foundation import settings_values as values
from bursar.foundation.embedded_directories import default_data_dir
from bursar.foundation.secrets import MINIMUM_KEY_LENGTH
from bursar.foundation.settings_model import (
    ModelPriceSettings,
    PaymentSettings,
    PricingSettings,
    Settings,
    UpstreamSettings,
)
from bursar.foundation.settings_tables import read_payments, read_pricing, read_sign_in, read_upstreams
from bursar.foundation.settings_values import InvalidValue, Reader

__all__ = [
    "SETTINGS",
    "ModelPriceSettings",
    "PricingSettings",
    "Setting",
    "Settings",
    "SettingsError",
    "UpstreamSettings",
    "load_settings",
    "reload_settings",
    "unknown_variables",
]

PREFIX: Final = "BURSAR_"


class SettingsError(ValueError):
    """A setting that stops the start. `name` is the variable or the file's key; the message is one line."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


@dataclass(frozen=True, slots=True)
class Setting:
    """One row: `BURSAR_` plus `name` in capitals is its variable, `name` its key in the file.

    `shown_default` is what the documentation says where the default is worked out at the start.
    """

    name: str
    read: Reader
    default: Any
    meaning: str
    shown_default: str | None = None
    attribute: str | None = None

    @property
    def variable(self) -> str:
        return PREFIX + self.name.upper()

    @property
    def target(self) -> str:
        return self.attribute or self.name


_number = values.whole_number
SETTINGS: Final[tuple[Setting, ...]] = (
    Setting("host", values.text, "127.0.0.1", "address to listen on"),
    Setting("port", _number(0, 65535), 8402, "port to listen on; 0 takes a free one"),
    Setting("workers", _number(1, 256), 1, "worker processes"),
    Setting(
        "data_dir", values.path, None, "embedded database, local mail, secret key",
        "the platform's user data directory; `/var/lib/bursar` for root",
    ),
    Setting("config", values.path, None, "a TOML file with any of these settings", "none"),
    Setting("demo", values.boolean, False, "a demo mandate, demo users, and a demo model in its own process"),
    Setting(
        "public_url", values.url("https", "http"), None, "base of the links in mails and errors", "`http://HOST:PORT`"
    ),
    Setting(
        "trusted_proxies", values.list_of(values.network), (),
        "reverse proxies (addresses or networks) whose `X-Forwarded-For` says who asks, for sign-in's rate limits and "
        "the audit log", "none: whoever connects is who asks",
    ),
    Setting(
        "database_url", values.url("postgresql", "postgres"), None, "external PostgreSQL (14 or later)",
        "embedded, under the data directory",
    ),
    Setting("app_pool_size", _number(1, 1000), 8, "connections per worker for management"),
    Setting("ledger_pool_size", _number(1, 1000), 8, "connections per worker for the ledger"),
    Setting(
        "root_key", values.secret(20), None, "key for the management API (`burroot_…` when generated)",
        "generated on first start, printed once, kept hashed",
    ),
    Setting(
        "secret_key", values.list_of(values.secret(MINIMUM_KEY_LENGTH)), (),
        "encrypts stored secrets and signs links; several, separated by commas, for rotation: the first one is used",
        "generated into the data directory; required with an external database", "secret_keys",
    ),
    Setting(
        "mail_url", values.mail_url, None, "`smtp://user:pass@host:587?tls=starttls`, `smtps://…`, or `maildir:DIR`",
        "`maildir:` under the data directory",
    ),
    Setting("mail_from", values.text, "Bursar <bursar@localhost>", "sender of the mails"),
    Setting(
        "operator_emails", values.list_of(values.mail_address), (),
        "who is told of trouble with upstreams' accounts, holds and the books; several separated by commas", "nobody",
    ),
    Setting("operator_language", values.one_of("de", "en", "fr", "it"), "en", "of the mails to operators"),
    Setting("verify_hours", _number(0, 720), 24, "hours between two verifications of the books; 0 for none"),
    Setting("log_level", values.one_of("debug", "info", "warning", "error"), "info", "least severity that is logged"),
    Setting(
        "log_format", values.one_of("auto", "json", "text"), "auto", "`auto` is `text` on a terminal, else `json`"
    ),
    Setting(
        "currency", values.currency, "CHF",
        "currency of new mandates, and the target of exchange rates outside a currency's table",
    ),
    Setting("hold_ttl_seconds", _number(5, 3600), 60, "how long a hold lives without a heartbeat"),
    Setting("minimum_output_tokens", _number(1, 1_000_000), 256, "smallest output that is worth starting a call for"),
    Setting(
        "default_output_tokens", _number(1, 1_000_000), 4096, "output held for where the caller gave no limit"
    ),
    Setting("held_funds_wait_millis", _number(0, 60_000), 2000, "how long a call waits for money that others hold"),
    Setting("reserve_queue_limit", _number(1, 1_000_000), 2000, "reserves that may wait in a worker; more get a 503"),
    Setting("reserve_queue_millis", _number(10, 60_000), 1000, "how long a reserve may wait before it gets a 503"),
    Setting("max_body_bytes", _number(1024, 1_000_000_000), 20_000_000, "largest request body"),
    Setting(
        "unpriced_fields", values.list_of(values.text), (),
        "request fields without a known bound that may pass all the same, at the operator's own risk", "none",
    ),
    Setting(
        "keep_holds_days", _number(35, 36_500), 90,
        "how long settled, released and expired holds are kept; transfers are kept for ever",
    ),
    Setting("keep_notices_days", _number(35, 36_500), 400, "how long ended notices, and inboxes, are kept"),
    Setting(
        "traces", values.boolean, False,
        "export OpenTelemetry traces (needs `bursar[otel]`); on by itself where `OTEL_EXPORTER_OTLP_ENDPOINT` or "
        "`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is set",
    ),
    Setting("upstreams", values.text, (), "providers, as `[[upstreams]]` in the file or as a JSON list", "none"),
    Setting(
        "pricing", values.text, PricingSettings(), "markup, exchange rates and prices, as `[pricing]` or as JSON",
        "the catalogue's prices",
    ),
    Setting("vouchers", values.boolean, True, "whether people may top up by redeeming vouchers"),
    Setting(
        "payments", values.text, PaymentSettings(),
        "payment providers, as `[payments.stripe]` or as JSON (docs/payments.md)", "none",
    ),
    Setting("sign_in", read_sign_in, (), "sign-in providers, as `[[sign_in]]` or as a JSON list", "none"),
)  # fmt: skip


def load_settings(
    environ: Mapping[str, str] | None = None, *, config_path: Path | None = None, **overrides: Any
) -> Settings:
    """All settings. `overrides` are by name (`port=0`) and win unless `None`. Raises `SettingsError`."""
    environ = os.environ if environ is None else environ
    if config_path is not None:
        overrides["config"] = config_path
    if unknown := overrides.keys() - {setting.name for setting in SETTINGS}:
        raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
    given = {name: value for name, value in overrides.items() if value is not None}
    path = _read_one(_SETTING["config"], given, environ, {}, None)
    file = _read_file(path) if path is not None else {}
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        found[setting.target] = _read_one(_with_reader(setting, environ, found), given, environ, file, path)
    return _completed(found)


def reload_settings(settings: Settings, environ: Mapping[str, str] | None = None) -> Settings:
    """`settings` with upstreams and prices read again (SIGHUP); everything else stays. Raises `SettingsError`."""
    again = load_settings(environ, config_path=settings.config, currency=settings.currency)
    return replace(settings, upstreams=again.upstreams, pricing=again.pricing)


def unknown_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Variables that begin with BURSAR_ and mean nothing: worth a warning, since they may be misspelt."""
    known = {setting.variable for setting in SETTINGS}
    return tuple(sorted(name for name in environ if name.startswith(PREFIX) and name not in known))


_SETTING: Final[Mapping[str, Setting]] = {setting.name: setting for setting in SETTINGS}


def _with_reader(setting: Setting, environ: Mapping[str, str], found: Mapping[str, Any]) -> Setting:
    """Some readers need to know more than their value."""
    makers: Mapping[str, Callable[[], Reader]] = {
        "upstreams": lambda: read_upstreams(environ),
        "pricing": lambda: read_pricing(found["currency"]),
        "payments": lambda: read_payments(environ),
    }
    return replace(setting, read=makers[setting.name]()) if setting.name in makers else setting


def _read_one(
    setting: Setting,
    given: Mapping[str, Any],
    environ: Mapping[str, str],
    file: Mapping[str, Any],
    path: Path | None,
) -> Any:
    option = f"--{setting.name.replace('_', '-')}"
    for source, key, name in (
        (given, setting.name, option),
        (environ, setting.variable, setting.variable),
        (file, setting.name, f"{setting.name} in {path}"),
    ):
        # An empty variable counts as unset: compose files and CI systems write them that way.
        if key not in source or (source is environ and not source[key].strip()):
            continue
        try:
            return setting.read(source[key])
        except InvalidValue as error:
            place = f"{setting.name}{error.path} in {path}" if source is file else f"{name}{error.path}"
            raise SettingsError(place, error.message) from None
    return setting.default


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError("BURSAR_CONFIG", f"cannot read {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError("BURSAR_CONFIG", f"{path} is not valid TOML: {error}") from None
    for key in content:
        if key not in _SETTING or key == "config":
            raise SettingsError(f"{key} in {path}", "is not a setting")
    return content


def _completed(found: dict[str, Any]) -> Settings:
    """Fill in the defaults that depend on other settings, and check what only fits together."""
    if found["data_dir"] is None:
        found["data_dir"] = default_data_dir()
    if found["mail_url"] is None:
        found["mail_url"] = f"maildir:{found['data_dir'] / 'mail'}"
    if found["public_url"] is None:
        host = found["host"]
        found["public_url"] = f"http://{f'[{host}]' if ':' in host else host}:{found['port']}"
    if found["database_url"] is not None and not found["secret_keys"]:
        raise SettingsError(
            "BURSAR_SECRET_KEY",
            "is required with an external database, whose contents outlive this machine's data directory",
        )
    if found["minimum_output_tokens"] > found["default_output_tokens"]:
        raise SettingsError("BURSAR_MINIMUM_OUTPUT_TOKENS", "must not exceed BURSAR_DEFAULT_OUTPUT_TOKENS")
    return Settings(**found)
