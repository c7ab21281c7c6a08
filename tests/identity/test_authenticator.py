"""Who is calling: what is remembered, for how long, and how fast a change arrives."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

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
)
from bursar.identity.keys import key_hash, make_key
from tests.identity.household import (
    CountingPool,
    HeldClock,
    House,
    has_role,
    is_called,
    is_nobody,
    listening,
    make_house,
    until,
)


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


async def test_a_key_that_is_new_costs_one_statement_and_leaves_no_door_open(database: Database, house: House) -> None:
    asked: list[str] = []
    async with connect_database(database.addresses, app_pool_size=1) as narrow:
        authenticator = Authenticator(narrow)
        async with narrow.app_pool.acquire() as connection:
            connection.add_query_logger(lambda query: asked.append(query.query))
        caller = await authenticator.authenticate(house.keys["user"])
        assert caller is not None
        assert asked == ["SELECT * FROM find_key($1, $2)"]
        async with narrow.app_pool.acquire() as connection:
            assert not await connection.fetchval("SELECT current_setting('bursar.mandate_id', true)")
            assert await connection.fetchval("SELECT count(*) FROM mandate") == 0
            other = await make_house(database, "Other")
            stranger = await connection.fetch(
                "SELECT * FROM find_key($1, $2)", other.mandate_id, key_hash(house.keys["user"])
            )
            assert stranger == []


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
            await until(lambda: is_called(there, house.keys["user"], "Renamed"))

            await users.change_user(two, house.mandate_id, house.user.user_id, {"role": "owner"})
            await until(lambda: has_role(here, house.keys["user"], "owner"))

            await key_store.revoke_key(one, house.mandate_id, house.key_ids["user"])
            await until(lambda: is_nobody(there, house.keys["user"]))
            await until(lambda: is_nobody(here, house.keys["user"]))
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
        await until(lambda: is_nobody(authenticator, house.keys["user"]))
        async with asyncio.timeout(60):
            await authenticator.wait_until_listening()
        await key_store.revoke_key(database, house.mandate_id, house.key_ids["service"])
        await until(lambda: is_nobody(authenticator, house.keys["service"]))


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
