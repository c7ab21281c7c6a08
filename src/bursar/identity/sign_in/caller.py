"""A session as a caller of the management API: an operator, or who somebody is in the mandate of the path."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Depends
from fastapi.security import APIKeyCookie
from starlette.requests import Request

from bursar.foundation.origin import acting_as
from bursar.foundation.problems import Problem
from bursar.identity.access import Action, not_found
from bursar.identity.lookup import as_uuid
from bursar.identity.principal import Caller
from bursar.identity.sign_in import members
from bursar.identity.sign_in.browser import CSRF_HEADER, SAFE_METHODS, Cookies, is_from_elsewhere
from bursar.identity.sign_in.desk import SignIn
from bursar.identity.sign_in.sessions import Session
from bursar.identity.sign_in.tokens import is_csrf_token
from bursar.identity.wiring import wiring_of

SESSION_COOKIE: Final = APIKeyCookie(
    name="bursar_session",
    auto_error=False,
    scheme_name="session",
    description="Signed in (behind TLS: `__Host-bursar_session`); changes need the header `x-csrf-token` as well.",
)
MANDATE_PARAMETER: Final = "mandateId"


def sign_in_of(request: Request) -> SignIn:
    """Raises a 404 `Problem` in an application that nobody can sign in to."""
    found = wiring_of(request).sign_in
    if found is None:
        raise Problem(404, "not_found", "Not found", "Nobody can sign in here.")
    return found


async def present_session(request: Request) -> Session:
    """The session of the request's cookie, and a change is meant. Raises a 401 or 403 `Problem`."""
    sign_in = sign_in_of(request)
    session = await sign_in.session(Cookies(sign_in.public_url).session_of(request))
    if session is None:
        raise Problem(401, "unauthorized", "Who is calling?", "You are not signed in, or no longer: sign in.")
    if request.method not in SAFE_METHODS:
        _check_meant(request, session, sign_in.public_url)
    return session


async def signed_in(request: Request, _: Annotated[str | None, Depends(SESSION_COOKIE)]) -> Session:
    """The guard of a route about a session: that of the cookie. Raises a 401 or 403 `Problem`."""
    session = await present_session(request)
    acting_as(f"identity:{session.identity_id}")
    return session


signed_in.action = Action.OWN_SESSION  # type: ignore[attr-defined]
SignedIn = Annotated[Session, Depends(signed_in)]


async def caller_by_session(request: Request) -> Caller | None:
    """Who is calling by cookie; `None` without a cookie. Raises a 401, 403 or 404 `Problem`."""
    wiring = wiring_of(request)
    if wiring.sign_in is None or Cookies(wiring.sign_in.public_url).session_of(request) is None:
        return None
    session = await present_session(request)
    mandate_id = as_uuid(request.path_params.get(MANDATE_PARAMETER, ""))
    person = None
    if mandate_id is not None:
        async with wiring.sign_in.database.as_mandate(mandate_id) as connection:
            person = await members.person_in(connection, mandate_id, session.identity_id)
    if session.operates:
        # An operator may be a user of the mandate as well, and then has an inbox and a wallet there.
        return Caller("session", None, None, None, person, session.identity_id, operates=True)
    if MANDATE_PARAMETER not in request.path_params:
        raise Problem(403, "forbidden", "You may not do this", "Only an operator may do this.")
    mandate = await wiring.authenticator.mandate(mandate_id) if mandate_id is not None and person is not None else None
    if person is None or mandate is None:
        raise not_found()
    return Caller("session", mandate, None, None, person, session.identity_id)


def _check_meant(request: Request, session: Session, public_url: str) -> None:
    """A browser sends cookies whoever asks it to: a change needs what only our own pages know."""
    if is_from_elsewhere(request, public_url):
        raise Problem(403, "cross_site", "Not from here", "A change by session comes from Bursar's own pages only.")
    if not is_csrf_token(session.text, request.headers.get(CSRF_HEADER)):
        detail = f"A change by session needs the header {CSRF_HEADER}, as GET /api/session says it."
        raise Problem(403, "csrf", "Not known to be meant", detail)
