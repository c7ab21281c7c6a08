"""What a billing page opens with, for each role, and what it says when nobody can top up here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bursar.foundation.database import Database
from tests.support.aging import age
from tests.support.management import Api, running_api


async def _spent(api: Api, mandate: str, amount: str, user_id: str) -> None:
    hold = await api.made(f"{mandate}/holds", {"desired": amount, "userId": user_id})
    await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": amount, "model": "m"})


async def test_each_role_sees_what_is_theirs(api: Api) -> None:
    mandate = await api.mandate()
    _, finance = await api.person_key(mandate, "finance")
    ben, member = await api.person_key(mandate, "member", "ben")
    await api.top_up(mandate, "10")
    await _spent(api, mandate, "1", await api.user(mandate, "carla"))
    await _spent(api, mandate, "0.5", ben)
    theirs = (await api.get(f"{mandate}/billing-overview", key=finance)).json()
    assert (theirs["spentThisMonth"], theirs["callsThisMonth"]) == ("1.500000000", 2)
    assert (theirs["payer"], theirs["seesPool"], theirs["mayTopUp"]) == ("pool", True, True)
    assert theirs["means"] == {"voucher": True, "online": None, "byHand": False, "fromPool": True}
    own = (await api.get(f"{mandate}/billing-overview", key=member)).json()
    assert (own["spentThisMonth"], own["callsThisMonth"], own["forecast"]) == ("0.500000000", 1, None)
    assert (own["seesPool"], own["mayTopUp"]) == (False, False)
    assert "10.0" not in str(own)


async def test_the_forecast_is_the_notices_(database: Database) -> None:
    """One a day for two days, eight left: eight days."""
    async with running_api(database) as api:
        mandate = await api.mandate()
        anna = await api.user(mandate, "anna")
        await api.top_up(mandate, "10")
        await _spent(api, mandate, "2", anna)
        assert (await api.get(f"{mandate}/billing-overview")).json()["forecast"] is None, "too little is known"
        await age(database, 2)
        found = (await api.get(f"{mandate}/billing-overview")).json()["forecast"]
        assert found["perDay"].startswith(("0.99", "1.00")), found
        left = datetime.fromisoformat(found["endsAt"]) - datetime.now(UTC)
        assert timedelta(days=7, hours=20) < left < timedelta(days=8, hours=4)


async def test_without_any_means_nobody_is_sent_to_top_up(database: Database) -> None:
    async with running_api(database, vouchers_enabled=False, top_up_enabled=False) as api:
        mandate = await api.mandate()
        _, owner = await api.person_key(mandate, "owner")
        found = (await api.get(f"{mandate}/billing-overview", key=owner)).json()
        assert (found["mayTopUp"], found["means"]["voucher"]) == (False, False)
        refused = (await api.post(f"{mandate}/holds", {"desired": "1"}, key=owner)).json()["billing"]
        assert (refused["userAction"], refused["billingUrl"]) == ("CONTACT_MANDATE_ADMIN", None)
        answer = await api.post(f"{mandate}/vouchers/redeem", {"code": "X"}, key=owner)
        assert answer.json()["code"] == "vouchers_disabled"
