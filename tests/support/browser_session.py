"""The two ways in for a browser that tests need: a session's cookie as it is after signing in, and a one-time link."""

from __future__ import annotations

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import connect_database
from bursar.foundation.secrets import Secrets
from bursar.identity.sign_in import members, sessions
from bursar.identity.sign_in.links import make_link
from tests.support.serving import SECRET_KEY


async def new_session(addresses: DatabaseAddresses, email: str) -> str:
    """The session cookie's value for whoever has this address, in all their mandates."""
    async with connect_database(addresses) as database, database.as_operator() as connection:
        subject = members.mailbox_subject(email)
        identity_id = await members.seen_identity(connection, members.MAILBOX_ISSUER, subject, None)
        await members.link_by_email(connection, identity_id, email, linked_by="mailbox")
        return await sessions.new_session(connection, identity_id, "mailbox", None)


async def new_operator_session(addresses: DatabaseAddresses) -> str:
    """The session cookie's value for an operator of the installation, who is a member of no mandate."""
    async with connect_database(addresses) as database, database.as_operator() as connection:
        identity_id = await members.seen_identity(connection, members.CONSOLE_ISSUER, members.CONSOLE_SUBJECT, None)
        await members.make_operator(connection, identity_id, granted_by="link")
        return await sessions.new_session(connection, identity_id, "console", None)


async def new_link(addresses: DatabaseAddresses, email: str | None) -> str:
    """The token of a one-time link: to this mailbox, or the operator's."""
    secrets = Secrets((SECRET_KEY,))
    async with connect_database(addresses) as database, database.as_operator() as connection:
        return await make_link(connection, secrets, "console" if email is None else "mailbox", email)
