"""Keys that may do less than others, and keys that get a new secret while the old one still works."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
import pytest

from bursar.identity.access import MAY, READS_BILLING, Action
from tests.support.management import Api, assert_problem


async def test_a_read_only_key_reads_about_money_and_nothing_else(api: Api) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/keys", {"kind": "admin", "name": "accounting", "readOnlyBilling": True})
    key = made["key"]
    for path in (
        "balance",
        "transfers",
        "usage",
        "limits",
        "holds",
        "notices",
        "billing-settings",
        "receipts",
        "closing",
    ):
        assert (await api.get(f"{mandate}/{path}", key=key)).status_code == 200, path
    for path in ("users", "keys", "audit"):
        assert_problem(await api.get(f"{mandate}/{path}", key=key), 403, "forbidden")
    assert_problem(await api.get(mandate, key=key), 403, "forbidden")
    for method, path, body in (
        ("PUT", "billing-settings", {}),
        ("POST", "wallet-transfers", {"userId": "x", "amount": "1"}),
        ("POST", "vouchers/redeem", {"code": "x"}),
        ("POST", "limits", {"scope": "mandate", "period": "day", "amount": "1"}),
        ("POST", "keys", {"kind": "admin", "name": "wider"}),
        ("POST", "holds", {"desired": "1"}),
        ("POST", f"keys/{made['id']}/rotate", {}),
    ):
        assert_problem(await api.call(method, f"{mandate}/{path}", body, key=key), 403, "forbidden")


def test_what_reads_billing_changes_nothing() -> None:
    assert READS_BILLING.issubset(MAY)
    assert all(action.name.startswith("READ_") for action in READS_BILLING)
    assert Action.READ_AUDIT not in READS_BILLING


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"kind": "service", "readOnlyBilling": True}, "readOnlyBilling"),
    ({"kind": "admin", "allowedModels": ["gpt-*"]}, "allowedModels"),
    ({"kind": "service", "allowedModels": [""]}, "allowedModels"),
    ({"kind": "service", "allowedModels": ["a\nb"]}, "allowedModels"),
]


@pytest.mark.parametrize(("fields", "field"), WRONG)
async def test_narrowing_that_means_nothing_is_refused(api: Api, fields: dict[str, Any], field: str) -> None:
    mandate = await api.mandate()
    answer = await api.post(f"{mandate}/keys", {"name": "x", **fields})
    assert_problem(answer, 422, "invalid_request", field)


async def test_the_authenticated_caller_knows_the_key_s_models(api: Api) -> None:
    mandate = await api.mandate()
    body = {"kind": "service", "name": "x", "allowedModels": ["gpt-*", "demo-1", "gpt-*"]}
    made = await api.made(f"{mandate}/keys", body)
    assert made["allowedModels"] == ["gpt-*", "demo-1"]
    caller = await api.wiring.authenticator.authenticate(made["key"])
    assert caller is not None
    assert caller.allowed_models == ("gpt-*", "demo-1")
    plain = await api.wiring.authenticator.authenticate(await api.key(mandate, "service"))
    assert plain is not None
    assert plain.allowed_models is None


async def test_a_rotated_key_is_the_same_key_with_another_secret(api: Api) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/keys", {"kind": "admin", "name": "x"})
    path = f"{mandate}/keys/{made['id']}"
    rotated = await api.made(f"{path}/rotate", {"overlapSeconds": 3600})
    assert rotated["id"] == made["id"]
    assert rotated["key"] != made["key"]
    assert rotated["formerPrefix"] == made["prefix"]
    assert rotated["prefix"] == rotated["key"][: len(made["prefix"])]
    for key in (made["key"], rotated["key"]):
        assert (await api.get(mandate, key=key)).status_code == 200
    listed = (await api.get(f"{mandate}/keys")).json()["keys"]
    assert [(each["prefix"], each["formerPrefix"]) for each in listed] == [(rotated["prefix"], made["prefix"])]
    third = await api.made(f"{path}/rotate", {"overlapSeconds": 0})
    for key in (made["key"], rotated["key"]):
        assert_problem(await api.get(mandate, key=key), 401, "unauthorized")
    assert (await api.get(mandate, key=third["key"])).status_code == 200
    await api.call("DELETE", path)
    assert_problem(await api.get(mandate, key=third["key"]), 401, "unauthorized")
    assert_problem(await api.post(f"{path}/rotate"), 409, "key_ended")
    actions = [each["action"] for each in (await api.get(f"{mandate}/audit")).json()["entries"]]
    assert actions[:4] == ["key.revoked", "key.rotated", "key.rotated", "key.created"]


async def test_the_former_secret_ends_by_itself_wherever_it_is_remembered(api: Api) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/keys", {"kind": "admin", "name": "x"})
    await api.made(f"{mandate}/keys/{made['id']}/rotate", {"overlapSeconds": 1})
    assert (await api.get(mandate, key=made["key"])).status_code == 200
    await asyncio.sleep(1.05)
    assert_problem(await api.get(mandate, key=made["key"]), 401, "unauthorized")


async def test_rotating_both_secrets_of_a_revoked_key_end(api: Api) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/keys", {"kind": "admin", "name": "x"})
    rotated = await api.made(f"{mandate}/keys/{made['id']}/rotate", {})
    await api.call("DELETE", f"{mandate}/keys/{made['id']}")
    for key in (made["key"], rotated["key"]):
        assert_problem(await api.get(mandate, key=key), 401, "unauthorized")


async def test_members_rotate_their_own_user_keys_only(api: Api) -> None:
    mandate = await api.mandate()
    member_id, member = await api.person_key(mandate, "member")
    other = await api.user(mandate, "other")
    mine = await api.made(f"{mandate}/keys", {"kind": "user", "name": "x", "userId": member_id})
    for kind, user in (("user", other), ("service", None)):
        body = {"kind": kind, "name": "y"} | ({"userId": user} if user else {})
        theirs = await api.made(f"{mandate}/keys", body)
        answer = await api.post(f"{mandate}/keys/{theirs['id']}/rotate", {}, key=member)
        assert_problem(answer, 404, "not_found")
    assert (await api.post(f"{mandate}/keys/{mine['id']}/rotate", {}, key=member)).status_code == 201
    hashes = await _hashes(api)
    assert len(hashes) == len(set(hashes))


async def _hashes(api: Api) -> list[bytes]:
    owner = await asyncpg.connect(api.database.addresses.owner.dsn)
    rows = await owner.fetch("SELECT secret_hash, former_hash FROM api_key")
    await owner.close()
    return [value for row in rows for value in row if value is not None]


async def test_a_key_is_changed_without_a_new_secret(api: Api) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/keys", {"kind": "service", "name": "x", "maxCallsPerMinute": 5})
    path = f"{mandate}/keys/{made['id']}"
    changes = {"name": "y", "maxCallsPerMinute": None, "maxConcurrentCalls": 2, "maxHeld": "1.50"}
    changed = (await api.call("PATCH", path, {**changes, "allowedModels": ["gpt-*", "gpt-*"]})).json()
    assert (changed["name"], changed["maxCallsPerMinute"], changed["maxConcurrentCalls"]) == ("y", None, 2)
    assert (changed["maxHeld"], changed["allowedModels"], changed["prefix"]) == (
        "1.500000000",
        ["gpt-*"],
        made["prefix"],
    )
    caller = await api.wiring.authenticator.authenticate(made["key"])
    assert caller is not None
    assert (caller.rates.concurrent_calls, caller.rates.held_nanos) == (2, 1_500_000_000)
    assert caller.allowed_models == ("gpt-*",)
    (entry,) = (await api.get(f"{mandate}/audit", params={"action": "key.changed"})).json()["entries"]
    assert entry["before"] == {
        "name": "x",
        "maxHeld": None,
        "allowedModels": None,
        "maxCallsPerMinute": 5,
        "maxConcurrentCalls": None,
    }
    assert (await api.call("PATCH", path, {"allowedModels": None, "name": None})).json()["name"] == "y"


WRONG_CHANGES: list[tuple[str, dict[str, Any], str]] = [
    ("service", {"readOnlyBilling": True}, "readOnlyBilling"),
    ("admin", {"allowedModels": []}, "allowedModels"),
    ("admin", {"maxHeld": "1"}, "maxHeld"),
    ("service", {"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
    ("service", {"kind": "admin"}, "kind"),
    ("service", {"userId": "x"}, "userId"),
    ("service", {"maxCallsPerMinute": 0}, "maxCallsPerMinute"),
]


@pytest.mark.parametrize(("kind", "change", "field"), WRONG_CHANGES)
async def test_what_a_key_cannot_become_is_refused_by_name(
    api: Api, kind: str, change: dict[str, Any], field: str
) -> None:
    mandate = await api.mandate()
    made = await api.made(f"{mandate}/keys", {"kind": kind, "name": "x"})
    refused = await api.call("PATCH", f"{mandate}/keys/{made['id']}", change)
    assert_problem(refused, 422, "invalid_request", field)


async def test_a_member_changes_their_own_user_keys_only_and_an_ended_key_stays_so(api: Api) -> None:
    mandate = await api.mandate()
    member_id, member = await api.person_key(mandate, "member")
    own = await api.made(f"{mandate}/keys", {"kind": "user", "userId": member_id, "name": "own"})
    service = await api.made(f"{mandate}/keys", {"kind": "service", "name": "application"})
    assert (await api.call("PATCH", f"{mandate}/keys/{own['id']}", {"name": "n"}, key=member)).status_code == 200
    path = f"{mandate}/keys/{service['id']}"
    assert_problem(await api.call("PATCH", path, {"name": "mine"}, key=member), 404, "not_found")
    assert_problem(await api.get(path, key=member), 404, "not_found")
    await api.call("DELETE", path)
    assert_problem(await api.call("PATCH", path, {"expiresAt": None}), 409, "key_ended")
