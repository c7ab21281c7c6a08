"""The door of the management API: who is calling, and may they.

Every route names its action by a guard: `may` inside of a mandate, `may_operate` across mandates,
`sign_in.caller.signed_in` about a session, `open_to_all` for what is public.

First the key, then the mandate, then the action: what belongs to another mandate is unknown (404) before anything else
is said about it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Path
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.requests import Request

from bursar.foundation.origin import acting_as
from bursar.foundation.problems import Problem
from bursar.identity.access import PUBLIC, Action, Reach, not_found, own_user_id, rank_of, reach
from bursar.identity.lookup import as_uuid
from bursar.identity.principal import Caller, MandateFacts, Person
from bursar.identity.sign_in.caller import SESSION_COOKIE, caller_by_session
from bursar.identity.wiring import wiring_of

_BEARER: Final = HTTPBearer(
    auto_error=False, scheme_name="key", description="The root key, an admin key, or for holds a service key."
)
LONGEST_KEY: Final = 512


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who works across mandates."""

    caller: Caller
    action: Action


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who works inside of one mandate, and may do what the route is for."""

    caller: Caller
    mandate: MandateFacts
    action: Action
    reach: Reach

    @property
    def is_operator(self) -> bool:
        return rank_of(self.caller) == "operator"

    @property
    def actor(self) -> str:
        return self.caller.actor

    @property
    def own_user_id(self) -> UUID | None:
        """The user that the visitor is confined to; `None` for who may see all."""
        return own_user_id(self.caller, self.reach)

    @property
    def person(self) -> Person:
        """Who it is, where the action is one of people's; a `ValueError` elsewhere, for a key that names nobody."""
        if self.caller.person is None:
            raise ValueError("nobody in person")
        return self.caller.person

    def require(self, action: Action, field: str) -> None:
        """For a field that is another action than its route. Raises a 403 `Problem` that names it."""
        reach(self.caller, action, field)


async def authenticated(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_BEARER)],
    _: Annotated[str | None, Depends(SESSION_COOKIE)],
) -> Caller:
    """Whoever presents a key, or else a session's cookie. Raises a 401 `Problem`; by cookie a 403 or 404, too."""
    key = credentials.credentials if credentials is not None else ""
    caller = await caller_by_session(request) if credentials is None else None
    if 0 < len(key) <= LONGEST_KEY:
        caller = await wiring_of(request).authenticator.authenticate(key)
    if caller is None:
        detail = "This key is unknown, revoked or expired." if key else "Send a key: Authorization: Bearer …"
        raise Problem(401, "unauthorized", "Who is calling?", detail, headers={"www-authenticate": "Bearer"})
    acting_as(caller.actor)
    return caller


Authenticated = Annotated[Caller, Depends(authenticated)]
MandateId = Annotated[str, Path(alias="mandateId", description="The mandate.", json_schema_extra={"format": "uuid"})]


def may_operate(action: Action) -> Callable[[Caller], Awaitable[Operator]]:
    """The guard of a route across mandates."""

    async def guard(caller: Authenticated) -> Operator:
        reach(caller, action)
        return Operator(caller, action)

    guard.action = action  # type: ignore[attr-defined]
    return guard


def may(action: Action) -> Callable[[Request, Caller, str], Awaitable[Visitor]]:
    """The guard of a route inside of a mandate."""

    async def guard(request: Request, caller: Authenticated, mandate_id: MandateId) -> Visitor:
        wanted = as_uuid(mandate_id)
        if caller.mandate is not None:
            if wanted != caller.mandate.mandate_id:
                raise not_found()
            mandate: MandateFacts | None = caller.mandate
        else:
            mandate = await wiring_of(request).authenticator.mandate(wanted) if wanted is not None else None
        if mandate is None:
            raise not_found()
        return Visitor(caller, mandate, action, reach(caller, action))

    guard.action = action  # type: ignore[attr-defined]
    return guard


def open_to_all(action: Action) -> Callable[[], Awaitable[None]]:
    """The guard of a route that asks for no key. Raises a `ValueError` for an action that is not open to everybody."""
    if action not in PUBLIC:
        raise ValueError(f"not everybody may {action.value}")

    async def guard() -> None:
        return None

    guard.action = action  # type: ignore[attr-defined]
    return guard


def as_id(text: str, what: str) -> UUID:
    """An id from a path. Raises a 404 `Problem`: what is no id is the id of nothing."""
    found = as_uuid(text)
    if found is None:
        raise not_found(what)
    return found


def if_match(request: Request) -> int | None:
    """The version that a change is based on; `None` where the caller does not say, or takes any.

    What is no version of ours cannot be the newest: it is minus one, which nothing has.
    """
    text = request.headers.get("if-match", "*").strip()
    if text == "*":
        return None
    inner = text[1:-1] if len(text) > 2 and text[0] == text[-1] == '"' else ""
    return int(inner) if inner.isascii() and inner.isdigit() and len(inner) < 19 else -1


def etag(version: int) -> str:
    return f'"{version}"'
