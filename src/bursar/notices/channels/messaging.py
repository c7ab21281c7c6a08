"""Microsoft Teams, Slack and SMS, by apprise: one recipient for each, behind the wall of `guarded_requests`.

Only the schemes of the table, and one recipient to a URL: apprise says yes or no for all of a URL's recipients
together, and whoever reads that something failed wants to know for whom.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from bursar.foundation.secrets import Secrets, SecretsError
from bursar.notices.channels.egress import LONGEST_URL, EgressRefused
from bursar.notices.channels.endpoint import Attempt, EndpointChannel
from bursar.notices.channels.guarded_requests import GuardedRequests, remembered
from bursar.notices.channels.letters import Letter
from bursar.notices.webhooks import Endpoint

if TYPE_CHECKING:
    from asyncpg import Pool

Transport = Literal["teams", "slack", "sms"]
PREFIX: Final = "messaging:"
LONGEST_SMS: Final = 480
"""Three parts; providers charge by the part."""


@dataclass(frozen=True, slots=True)
class _Service:
    transport: Transport
    module: str
    plugin: str


_SLACK: Final = _Service("slack", "slack", "NotifySlack")
_TEAMS: Final = _Service("teams", "workflows", "NotifyWorkflows")
_SERVICES: Final[Mapping[str, _Service]] = {
    "slack": _SLACK,
    "workflow": _TEAMS,
    "workflows": _TEAMS,
    "46elks": _Service("sms", "fortysixelks", "Notify46Elks"),
    "bulksms": _Service("sms", "bulksms", "NotifyBulkSMS"),
    "clickatell": _Service("sms", "clickatell", "NotifyClickatell"),
    "clicksend": _Service("sms", "clicksend", "NotifyClickSend"),
    "d7sms": _Service("sms", "d7networks", "NotifyD7Networks"),
    "msgbird": _Service("sms", "messagebird", "NotifyMessageBird"),
    "nexmo": _Service("sms", "vonage", "NotifyVonage"),
    "plivo": _Service("sms", "plivo", "NotifyPlivo"),
    "seven": _Service("sms", "seven", "NotifySeven"),
    "sinch": _Service("sms", "sinch", "NotifySinch"),
    "telnyx": _Service("sms", "telnyx", "NotifyTelnyx"),
    "twilio": _Service("sms", "twilio", "NotifyTwilio"),
    "vonage": _Service("sms", "vonage", "NotifyVonage"),
}
"""By the scheme of apprise's URL."""
_NATIVE: Final = ((".hooks.slack.com", _SLACK), (".logic.azure.com", _TEAMS), (".powerplatform.com", _TEAMS))
"""What Slack and Teams themselves show to be copied: https, by the end of its host's name."""
_KNOWN_OPTIONS: Final = frozenset({"api-version", "sp", "sv", "sig"})
"""Of a Teams URL. Others could read files, switch off certificates or name more recipients."""
_GONE: Final = frozenset({404, 410})


@dataclass(frozen=True, slots=True)
class MessagingTarget:
    """A checked URL. `label` is what may be shown of it: no secrets."""

    transport: Transport
    label: str


def read_messaging_url(url: str) -> MessagingTarget:
    """Raises `EgressRefused`. Imports apprise: not for the event loop."""
    service = _service_of(url)
    plugin = _plugin(service, url)
    if len(plugin) != 1:
        raise EgressRefused("must name one recipient; add a channel for each")
    return MessagingTarget(service.transport, str(plugin.url(privacy=True)).partition("?")[0][:200])


class MessagingChannel(EndpointChannel):
    name = "messaging"

    def __init__(
        self,
        pool: Pool,
        secrets: Secrets,
        *,
        requests: GuardedRequests | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`pool` is `bursar_ledger`'s. `requests` and `now` are for tests."""
        super().__init__(pool, now=now)
        self._secrets = secrets
        self._requests = requests or GuardedRequests()

    async def attempt(self, endpoint: Endpoint, letter: Letter) -> Attempt:
        try:
            url = self._secrets.decrypt(endpoint.url)
        except SecretsError as error:
            return Attempt(False, str(error))
        return await asyncio.to_thread(self._notify, url, letter)

    def _notify(self, url: str, letter: Letter) -> Attempt:
        try:
            service = _service_of(url)
            plugin = _plugin(service, url)
        except EgressRefused as error:
            return Attempt(False, str(error))
        # The plugin's own name for the module through which it talks to the world.
        vars(sys.modules[type(plugin).__module__])["requests"] = self._requests
        title, body = letter.subject, letter.brief
        if service.transport == "sms":
            title, body = "", _shortened(f"{letter.subject}. {letter.brief}")
        with remembered() as answer:
            try:
                ok = bool(plugin.notify(body=body, title=title, notify_type="info"))
            except Exception as error:  # Whatever a plugin stumbles over is this recipient's trouble only.
                return Attempt(False, f"{type(error).__name__}: {error}"[:300])
        detail = f"{answer.status or 'no answer'} {answer.text}".strip()
        return Attempt(ok, detail, gone=not ok and answer.status in _GONE)


def _service_of(url: str) -> _Service:
    if len(url) > LONGEST_URL or not url.isprintable():
        raise EgressRefused("is no URL")
    try:
        parts = urlsplit(url)
        host, _ = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise EgressRefused("is no URL") from None
    scheme = parts.scheme.lower()
    found = _SERVICES.get(scheme)
    if scheme == "https":
        found = next((service for end, service in _NATIVE if f".{host}".endswith(end)), None)
    if found is None:
        known = ", ".join(sorted(_SERVICES))
        raise EgressRefused(f"must be a webhook URL of Slack or Teams, or begin with one of {known} and ://")
    if unknown := {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - _KNOWN_OPTIONS:
        raise EgressRefused(f"may not have the option {', '.join(sorted(unknown))}")
    return found


def _plugin(service: _Service, url: str) -> Any:
    plugin_class = _plugin_class(service)
    native = url.lower().startswith("https://")
    parsed = plugin_class.parse_native_url(url) if native else plugin_class.parse_url(url)
    if not parsed:
        raise EgressRefused("is not complete")
    try:
        return plugin_class(asset=_asset(), **parsed)
    except (TypeError, ValueError) as error:
        raise EgressRefused(f"is not complete: {' '.join(str(error).split())[:200]}") from None


@lru_cache
def _plugin_class(service: _Service) -> Any:
    return getattr(import_module(f"apprise.plugins.{service.module}"), service.plugin)


@lru_cache
def _asset() -> Any:
    from apprise import AppriseAsset  # Late, as the plugins: most installations have no use for them.

    return AppriseAsset(storage_mode="memory", http_redirects=False)


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_SMS else f"{flat[: LONGEST_SMS - 1]}…"
