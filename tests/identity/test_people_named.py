"""Whom a service key names, and the root key."""

from __future__ import annotations

import asyncio

import pytest

from bursar.foundation.database import Database
from bursar.identity import key_store, users
from bursar.identity.authenticator import (
    BELIEVED_SECONDS,
    Authenticator,
    Unknown,
)
from bursar.identity.principal import Caller, Person
from bursar.identity.root_key import ensure_root_key, rotate_root_key
from tests.identity.household import (
    HeldClock,
    House,
    allow_first_sight,
    is_nobody,
    listening,
    make_house,
    until,
)

# --- whom a service names --------------------------------------------------------------------------------------------


async def _service(authenticator: Authenticator, house: House) -> Caller:
    caller = await authenticator.authenticate(house.keys["service"])
    assert caller is not None
    return caller


async def test_a_service_names_people_by_our_id_or_its_own(database: Database, house: House) -> None:
    authenticator = Authenticator(database)
    service = await _service(authenticator, house)
    for name in ("anna", str(house.user.user_id), str(house.user.user_id).upper()):
        person = await authenticator.person_for(service, name)
        assert isinstance(person, Person)
        assert person.user_id == house.user.user_id
    assert await authenticator.person_for(service, "berta") == Unknown("berta")


async def test_people_appear_on_first_sight_where_the_mandate_allows_it(database: Database, house: House) -> None:
    await allow_first_sight(database, house.mandate_id)
    authenticator, elsewhere = Authenticator(database), Authenticator(database)
    service = await _service(authenticator, house)
    people = await asyncio.gather(
        *[each.person_for(service, "berta") for each in (authenticator, elsewhere) for _ in range(10)]
    )
    first = people[0]
    assert isinstance(first, Person)
    assert first.role == "member"
    assert first.external_id == "berta"
    assert {person.user_id for person in people if isinstance(person, Person)} == {first.user_id}
    listed = await users.list_users(database, house.mandate_id)
    assert [user.external_id for user in listed.items] == ["anna", "berta"]


@pytest.mark.parametrize("name", ["", " ", " berta", "b\x00erta", "b\nerta", "x" * 256])
async def test_what_is_no_name_creates_nobody(database: Database, house: House, name: str) -> None:
    await allow_first_sight(database, house.mandate_id)
    authenticator = Authenticator(database)
    assert await authenticator.person_for(await _service(authenticator, house), name) == Unknown(name)
    assert len((await users.list_users(database, house.mandate_id)).items) == 1


async def test_a_leaver_s_id_stays_nobody_s(database: Database, house: House) -> None:
    await allow_first_sight(database, house.mandate_id)
    await users.erase_user(database, house.mandate_id, house.user.user_id)
    authenticator = Authenticator(database)
    service = await _service(authenticator, house)
    name = str(house.user.user_id)
    assert await authenticator.person_for(service, name) == Unknown(name)
    again = await authenticator.person_for(service, "anna")
    assert isinstance(again, Person)
    assert again.user_id != house.user.user_id


async def test_people_of_another_mandate_do_not_exist(database: Database, house: House) -> None:
    other = await make_house(database, "Other")
    authenticator = Authenticator(database)
    service = await _service(authenticator, house)
    name = str(other.user.user_id)
    assert await authenticator.person_for(service, name) == Unknown(name)


async def test_changed_people_are_read_again(database: Database, house: House) -> None:
    clock = HeldClock()
    authenticator = Authenticator(database, clock=clock)
    service = await _service(authenticator, house)
    before = await authenticator.person_for(service, "anna")
    await users.change_user(database, house.mandate_id, house.user.user_id, {"language": "fr"})
    clock.advance(BELIEVED_SECONDS)
    after = await authenticator.person_for(service, "anna")
    assert isinstance(before, Person)
    assert before.language is None
    assert isinstance(after, Person)
    assert after.language == "fr"


async def test_when_a_key_was_last_used_is_noted(database: Database, house: House) -> None:
    async with listening(database) as authenticator:
        assert await authenticator.authenticate(house.keys["user"])
    keys = {key.kind: key for key in (await key_store.list_keys(database, house.mandate_id)).items}
    assert keys["user"].last_used_at is not None
    assert keys["service"].last_used_at is None


# --- the root key ----------------------------------------------------------------------------------------------------


async def test_the_root_key_is_made_once(database: Database) -> None:
    made = [key for key in await asyncio.gather(*[ensure_root_key(database) for _ in range(5)]) if key]
    assert len(made) == 1
    authenticator = Authenticator(database)
    caller = await authenticator.authenticate(made[0])
    assert caller is not None
    assert (caller.kind, caller.mandate, caller.actor) == ("root", None, "root")
    assert await authenticator.authenticate(made[0] + "x") is None


async def test_a_rotated_root_key_ends_at_once(database: Database) -> None:
    former = await ensure_root_key(database)
    assert former is not None
    async with listening(database, clock=HeldClock()) as authenticator:
        assert await authenticator.authenticate(former)
        newer = await rotate_root_key(database)
        await until(lambda: is_nobody(authenticator, former))
        assert await authenticator.authenticate(newer)


async def test_a_configured_root_key_is_the_only_one(database: Database) -> None:
    stored = await ensure_root_key(database)
    assert stored is not None
    authenticator = Authenticator(database, root_key="a configured root key")
    assert await authenticator.authenticate("a configured root key")
    assert await authenticator.authenticate(stored) is None


async def test_without_any_root_key_nobody_is_root(database: Database) -> None:
    assert await Authenticator(database).authenticate("") is None
    assert await Authenticator(database).authenticate("burroot_") is None
