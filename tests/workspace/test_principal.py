"""The token by which a run pays: a person's stand-in for minutes, at this installation's gateway and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import httpx
import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.secrets import Secrets
from bursar.identity import mandates, users
from bursar.identity.authenticator import Authenticator
from bursar.identity.internal_token import LIFETIME, GatewayIdentities, InternalTokens
from tests.support.clock import ManualClock
from tests.support.management import assert_problem
from tests.support.serving import SECRET_KEY
from tests.workspace.conftest import Installation


@dataclass
class Place:
    identities: GatewayIdentities
    tokens: InternalTokens
    clock: ManualClock
    database: Database
    mandate_id: UUID
    user_id: UUID


@pytest.fixture
async def place(database: Database) -> Place:
    clock = ManualClock()
    tokens = InternalTokens(Secrets([SECRET_KEY]), clock)
    mandate = await mandates.create_mandate(database, name="Werkstatt")
    user = await users.add_user(database, mandate.mandate_id, email="anna@example.com", role="finance")
    identities = GatewayIdentities(Authenticator(database), tokens)
    return Place(identities, tokens, clock, database, mandate.mandate_id, user.user_id)


async def test_a_token_is_its_person_for_minutes(place: Place) -> None:
    token = place.tokens.make(place.mandate_id, place.user_id)
    caller = await place.identities.authenticate(token)
    assert caller is not None
    assert (caller.kind, caller.key_id) == ("user", None)
    assert caller.mandate is not None
    assert caller.mandate.mandate_id == place.mandate_id
    assert caller.person is not None
    assert (caller.person.user_id, caller.person.role) == (place.user_id, "finance")
    place.clock.advance((LIFETIME - timedelta(seconds=1)).total_seconds())
    assert await place.identities.authenticate(token) is not None
    place.clock.advance(2)
    assert await place.identities.authenticate(token) is None


async def test_nobody_else_can_make_one(place: Place) -> None:
    forger = InternalTokens(Secrets(["another-installation-s-key-0123456789-0123"]), place.clock)
    assert await place.identities.authenticate(forger.make(place.mandate_id, place.user_id)) is None
    token = place.tokens.make(place.mandate_id, place.user_id)
    # Not its last character, some of whose bits say nothing.
    head, changed, tail = token[:-9], "A" if token[-9] != "A" else "B", token[-8:]
    assert await place.identities.authenticate(head + changed + tail) is None
    assert await place.identities.authenticate(token + "x" * 600) is None
    # What was signed for something else is no token, though the same key has signed it.
    other = Secrets([SECRET_KEY]).sign(
        "another-purpose",
        {"m": str(place.mandate_id), "u": str(place.user_id)},
        expires_at=place.clock.now() + LIFETIME,
    )
    assert await place.identities.authenticate(f"burint_{other}") is None
    assert await place.identities.authenticate(place.tokens.make(place.mandate_id, new_id())) is None


async def test_a_token_is_worth_nothing_once_its_person_has_left(place: Place) -> None:
    await users.add_user(place.database, place.mandate_id, email="owner@example.com", role="owner")
    await users.erase_user(place.database, place.mandate_id, place.user_id)
    token = place.tokens.make(place.mandate_id, place.user_id)
    assert await place.identities.authenticate(token) is None


def test_the_gateway_takes_it_and_the_management_api_does_not(house: Installation) -> None:
    anna = house.person()
    token = InternalTokens(Secrets([SECRET_KEY])).make(UUID(anna.mandate.id), UUID(anna.user_id))
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(headers=headers, timeout=60) as http:
        for worker in (house.first, house.second):
            assert http.get(f"{worker.url}/v1/balance").json()["payer"] == "pool"
        for path in (anna.threads, f"{anna.mandate.path}/balance", "/api/mandates"):
            assert_problem(http.get(f"{house.first.url}{path}"), 401, "unauthorized")
        assert (
            http.get(f"{house.first.url}/v1/balance", headers={"authorization": f"Bearer {token}x"}).status_code == 401
        )


def test_a_suspended_mandate_s_people_run_nothing(house: Installation) -> None:
    anna = house.person()
    thread = anna.thread("chat")
    house.first.root.patch(anna.mandate.path, json={"status": "suspended"}).raise_for_status()
    stream = anna.run(thread, "Hello")
    assert stream.last["code"] == "FORBIDDEN"
    assert anna.mandate.charges() == []
