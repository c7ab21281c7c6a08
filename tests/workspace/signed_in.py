"""People who are signed in, as a browser is: without the pages of signing in, which have tests of their own."""

from __future__ import annotations

import asyncio
from uuid import UUID

from bursar.foundation.database import connect_database
from bursar.identity.sign_in import members, sessions
from bursar.identity.sign_in.browser import Cookies
from bursar.identity.sign_in.tokens import csrf_token
from tests.workspace.conftest import Installation
from tests.workspace.world import Person


def session_headers(house: Installation, person: Person) -> dict[str, str]:
    """A new session of the person, as the headers of a browser's change."""

    async def sign_in() -> str:
        async with connect_database(house.addresses) as database, database.as_operator() as connection:
            identity_id = await members.seen_identity(connection, "https://issuer.example", person.user_id, None)
            await connection.execute(
                "INSERT INTO membership (mandate_id, user_id, identity_id, linked_by)"
                " VALUES ($1, $2, $3, 'invitation')",
                UUID(person.mandate.id),
                UUID(person.user_id),
                identity_id,
            )
            return await sessions.new_session(connection, identity_id, "test", None)

    text = asyncio.run(sign_in())
    return {"Cookie": f"{Cookies(house.first.url).session}={text}", "x-csrf-token": csrf_token(text)}
