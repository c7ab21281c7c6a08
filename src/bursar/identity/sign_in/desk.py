"""The desk where people sign in: composes providers, attempts, links and sessions; one per worker.

Everything that somebody becomes by signing in is written in one transaction with the session: a link is used, an
invitation accepted, and the session begun, or none of it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog

from bursar.foundation.clock import Clock, SystemClock
from bursar.foundation.database import Connection, Database
from bursar.foundation.secrets import Secrets, secret_keys
from bursar.foundation.settings import Settings
from bursar.identity.email_address import checked_email
from bursar.identity.sign_in import attempts, links, members, rates, sessions
from bursar.identity.sign_in.attempts import Attempt
from bursar.identity.sign_in.exchange import Exchange, new_verifier
from bursar.identity.sign_in.id_token import Proven, TokenRefused
from bursar.identity.sign_in.invitations import Invited, NotAcceptable, accept_invitation, peek_invitation
from bursar.identity.sign_in.issuer import IssuerUnavailable
from bursar.identity.sign_in.links import Link
from bursar.identity.sign_in.mails import queue_mail
from bursar.identity.sign_in.providers import Provider, read_providers
from bursar.identity.sign_in.sweeping import sweep
from bursar.identity.sign_in.tokens import OneTime, is_secret, new_secret, parse_one_time

SWEPT_EVERY_SECONDS: Final = 600.0
_LONGEST_CODE: Final = 4096
_log = structlog.get_logger(__name__)


class Refused(Exception):
    """A sign-in that led nowhere; `code` is a text of the pages, `status` the page's."""

    def __init__(self, code: str, status: int) -> None:
        super().__init__(code)
        self.code = code
        self.status = status


@dataclass(frozen=True, slots=True)
class Departure:
    """To the issuer: where to, and the browser's own secret, for its cookie."""

    url: str
    browser: str


@dataclass(frozen=True, slots=True)
class Arrival:
    session: str
    return_to: str


class SignIn:
    """`start` before the first use, `aclose` at the end."""

    def __init__(
        self,
        database: Database,
        secrets: Secrets,
        *,
        public_url: str,
        providers: Sequence[Provider] = (),
        clock: Clock | None = None,
    ) -> None:
        self.database = database
        self.secrets = secrets
        self.public_url = public_url
        self.providers = tuple(providers)
        self._clock = clock or SystemClock()
        self._exchanges = {
            each.name: Exchange(each, f"{public_url}/auth/callback/{each.name}", self._clock) for each in providers
        }
        self._swept_at: float | None = None

    @classmethod
    def from_settings(cls, settings: Settings, database: Database) -> SignIn:
        """Raises `SettingsError` for a provider that is not acceptable, `SecretsError` without a usable key."""
        return cls(
            database,
            Secrets(secret_keys(settings.secret_keys, settings.data_dir)),
            public_url=settings.public_url,
            providers=read_providers(settings.sign_in, os.environ),
        )

    async def start(self) -> None:
        """Who is no operator any more by the settings is none from here on."""
        subjects = {subject for provider in self.providers for subject in provider.operators}
        async with self.database.as_operator() as connection:
            await members.end_operators_beside(connection, subjects)

    async def aclose(self) -> None:
        for exchange in self._exchanges.values():
            await exchange.aclose()

    # --- by a provider -----------------------------------------------------------------------------------------------

    async def depart(
        self, name: str, *, return_to: str, one_time: str | None, browser: str | None, from_address: str
    ) -> Departure:
        """Begins to sign in with a provider. Raises `Refused`, or a 429 `Problem`."""
        exchange = self._exchange(name)
        await rates.count(self.database, rates.BY_ADDRESS, from_address)
        await self._sweep_now_and_then()
        if one_time is not None and parse_one_time(one_time) is None:
            raise Refused("link_over", 410)
        # Several tabs may sign in at once: they share the browser's secret, each has its own state.
        own = browser if browser is not None and is_secret(browser) else new_secret()
        state = new_secret()
        attempt = Attempt(nonce=new_secret(), verifier=new_verifier(), return_to=return_to, one_time=one_time)
        try:
            url = await exchange.authorization_url(state=state, nonce=attempt.nonce, verifier=attempt.verifier)
        except IssuerUnavailable as error:
            raise self._away(name, error) from error
        async with self.database.as_operator() as connection:
            await attempts.begin(connection, self.secrets, state=state, browser=own, provider=name, attempt=attempt)
        return Departure(url, own)

    async def come_back(
        self, name: str, answer: Mapping[str, str], *, browser: str | None, former: str | None, from_address: str
    ) -> Arrival:
        """Ends a sign-in with a provider, whose `answer` is the query. Raises `Refused`, or a 429 `Problem`."""
        exchange = self._exchange(name)
        await rates.count(self.database, rates.BY_ADDRESS, from_address)
        state = answer.get("state")
        if state is None or browser is None or not is_secret(state) or not is_secret(browser):
            raise Refused("start_again", 400)
        async with self.database.as_operator() as connection:
            attempt = await attempts.take(connection, self.secrets, state=state, browser=browser, provider=name)
        if attempt is None:
            raise Refused("start_again", 400)
        try:
            proven = await self._prove(exchange, answer, attempt)
        except TokenRefused as error:
            _log.warning("sign_in_refused", provider=name, reason=str(error))
            raise Refused("not_proven", 403) from error
        except IssuerUnavailable as error:
            raise self._away(name, error) from error
        session = await self._admit(exchange.provider, proven, attempt.one_time, former)
        return Arrival(session, attempt.return_to)

    async def _prove(self, exchange: Exchange, answer: Mapping[str, str], attempt: Attempt) -> Proven:
        iss = answer.get("iss")
        await exchange.check_who_answers(iss)
        code = answer.get("code")
        if "error" in answer or not code or len(code) > _LONGEST_CODE:
            raise Refused("not_signed_in", 403)
        return await exchange.prove(code=code, nonce=attempt.nonce, verifier=attempt.verifier, iss=iss)

    async def _admit(self, provider: Provider, proven: Proven, one_time: str | None, former: str | None) -> str:
        async with self.database.as_operator() as connection:
            identity_id = await members.seen_identity(connection, proven.issuer, proven.subject, proven.display_name)
            if one_time is not None:
                await self._use(connection, parse_one_time(one_time), identity_id, proven.display_name)
            if provider.link_by_email and proven.verified_email is not None:
                await members.link_by_email(connection, identity_id, proven.verified_email, linked_by="email")
            if proven.subject in provider.operators:
                await members.make_operator(connection, identity_id, granted_by="settings")
            return await self._begin_session(connection, identity_id, provider.name, former)

    async def _use(
        self, connection: Connection, one_time: OneTime | None, identity_id: UUID, display_name: str | None
    ) -> None:
        """What somebody becomes by an invitation or an operator's link, now that they have proven who they are."""
        if one_time is not None and one_time.mandate_id is not None:
            await _accepted(connection, one_time.mandate_id, one_time.token_hash, identity_id, display_name)
            return
        link = await links.use_link(connection, self.secrets, one_time.token_hash) if one_time is not None else None
        if link is None or link.purpose != "operator":
            raise Refused("link_over", 410)
        await members.make_operator(connection, identity_id, granted_by="link")

    # --- by a link ---------------------------------------------------------------------------------------------------

    async def request_link(self, email: str, *, from_address: str) -> None:
        """Sends a link to an address that some user has; says nothing of whether one has.

        Raises a 404 (there are providers), 422 or 429 `Problem`.
        """
        if self.providers:
            raise Refused("link_over", 404)
        await rates.count(self.database, rates.BY_ADDRESS, from_address)
        address = checked_email(email, "email")
        await rates.count(self.database, rates.BY_MAILBOX, address.lower())
        await self._sweep_now_and_then()
        async with self.database.as_operator() as connection:
            language = await members.language_of_address(connection, address)
            if language is None:
                return
            text = await links.make_link(connection, self.secrets, "mailbox", address)
            await queue_mail(
                connection,
                self.secrets,
                "link",
                recipient=address,
                language=language,
                values={"url": self.link_url(text)},
                expires_in=links.LIFETIMES["mailbox"],
            )

    async def peek(self, text: str, *, from_address: str) -> Link | Invited:
        """What a link is for, without using it. Raises `Refused` or a 429 `Problem`."""
        await rates.count(self.database, rates.BY_ADDRESS, from_address)
        one_time = parse_one_time(text)
        found: Link | Invited | None = None
        if one_time is not None:
            async with self.database.as_operator() as connection:
                if one_time.mandate_id is not None:
                    found = await peek_invitation(connection, one_time.mandate_id, one_time.token_hash)
                else:
                    found = await links.peek_link(connection, self.secrets, one_time.token_hash)
        if found is None or (isinstance(found, Link) and (found.purpose == "operator") != bool(self.providers)):
            raise Refused("link_over", 410)
        return found

    async def sign_in_by_link(self, text: str, *, former: str | None, from_address: str) -> Arrival:
        """Uses a link up. Raises `Refused`, or a 429 `Problem`.

        Only without providers: where there is one, it alone says who somebody is.
        """
        await rates.count(self.database, rates.BY_ADDRESS, from_address)
        one_time = parse_one_time(text)
        if one_time is None or self.providers:
            raise Refused("link_over", 410)
        async with self.database.as_operator() as connection:
            if one_time.mandate_id is not None:
                invited = await peek_invitation(connection, one_time.mandate_id, one_time.token_hash)
                if invited is None:
                    raise Refused("link_over", 410)
                identity_id = await self._mailbox(connection, invited.email)
                await _accepted(connection, one_time.mandate_id, one_time.token_hash, identity_id, None)
                # After it, so that the invitation finds its user still without an identity.
                await members.link_by_email(connection, identity_id, invited.email, linked_by="mailbox")
            else:
                identity_id = await self._by_link(connection, one_time.token_hash)
            return Arrival(await self._begin_session(connection, identity_id, "link", former), "/")

    async def _by_link(self, connection: Connection, link_hash: bytes) -> UUID:
        link = await links.use_link(connection, self.secrets, link_hash)
        if link is not None and link.mailbox is not None:
            identity_id = await self._mailbox(connection, link.mailbox)
            await members.link_by_email(connection, identity_id, link.mailbox, linked_by="mailbox")
            return identity_id
        if link is None or link.purpose != "console":
            raise Refused("link_over", 410)
        identity_id = await members.seen_identity(connection, members.CONSOLE_ISSUER, members.CONSOLE_SUBJECT, None)
        await members.make_operator(connection, identity_id, granted_by="link")
        return identity_id

    async def _mailbox(self, connection: Connection, address: str) -> UUID:
        subject = members.mailbox_subject(address)
        return await members.seen_identity(connection, members.MAILBOX_ISSUER, subject, None)

    def link_url(self, text: str) -> str:
        return f"{self.public_url}/auth/link?token={text}"

    # --- sessions ----------------------------------------------------------------------------------------------------

    async def _begin_session(self, connection: Connection, identity_id: UUID, provider: str, former: str | None) -> str:
        """Raises `Refused` for who belongs nowhere: then nothing of them is kept."""
        known = await members.memberships(connection, identity_id)
        if not known and not await members.operates(connection, identity_id):
            raise Refused("not_a_member", 403)
        return await sessions.new_session(connection, identity_id, provider, former)

    async def session(self, text: str | None) -> sessions.Session | None:
        if text is None or not is_secret(text):
            return None
        async with self.database.as_operator() as connection:
            return await sessions.find_session(connection, text)

    # --- within ------------------------------------------------------------------------------------------------------

    def _exchange(self, name: str) -> Exchange:
        exchange = self._exchanges.get(name)
        if exchange is None:
            raise Refused("no_provider", 404)
        return exchange

    def _away(self, name: str, error: Exception) -> Refused:
        _log.warning("sign_in_provider_away", provider=name, error=str(error))
        return Refused("provider_away", 503)

    async def _sweep_now_and_then(self) -> None:
        now = self._clock.monotonic_seconds()
        if self._swept_at is None or now - self._swept_at >= SWEPT_EVERY_SECONDS:
            self._swept_at = now
            await sweep(self.database)


async def _accepted(
    connection: Connection, mandate_id: UUID, token_hash: bytes, identity_id: UUID, display_name: str | None
) -> None:
    try:
        await accept_invitation(connection, mandate_id, token_hash, identity_id, display_name)
    except NotAcceptable as error:
        raise Refused(error.code, 409 if error.code == "already_member" else 410) from error


async def first_link(
    database: Database, secrets: Secrets, *, providers: Sequence[Provider], public_url: str
) -> str | None:
    """The link for `bursar serve` to print. Without providers: signs in as the operator, once, within the hour.

    With providers: whoever uses it becomes an operator by signing in; only as long as there is none.
    """
    async with database.as_operator() as connection:
        if providers and (await members.has_operator(connection) or any(provider.operators for provider in providers)):
            return None
    return await operator_link(database, secrets, has_providers=bool(providers), public_url=public_url)


async def operator_link(database: Database, secrets: Secrets, *, has_providers: bool, public_url: str) -> str:
    """A link that makes an operator of whoever uses it: with providers by signing in there, without them by itself."""
    async with database.as_operator() as connection:
        text = await links.make_link(connection, secrets, "operator" if has_providers else "console")
    return f"{public_url}/auth/link?token={text}"
