"""The audit log: every change of every route is in it, with who, what, before, after and from where."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from bursar.foundation.database import Database
from bursar.identity.access import Action
from tests.identity.test_access import routes_of
from tests.support.management import Api, assert_problem, mandate_id_of


async def entries(api: Api, mandate: str, **filters: str) -> list[dict[str, Any]]:
    """Oldest first."""
    answer = await api.get(f"{mandate}/audit", params={"limit": 1000, **filters})
    assert answer.status_code == 200, answer.text
    return list(reversed(answer.json()["entries"]))


async def test_an_entry_says_who_what_before_after_and_from_where(api: Api) -> None:
    mandate = await api.mandate()
    finance_id, key = await api.person_key(mandate, "finance")
    change = {"notifyEmails": ["kasse@example.com"], "lowBalanceThreshold": "5"}
    await api.call("PUT", f"{mandate}/billing-settings", change, key=key, headers={"User-Agent": "Fin/1.0"})
    made = (await entries(api, mandate))[-1]
    assert made["action"] == "billing_settings.changed"
    assert made["object"] == mandate.rsplit("/", 1)[1]
    keys = (await api.get(f"{mandate}/keys")).json()["keys"]
    assert made["actor"] == f"key:{keys[0]['id']}"
    assert keys[0]["userId"] == finance_id
    assert made["before"] == {"notifyEmails": [], "lowBalanceThreshold": None}
    assert made["after"] == {"notifyEmails": ["kasse@example.com"], "lowBalanceThreshold": "5.000000000"}
    assert (made["ip"], made["userAgent"]) == ("127.0.0.1", "Fin/1.0")
    assert made["requestId"]


async def test_money_is_entered_with_its_transfer(api: Api) -> None:
    mandate = await api.mandate()
    posted = await api.top_up(mandate, "10")
    made = (await entries(api, mandate))[-1]
    assert (made["action"], made["object"], made["actor"]) == ("money.top_up", posted["id"], "root")
    assert made["after"]["amount"] == "10.000000000"
    assert made["after"]["reference"] == "by transfer"
    assert made["ip"] == "127.0.0.1"


async def test_neither_secrets_nor_what_must_be_erasable_are_kept(api: Api, database: Database) -> None:
    mandate = await api.mandate()
    anna = await api.user(mandate, "anna")
    key = await api.key(mandate, "user", anna)
    await api.call("PATCH", f"{mandate}/users/{anna}", {"displayName": "Anna Muster"})
    await api.call("DELETE", f"{mandate}/users/{anna}")
    log = await entries(api, mandate)
    assert [each["action"] for each in log if each["object"] == anna] == [
        "user.created",
        "user.changed",
        "user.deleted",
    ]
    async with database.as_operator() as connection:
        stored = str([dict(row) for row in await connection.fetch("SELECT * FROM audit_entry")])
        hashed = await connection.fetchval("SELECT secret_hash FROM api_key WHERE kind = 'user'")
    for secret in ("anna@example.com", "Anna", key[-20:], hashed.hex()):
        assert secret not in stored


@pytest.mark.parametrize("statement", ["UPDATE audit_entry SET actor = 'nobody'", "DELETE FROM audit_entry"])
@pytest.mark.parametrize("role", ["app", "ledger"])
async def test_nobody_can_change_an_entry(api: Api, database: Database, role: str, statement: str) -> None:
    mandate = await api.mandate()
    pool = database.app_pool if role == "app" else database.ledger_pool
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT set_config('bursar.operator', 'on', true)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    assert [each["action"] for each in await entries(api, mandate)] == ["mandate.created"]


async def test_a_change_that_fails_or_changes_nothing_leaves_no_entry(api: Api) -> None:
    mandate = await api.mandate()
    before = len(await entries(api, mandate))
    assert (await api.call("PUT", f"{mandate}/billing-settings", {"billingModel": "POSTPAY"})).status_code == 422
    assert (await api.call("PUT", f"{mandate}/billing-settings", {"billingModel": "PREPAY_MANDATE"})).is_success
    assert (await api.post(f"{mandate}/refunds", {"amount": "1", "reason": "x"})).status_code == 409
    assert len(await entries(api, mandate)) == before


async def test_pages_and_filters(api: Api) -> None:
    mandate = await api.mandate()
    for amount in ("1", "2", "3"):
        await api.top_up(mandate, amount)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await api.get(f"{mandate}/audit", params={"limit": 2, "action": "money.top_up", **cursor})).json()
        seen += [each["after"]["amount"][0] for each in page["entries"]]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == ["3", "2", "1"]
    assert await entries(api, mandate, actor="somebody") == []
    assert_problem(await api.get(f"{mandate}/audit", params={"cursor": "x"}), 422, "invalid_request", "cursor")


async def test_a_neighbour_s_entries_are_not_seen_even_without_a_where(api: Api, database: Database) -> None:
    mandate, other = await api.mandate(), await api.mandate("Other")
    await api.top_up(other, "1")
    async with database.as_mandate(mandate_id_of(mandate)) as connection:
        seen = await connection.fetch("SELECT DISTINCT mandate_id FROM audit_entry")
    assert [row["mandate_id"] for row in seen] == [mandate_id_of(mandate)]


async def _changes(api: Api) -> dict[tuple[str, str], tuple[str, Any, str]]:
    """For every route that changes something: where to, with what, and which entry follows."""
    mandate = await api.mandate()
    anna, ben = await api.user(mandate, "anna"), await api.user(mandate, "ben")
    await api.top_up(mandate, "100")
    keys = [(await api.made(f"{mandate}/keys", {"kind": "service", "name": "x"}))["id"] for _ in range(2)]
    cap = {"scope": "mandate", "period": "day", "amount": "5"}
    limit = (await api.made(f"{mandate}/limits", {**cap, "period": "week"}))["id"]
    new_voucher = {"amount": "5", "currency": "CHF", "expiresAt": "2999-01-01T00:00:00Z"}
    made = (await api.made("/api/vouchers", {**new_voucher, "count": 2}))["vouchers"]
    in_mandate = "/api/mandates/{mandateId}"
    return {
        ("POST", "/api/mandates"): ("/api/mandates", {"name": "New"}, "mandate.created"),
        ("PATCH", in_mandate): (mandate, {"name": "Neu"}, "mandate.changed"),
        ("PUT", f"{in_mandate}/billing-settings"): (
            f"{mandate}/billing-settings", {"language": "fr"}, "billing_settings.changed"
        ),
        ("POST", f"{in_mandate}/users"): (f"{mandate}/users", {"email": "c@example.com"}, "user.created"),
        ("PATCH", f"{in_mandate}/users/{{userId}}"): (f"{mandate}/users/{anna}", {"role": "finance"}, "user.changed"),
        ("DELETE", f"{in_mandate}/users/{{userId}}"): (f"{mandate}/users/{ben}", None, "user.deleted"),
        ("POST", f"{in_mandate}/keys"): (f"{mandate}/keys", {"kind": "service", "name": "y"}, "key.created"),
        ("PATCH", f"{in_mandate}/keys/{{keyId}}"): (f"{mandate}/keys/{keys[0]}", {"name": "z"}, "key.changed"),
        ("POST", f"{in_mandate}/keys/{{keyId}}/rotate"): (f"{mandate}/keys/{keys[0]}/rotate", {}, "key.rotated"),
        ("DELETE", f"{in_mandate}/keys/{{keyId}}"): (f"{mandate}/keys/{keys[1]}", None, "key.revoked"),
        ("POST", f"{in_mandate}/top-ups"): (f"{mandate}/top-ups", {"amount": "1"}, "money.top_up"),
        ("POST", f"{in_mandate}/corrections"): (
            f"{mandate}/corrections", {"amount": "1", "reason": "x"}, "money.correction"
        ),
        ("POST", f"{in_mandate}/refunds"): (f"{mandate}/refunds", {"amount": "1", "reason": "x"}, "money.refund"),
        ("POST", f"{in_mandate}/wallet-transfers"): (
            f"{mandate}/wallet-transfers", {"amount": "1", "userId": anna}, "money.wallet_transfer"
        ),
        ("POST", f"{in_mandate}/limits"): (f"{mandate}/limits", cap, "limit.created"),
        ("PATCH", f"{in_mandate}/limits/{{limitId}}"): (f"{mandate}/limits/{limit}", {"amount": "6"}, "limit.changed"),
        ("DELETE", f"{in_mandate}/limits/{{limitId}}"): (f"{mandate}/limits/{limit}", None, "limit.deleted"),
        ("POST", f"{in_mandate}/vouchers/redeem"): (
            f"{mandate}/vouchers/redeem", {"code": made[0]["code"]}, "voucher.redeemed"
        ),
        **await _people_s_changes(api, mandate),
        **await _changes_of_notices(api, mandate),
        ("POST", "/api/vouchers"): ("/api/vouchers", new_voucher, "voucher.created"),
        ("DELETE", "/api/vouchers/{voucherId}"): (f"/api/vouchers/{made[1]['id']}", None, "voucher.revoked"),
    }  # fmt: skip


async def _people_s_changes(api: Api, mandate: str) -> dict[tuple[str, str], tuple[str, Any, str]]:
    invited = (await api.made(f"{mandate}/invitations", {"email": "d@example.com"}))["id"]
    operator = (await api.made("/api/operators", {"issuer": "https://issuer.example", "subject": "one"}))["id"]
    in_mandate = "/api/mandates/{mandateId}"
    return {
        ("POST", f"{in_mandate}/invitations"): (
            f"{mandate}/invitations", {"email": "e@example.com"}, "invitation.created"
        ),
        ("DELETE", f"{in_mandate}/invitations/{{invitationId}}"): (
            f"{mandate}/invitations/{invited}", None, "invitation.revoked"
        ),
        ("POST", "/api/operators"): (
            "/api/operators", {"issuer": "https://issuer.example", "subject": "two"}, "operator.added"
        ),
        ("DELETE", "/api/operators/{operatorId}"): (f"/api/operators/{operator}", None, "operator.removed"),
    }  # fmt: skip


async def _changes_of_notices(api: Api, mandate: str) -> dict[tuple[str, str], tuple[str, Any, str]]:
    asked = []
    for name in ("eva", "fritz"):
        key = (await api.person_key(mandate, "member", name))[1]
        asked.append((await api.made(f"{mandate}/top-up-requests", {"reason": "a report"}, key=key))["id"])
    silence = {"endsAt": (datetime.now(UTC) + timedelta(days=1)).isoformat()}
    silenced = (await api.made(f"{mandate}/silences", silence))["id"]
    webhook = (await api.made(f"{mandate}/webhooks", {"url": "https://hooks.example.com/1"}))["id"]
    slack = "https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7F"
    channel = (await api.made(f"{mandate}/channels", {"url": f"{slack}Q"}))["id"]
    in_mandate = "/api/mandates/{mandateId}"
    of_channel, chat = f"{in_mandate}/channels/{{channelId}}", f"{mandate}/channels/{channel}"
    of_webhook, its = f"{in_mandate}/webhooks/{{webhookId}}", f"{mandate}/webhooks/{webhook}"
    of_request = f"{in_mandate}/top-up-requests/{{requestId}}"
    return {
        ("PUT", f"{in_mandate}/notice-settings"): (
            f"{mandate}/notice-settings", {"runningOutHours": 24}, "notice_settings.created"
        ),
        ("POST", f"{in_mandate}/silences"): (f"{mandate}/silences", silence, "silence.created"),
        ("DELETE", f"{in_mandate}/silences/{{silenceId}}"): (
            f"{mandate}/silences/{silenced}", None, "silence.deleted"
        ),
        ("POST", f"{in_mandate}/webhooks"): (
            f"{mandate}/webhooks", {"url": "https://hooks.example.com/2"}, "webhook.created"
        ),
        ("POST", f"{of_webhook}/rotate"): (f"{its}/rotate", None, "webhook.rotated"),
        ("POST", f"{of_webhook}/replay"): (f"{its}/replay", {"since": "2026-01-01T00:00:00Z"}, "webhook.replayed"),
        ("DELETE", of_webhook): (its, None, "webhook.deleted"),
        ("POST", f"{in_mandate}/channels"): (f"{mandate}/channels", {"url": f"{slack}R"}, "webhook.created"),
        ("POST", f"{of_channel}/replay"): (f"{chat}/replay", {"since": "2026-01-01T00:00:00Z"}, "webhook.replayed"),
        ("DELETE", of_channel): (chat, None, "webhook.deleted"),
        ("POST", f"{of_request}/approve"): (
            f"{mandate}/top-up-requests/{asked[0]}/approve", None, "top_up_request.changed"
        ),
        ("POST", f"{of_request}/decline"): (
            f"{mandate}/top-up-requests/{asked[1]}/decline", None, "top_up_request.changed"
        ),
    }  # fmt: skip


NOT_MANAGEMENT = {
    Action.HOLD_MONEY,
    Action.SIGN_IN,
    Action.OWN_SESSION,
    Action.READ_INBOX,
    Action.USE_WORKSPACE,
    Action.VERIFY_BOOKS,
    Action.PAY_ONLINE,
    Action.TELL_PAYMENT,
}
"""Work, and what is one's own: what becomes of a hold is in the list of holds and in the journal. A payment is entered
when its money comes in, as a top-up; verifying changes nothing, and has a list of its own."""
CHANGES_NOTHING = (
    "/api/mandates/{mandateId}/notices/preview",
    "/api/mandates/{mandateId}/notices/test",
    "/api/mandates/{mandateId}/channels/{channelId}/test",
    "/api/mandates/{mandateId}/webhooks/{webhookId}/test",
)
"""A preview; and tests, which are in the list of notices."""


async def test_every_route_that_changes_something_writes_an_entry(api: Api, database: Database) -> None:
    changing = {
        (method, path)
        for method, path, (action,) in routes_of(api.app)
        if method != "GET" and action not in NOT_MANAGEMENT and path not in CHANGES_NOTHING
    }
    changes = await _changes(api)
    assert set(changes) == changing, "a new route that changes something belongs into this table"
    for number, ((method, route), (path, body, action)) in enumerate(changes.items()):
        before = await _all(database)
        headers = {"Idempotency-Key": str(number), "User-Agent": "Walker"}
        answer = await api.call(method, path, body, headers=headers)
        assert answer.is_success, (method, route, answer.text)
        new = [entry for entry in await _all(database) if entry not in before]
        assert action in [entry["action"] for entry in new], (method, route, new)
        for entry in new:
            assert (entry["actor"], entry["ip"], entry["user_agent"]) == ("root", "127.0.0.1", "Walker"), (route, entry)
            assert entry["request_id"] == answer.headers["x-request-id"], (route, entry)


async def _all(database: Database) -> list[dict[str, Any]]:
    async with database.as_operator() as connection:
        return [dict(row) for row in await connection.fetch("SELECT * FROM audit_entry")]
