"""The settings `[[sign_in]]`: presets, other issuers, and one line for what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from bursar.foundation.settings import SettingsError
from bursar.identity.sign_in.providers import WELL_KNOWN, read_providers

TENANT = "11111111-2222-3333-4444-555555555555"


def test_presets_and_another_issuer() -> None:
    google, microsoft, one_tenant, other = read_providers(
        [
            {"preset": "google", "client_id": "g", "client_secret": "env:GOOGLE"},
            {"preset": "microsoft", "client_id": "m"},
            {"preset": "microsoft", "name": "us", "client_id": "m", "tenant": TENANT, "title": "Our house"},
            {"name": "keycloak", "discovery_url": f"https://id.example/realms/x{WELL_KNOWN}", "client_id": "k"},
        ],
        {"GOOGLE": "secret-of-google"},
    )
    assert (google.name, google.title, google.issuer) == ("google", "Google", "https://accounts.google.com")
    assert (google.client_secret, google.link_by_email) == ("secret-of-google", True)
    assert "secret-of-google" not in repr(google)
    assert microsoft.discovery_url == f"https://login.microsoftonline.com/organizations/v2.0{WELL_KNOWN}"
    assert (microsoft.issuer, microsoft.link_by_email) == (None, False)
    assert one_tenant.issuer == f"https://login.microsoftonline.com/{TENANT}/v2.0"
    assert (one_tenant.name, one_tenant.title) == ("us", "Our house")
    assert (other.title, other.issuer, other.link_by_email) == ("keycloak", "https://id.example/realms/x", False)


GOOD: dict[str, Any] = {"name": "x", "discovery_url": f"https://id.example{WELL_KNOWN}", "client_id": "c"}
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"preset": "github"}, "preset"),
    ({"preset": "google"}, "preset"),
    ({"discovery_url": None}, "discovery_url"),
    ({"discovery_url": "https://id.example"}, "discovery_url"),
    ({"discovery_url": f"http://id.example{WELL_KNOWN}"}, "discovery_url"),
    ({"discovery_url": f"http://127.0.0.1:1{WELL_KNOWN}"}, "discovery_url"),
    ({"insecure_loopback": True}, "insecure_loopback"),
    ({"client_id": ""}, "client_id"),
    ({"client_secret": "env:NOT_SET"}, "client_secret"),
    ({"name": "A b"}, "name"),
    ({"tenant": "common"}, "tenant"),
    ({"tenants": ["x"]}, "tenants[0]"),
    ({"link_by_email": "perhaps"}, "link_by_email"),
    ({"clientid": "typo"}, "clientid"),
]


@pytest.mark.parametrize(("change", "key"), WRONG, ids=str)
def test_what_is_wrong_is_named_in_one_line(change: dict[str, Any], key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read_providers([GOOD, {**GOOD, "name": "y", **change}], {})
    assert caught.value.name == f"sign_in[1].{key}"
    assert "\n" not in str(caught.value)


def test_names_are_used_once_and_what_is_missing_is_named() -> None:
    with pytest.raises(SettingsError, match=r"sign_in\[1\]\.name: x is used twice"):
        read_providers([GOOD, GOOD], {})
    with pytest.raises(SettingsError, match=r"sign_in\[0\]\.client_id: is missing"):
        read_providers([{"preset": "google"}], {})
