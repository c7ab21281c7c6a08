"""Who is calling: what is remembered, for how long, and how fast a change arrives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database, connect_database
from bursar.identity import key_store, mandates, users
from bursar.identity.authenticator import (
    ASKED_AHEAD_SECONDS,
    BELIEVED_SECONDS,
    READ_AGAIN_SECONDS,
    Authenticator,
    IdentityUnavailable,
    Unknown,
)
from bursar.identity.keys import make_key
from bursar.identity.principal import Caller, Person
from bursar.identity.root_key import ensure_root_key, rotate_root_key


class HeldClock:
    """Time that goes only when a test says so."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.moment = datetime.now(UTC)

    def now(self) -> datetime:
        return self.moment

    def monotonic_seconds(self) -> float:
        return self.seconds

    def advance(self, seconds: float) -> None:
        self.seconds += seconds
        self.moment += timedelta(seconds=seconds)


class CountingPool:
    """The ledger's pool, counting what it is asked."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.questions = 0

    async def fetch(self, *arguments: Any) -> Any:
        self.questions += 1
        return await self._pool.fetch(*arguments)


@dataclass
class House:
    """One mandate with an owner, and keys of each kind."""

    mandate_id: UUID
    user: users.User
    keys: dict[str, str]
    key_ids: dict[str, UUID]


async def make_house(database: Database, name: str = "Helvetia") -> House:
    mandate = await mandates.create_mandate(database, name=name)
    user = await users.add_user(database, mandate.mandate_id, email="anna@example.com", external_id="anna")
    keys: dict[str, str] = {}
    key_ids: dict[str, UUID] = {}
    for kind, user_id in (("user", user.user_id), ("service", None), ("admin", None)):
        key, keys[kind] = await key_store.create_key(
            database,
            mandate.mandate_id,
            kind=kind,  # type: ignore[arg-type]
            name=kind,
            created_by="test",
            user_id=user_id,
        )
        key_ids[kind] = key.key_id
    return House(mandate.mandate_id, user, keys, key_ids)


@pytest.fixture
async def house(database: Database) -> House:
    return await make_house(database)


@asynccontextmanager
async def listening(database: Database, **options: Any) -> AsyncIterator[Authenticator]:
    authenticator = Authenticator(database, **options)
    await authenticator.start()
    try:
        async with asyncio.timeout(10):
            await authenticator.wait_until_listening()
        yield authenticator
    finally:
        await authenticator.stop()


async def allow_first_sight(database: Database, mandate_id: UUID) -> None:
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute("UPDATE billing_settings SET users_on_first_sight = true")


async def test_each_kind_of_key_tells_who_calls(database: Database, house: House) -> None:
    authenticator = Authenticator(database)
    user = await authenticator.authenticate(house.keys["user"])
    assert user is not None
    assert user.mandate is not None
    assert user.person is not None
    assert (user.kind, user.key_id, user.mandate.name) == ("user", house.key_ids["user"], "Helvetia")
    assert (user.person.user_id, user.person.role) == (house.user.user_id, "member")
    for kind in ("service", "admin"):
        caller = await authenticator.authenticate(house.keys[kind])
        assert caller is not None
        assert caller.kind == kind
        assert caller.person is None


async def test_unknown_keys_are_nobody(database: Database, house: House) -> None:
    authenticator = Authenticator(database)
    other = await make_house(database, "Other")
    assert await authenticator.authenticate(make_key(house.mandate_id).text) is None
    assert await authenticator.authenticate(house.keys["user"][:-1]) is None
    assert await authenticator.authenticate("nonsense") is None
    assert await authenticator.authenticate("") is None
    caller = await authenticator.authenticate(other.keys["admin"])
    assert caller is not None
    assert caller.mandate is not None
    assert caller.mandate.mandate_id == other.mandate_id


async def test_memory_answers_without_the_database(database: Database, house: House) -> None:
    authenticator = Authenticator(database, clock=HeldClock())
    first = await authenticator.authenticate(house.keys["user"])
    await database.app_pool.close()
    await database.ledger_pool.close()
    assert await authenticator.authenticate(house.keys["user"]) is first


async def test_memory_is_believed_for_a_second_and_then_never_without_asking(database: Database, house: House) -> None:
    clock = HeldClock()
    authenticator = Authenticator(database, clock=clock)
    assert await authenticator.authenticate(house.keys["user"])
    await database.ledger_pool.close()
    clock.advance(BELIEVED_SECONDS - 0.01)
    assert await authenticator.authenticate(house.keys["user"])
    clock.advance(0.02)
    with pytest.raises(IdentityUnavailable):
        await authenticator.authenticate(house.keys["user"])


async def test_a_revoked_key_ends_within_a_second_even_if_nobody_hears_of_it(database: Database, house: House) -> None:
    clock = HeldClock()
    deaf = Authenticator(database, clock=clock)
    assert await deaf.authenticate(house.keys["user"])
    await key_store.revoke_key(database, house.mandate_id, house.key_ids["user"])
    assert await deaf.authenticate(house.keys["user"]), "it did not hear, and may believe its memory for a second"
    clock.advance(BELIEVED_SECONDS)
    assert await deaf.authenticate(house.keys["user"]) is None


async def test_one_question_serves_everybody_who_waits(database: Database, house: House) -> None:
    clock = HeldClock()
    pool = CountingPool(database.ledger_pool)
    authenticator = Authenticator(replace(database, ledger_pool=pool), clock=clock)  # type: ignore[arg-type]
    other = await make_house(database, "Other")
    keys = [*house.keys.values(), *other.keys.values()]
    for key in keys:
        assert await authenticator.authenticate(key)
    assert pool.questions == 0
    clock.advance(BELIEVED_SECONDS)
    assert all(await asyncio.gather(*[authenticator.authenticate(key) for key in keys * 20]))
    assert pool.questions <= 2, "one that left with the first caller alone, and one for all the others"


async def test_the_question_is_asked_ahead_of_time(database: Database, house: House) -> None:
    """Whoever calls often enough never waits for the database."""
    clock = HeldClock()
    pool = CountingPool(database.ledger_pool)
    authenticator = Authenticator(replace(database, ledger_pool=pool), clock=clock)  # type: ignore[arg-type]
    assert await authenticator.authenticate(house.keys["user"])
    for _ in range(6):
        clock.advance(ASKED_AHEAD_SECONDS)
        call = authenticator.authenticate(house.keys["user"])
        with pytest.raises(StopIteration):
            call.send(None)
        await authenticator._ask()
    assert pool.questions >= 6


async def test_one_look_up_serves_everybody_who_waits(database: Database, house: House) -> None:
    authenticator = Authenticator(database, clock=HeldClock())
    callers = await asyncio.gather(*[authenticator.authenticate(house.keys["user"]) for _ in range(50)])
    assert len({id(caller) for caller in callers}) == 1


async def test_an_unknown_key_is_looked_up_once_a_second(database: Database, house: House) -> None:
    clock = HeldClock()
    authenticator = Authenticator(database, clock=clock)
    key = make_key(house.mandate_id)
    assert await authenticator.authenticate(key.text) is None
    async with database.as_mandate(house.mandate_id) as connection:
        await connection.execute(
            "INSERT INTO api_key (mandate_id, key_id, secret_hash, prefix, kind, name, created_by)"
            " VALUES ($1, gen_random_uuid(), $2, '', 'service', 'x', 'test')",
            house.mandate_id,
            key.secret_hash,
        )
    assert await authenticator.authenticate(key.text) is None
    clock.advance(BELIEVED_SECONDS)
    assert await authenticator.authenticate(key.text)


async def test_two_workers_hear_at_once(database_addresses: DatabaseAddresses) -> None:
    """Time stands still for both workers: whatever arrives has arrived by notification alone."""
    async with connect_database(database_addresses) as one, connect_database(database_addresses) as two:
        house = await make_house(one)
        async with listening(one, clock=HeldClock()) as here, listening(two, clock=HeldClock()) as there:
            for authenticator in (here, there):
                caller = await authenticator.authenticate(house.keys["user"])
                assert caller is not None
                assert caller.mandate is not None
                assert caller.mandate.name == "Helvetia"

            await mandates.change_mandate(one, house.mandate_id, name="Renamed")
            await _until(lambda: _is_called(there, house.keys["user"], "Renamed"))

            await users.change_user(two, house.mandate_id, house.user.user_id, {"role": "owner"})
            await _until(lambda: _has_role(here, house.keys["user"], "owner"))

            await key_store.revoke_key(one, house.mandate_id, house.key_ids["user"])
            await _until(lambda: _is_nobody(there, house.keys["user"]))
            await _until(lambda: _is_nobody(here, house.keys["user"]))
            assert await there.authenticate(house.keys["service"])


async def test_a_lost_listener_comes_back_and_believes_nothing_it_may_have_missed(
    database: Database, house: House
) -> None:
    clock = HeldClock()
    async with listening(database, clock=clock) as authenticator:
        assert await authenticator.authenticate(house.keys["user"])
        async with database.as_mandate(house.mandate_id) as connection:
            # A change that nobody is told of, as if its notification had been sent while the connection was down.
            await connection.execute("UPDATE identity_revision SET revision = revision + 1")
            await connection.execute("UPDATE api_key SET revoked_at = now() WHERE kind = 'user'")
        assert await authenticator.authenticate(house.keys["user"])
        await database.ledger_pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'bursar-identity'"
            " AND datname = current_database()"
        )
        await _until(lambda: _is_nobody(authenticator, house.keys["user"]))
        async with asyncio.timeout(10):
            await authenticator.wait_until_listening()
        await key_store.revoke_key(database, house.mandate_id, house.key_ids["service"])
        await _until(lambda: _is_nobody(authenticator, house.keys["service"]))


async def test_rows_changed_by_hand_are_seen_within_a_minute(database: Database, house: House) -> None:
    clock = HeldClock()
    authenticator = Authenticator(database, clock=clock)
    assert await authenticator.authenticate(house.keys["user"])
    async with database.as_mandate(house.mandate_id) as connection:
        await connection.execute("UPDATE api_key SET revoked_at = now()")
    clock.advance(READ_AGAIN_SECONDS)
    assert await authenticator.authenticate(house.keys["user"]) is None


async def test_an_expired_key_ends_on_time_though_it_is_remembered(database: Database, house: House) -> None:
    clock = HeldClock()
    authenticator = Authenticator(database, clock=clock)
    _, text = await key_store.create_key(
        database,
        house.mandate_id,
        kind="service",
        name="short",
        created_by="test",
        expires_at=datetime.now(UTC) + timedelta(seconds=60),
    )
    clock.moment = datetime.now(UTC)
    assert await authenticator.authenticate(text)
    clock.moment += timedelta(seconds=61)
    assert await authenticator.authenticate(text) is None


async def test_memory_is_bounded(database: Database, house: House) -> None:
    authenticator = Authenticator(database, most_keys=2)
    for key in house.keys.values():
        assert await authenticator.authenticate(key)
    assert len(authenticator._keys) == 2
    assert await authenticator.authenticate(house.keys["user"])


async def test_a_leaver_s_keys_end(database: Database, house: House) -> None:
    clock = HeldClock()
    authenticator = Authenticator(database, clock=clock)
    assert await authenticator.authenticate(house.keys["user"])
    await users.erase_user(database, house.mandate_id, house.user.user_id)
    clock.advance(BELIEVED_SECONDS)
    assert await authenticator.authenticate(house.keys["user"]) is None


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
        await _until(lambda: _is_nobody(authenticator, former))
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


# --- waiting and looking ---------------------------------------------------------------------------------------------


async def _until(is_true: Any) -> None:
    async with asyncio.timeout(10):
        while not await is_true():  # noqa: ASYNC110 -- what is waited for happens in another worker
            await asyncio.sleep(0.005)


async def _is_nobody(authenticator: Authenticator, key: str) -> bool:
    return await authenticator.authenticate(key) is None


async def _is_called(authenticator: Authenticator, key: str, name: str) -> bool:
    caller = await authenticator.authenticate(key)
    return caller is not None and caller.mandate is not None and caller.mandate.name == name


async def _has_role(authenticator: Authenticator, key: str, role: str) -> bool:
    caller = await authenticator.authenticate(key)
    return caller is not None and caller.person is not None and caller.person.role == role
