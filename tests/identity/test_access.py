"""The table of roles and actions, held against every route of the composed application, every role, and a neighbour.

A new route is found by itself: it names its action by a guard (`identity.entrance`), the table says who may, and the
walk below tries. Nothing has to be added here for it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, NamedTuple

import httpx
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bursar.foundation.database import Database
from bursar.identity.access import BY_SESSION, MAY, OF_PEOPLE, PUBLIC, RANKS, Action
from bursar.identity.documented import refusals
from tests.support.management import ROOT_KEY, Api, Headers, assert_problem, mandate_id_of, running_api

NOBODY = "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"
CHANGES = ("POST", "PATCH", "PUT", "DELETE")


class Route(NamedTuple):
    method: str
    path: str
    actions: tuple[Action, ...]

    @property
    def is_of_a_mandate(self) -> bool:
        return "{mandateId}" in self.path

    def of(self, mandate: str) -> str:
        """Its path in a mandate; whatever else is named there does not exist."""
        return re.sub(r"\{\w+\}", NOBODY, self.path.replace("{mandateId}", str(mandate_id_of(mandate))))


def actions_of(dependant: Dependant) -> Iterator[Action]:
    for each in dependant.dependencies:
        action = getattr(each.call, "action", None)
        if action is not None:
            yield action
        yield from actions_of(each)


def _flat(routes: Any) -> Iterator[APIRoute]:
    for route in routes:
        if isinstance(route, APIRoute):
            yield route
        elif hasattr(route, "original_router"):
            yield from _flat(route.original_router.routes)


def routes_of(app: FastAPI) -> list[Route]:
    return [
        Route(method, route.path, tuple(actions_of(route.dependant)))
        for route in _flat(app.routes)
        for method in sorted(route.methods or ())
    ]


def test_every_route_names_exactly_one_action(api: Api) -> None:
    routes = routes_of(api.app)
    assert len(routes) >= 70
    assert [each for each in routes if len(each.actions) != 1] == []


def test_every_action_but_those_of_single_fields_has_a_route(api: Api) -> None:
    of_fields = {Action.SET_MANDATE_STATUS, Action.CHANGE_TERMS, Action.CHANGE_MANDATE_KEYS}
    assert {action for route in routes_of(api.app) for action in route.actions} == set(Action) - of_fields


def test_the_table_is_the_contract_s() -> None:
    """Money is made by operators only; a member sees their own; a service key holds and settles."""
    table = {action: {rank: MAY[action].get(rank, "-") for rank in RANKS} for action in Action}
    assert set(MAY) == set(Action)
    for action in (Action.MAKE_MONEY, Action.CHANGE_TERMS, Action.CREATE_MANDATE, Action.SET_MANDATE_STATUS):
        assert list(table[action].values()) == ["all", "-", "-", "-", "-"]
    for action in (Action.READ_OPERATORS, Action.CHANGE_OPERATORS):
        assert list(table[action].values()) == ["all", "-", "-", "-", "-"]
    for action in (Action.READ_BALANCE, Action.READ_JOURNAL):
        assert list(table[action].values()) == ["all", "all", "all", "own", "-"]
    for action in (Action.MOVE_MONEY, Action.CHANGE_LIMITS, Action.READ_HOLDS, Action.READ_NOTICES):
        assert list(table[action].values()) == ["all", "all", "all", "-", "-"]
    for action in (Action.CHANGE_USERS, Action.RENAME_MANDATE, Action.CHANGE_MANDATE_KEYS):
        assert list(table[action].values()) == ["all", "all", "-", "-", "-"]
    assert list(table[Action.HOLD_MONEY].values()) == ["all", "all", "-", "-", "all"]
    assert [action for action in set(Action) - PUBLIC if table[action]["service"] != "-"] == [Action.HOLD_MONEY]
    assert {Action.SIGN_IN, Action.TELL_PAYMENT, Action.READ_DESCRIPTION} == PUBLIC


class People(NamedTuple):
    """One of each rank in one mandate, by key and signed in; somebody with a user key; and a neighbour's owner."""

    mandate: str
    keys: Mapping[str, str]
    users: Mapping[str, str]
    neighbour_mandate: str
    neighbour: str


@pytest.fixture
async def people(api: Api) -> People:
    mandate = await api.mandate()
    of_people = {rank: await api.person_key(mandate, rank) for rank in ("owner", "finance", "member")}
    keys = {rank: key for rank, (_, key) in of_people.items()}
    keys["user"] = await api.key(mandate, "user", await api.user(mandate, "somebody"))
    keys["service"] = await api.key(mandate, "service")
    keys["operator"] = ROOT_KEY
    elsewhere = await api.mandate("Neighbour")
    neighbour, keys["neighbour"] = await api.person_key(elsewhere, "owner")
    return People(mandate, keys, {rank: user for rank, (user, _) in of_people.items()}, elsewhere, neighbour)


async def ask(api: Api, route: Route, mandate: str, key: str | None, headers: Headers | None = None) -> httpx.Response:
    """Bodies are empty and ids unknown: what matters is who is stopped at the door (401, 403, 404 of the mandate)."""
    body: dict[str, str] | None = {} if route.method in ("POST", "PATCH", "PUT") else None
    return await api.call(route.method, route.of(mandate), body, key=key, headers=headers)


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    """Streams of events are taken for answered as soon as they begin: they have no end."""
    async with (
        running_api(database) as api,
        httpx.AsyncClient(
            transport=httpx.ASGITransport(beginnings(api.app), raise_app_exceptions=False),
            base_url="http://bursar.test",
        ) as http,
    ):
        api.http = http
        yield api


def beginnings(app: ASGIApp) -> ASGIApp:
    async def cut(scope: Scope, receive: Receive, send: Send) -> None:
        begun = asyncio.Event()

        async def send_first(message: Message) -> None:
            headers = dict(message.get("headers", []))
            await send(message)
            if headers.get(b"content-type", b"").startswith(b"text/event-stream"):
                begun.set()

        answering = asyncio.ensure_future(app(scope, receive, send_first))
        beginning = asyncio.create_task(begun.wait())
        await asyncio.wait((answering, beginning), return_when=asyncio.FIRST_COMPLETED)
        beginning.cancel()
        if begun.is_set():
            answering.cancel()
            await asyncio.wait((answering,))
            await send({"type": "http.response.body", "body": b""})
        else:
            await answering

    return cut


def assert_let_in(answer: httpx.Response, expected: bool, *where: object) -> None:
    assert (answer.status_code not in (401, 403)) == expected, (*where, answer.text)
    assert answer.status_code < 500, (*where, answer.text)


async def test_every_route_lets_in_the_keys_that_the_table_says(api: Api, people: People) -> None:
    for route in routes_of(api.app):
        (action,) = route.actions
        for rank in RANKS:
            is_open = rank in MAY[action] and action not in BY_SESSION
            assert_let_in(await ask(api, route, people.mandate, people.keys[rank]), is_open, route, rank)
        nobody = await ask(api, route, people.mandate, None)
        user_key = await ask(api, route, people.mandate, people.keys["user"])
        if action in PUBLIC:
            assert_let_in(nobody, True, route)
            assert_let_in(user_key, True, route)
            continue
        assert_problem(nobody, 401, "unauthorized")
        if action in BY_SESSION:
            assert_problem(user_key, 401, "unauthorized")
            continue
        assert_problem(user_key, 403, "forbidden")
        await assert_stopped(api, route, people, key=people.keys["neighbour"])


async def test_every_route_lets_in_the_sessions_that_the_table_says(api: Api, people: People) -> None:
    """A session for each request: some of these routes end theirs."""

    async def signed_in(rank: str) -> Headers:
        if rank == "operator":
            return await api.signed_in(operates=True)
        return await api.signed_in(people.mandate, people.users[rank])

    for route in routes_of(api.app):
        (action,) = route.actions
        if action in PUBLIC:
            continue
        for rank in ("operator", "owner", "finance", "member"):
            answer = await ask(api, route, people.mandate, None, await signed_in(rank))
            assert_let_in(answer, rank in MAY[action], route, rank)
        if route.method in CHANGES:
            session = await signed_in("owner")
            unmeant = {name: value for name, value in session.items() if name != "x-csrf-token"}
            assert_problem(await ask(api, route, people.mandate, None, unmeant), 403, "csrf")
            forged = {**session, "x-csrf-token": (await signed_in("finance"))["x-csrf-token"]}
            assert_problem(await ask(api, route, people.mandate, None, forged), 403, "csrf")
            elsewhere = {**session, "origin": "https://evil.example"}
            assert_problem(await ask(api, route, people.mandate, None, elsewhere), 403, "cross_site")
        if action not in BY_SESSION:
            neighbour = await api.signed_in(people.neighbour_mandate, people.neighbour)
            await assert_stopped(api, route, people, headers=neighbour)


async def assert_stopped(
    api: Api, route: Route, people: People, key: str | None = None, headers: Headers | None = None
) -> None:
    """A neighbour's mandate is as unknown as none at all."""
    stopped = await ask(api, route, people.mandate, key, headers)
    if not route.is_of_a_mandate:
        assert_problem(stopped, 403, "forbidden")
        return
    unknown = await ask(api, route, f"/api/mandates/{NOBODY}", key, headers)
    assert stopped.json() == unknown.json(), route
    assert_problem(stopped, 404, "not_found")


async def test_what_is_of_people_wants_a_person(api: Api, people: People) -> None:
    nameless = await api.key(people.mandate, "admin")
    for route in routes_of(api.app):
        if route.actions[0] in OF_PEOPLE:
            assert_problem(await ask(api, route, people.mandate, nameless), 403, "forbidden")


async def test_an_operator_is_also_the_user_that_they_are(api: Api, people: People) -> None:
    """What is one's own is theirs where they belong; elsewhere they work as an operator and nothing else."""
    session = await api.signed_in(people.mandate, people.users["member"], operates=True)
    inbox = f"{people.mandate}/inbox"
    assert (await api.get(inbox, key=None, headers=session)).status_code == 200
    assert (await api.get(f"{people.mandate}/balance", key=None, headers=session)).json()["accounts"]
    assert (await api.get("/api/mandates", key=None, headers=session)).status_code == 200
    elsewhere = await api.get(f"{people.neighbour_mandate}/inbox", key=None, headers=session)
    assert_problem(elsewhere, 403, "forbidden")


async def test_every_route_documents_its_refusals(api: Api) -> None:
    paths = (await api.get("/api/openapi.json", key=None)).json()["paths"]
    for path, item in paths.items():
        for verb, operation in item.items():
            assert {str(status) for status in refusals()} <= set(operation["responses"]), (verb, path)


async def test_status_is_the_operator_s_though_owners_may_rename(api: Api, people: People) -> None:
    mandate, owner = people.mandate, people.keys["owner"]
    renamed = await api.call("PATCH", mandate, {"name": "Neu", "status": "active"}, key=owner)
    assert renamed.status_code == 200
    refused = await api.call("PATCH", mandate, {"status": "suspended"}, key=owner)
    assert_problem(refused, 403, "forbidden", "status")
    plain_admin = await api.key(mandate, "admin")
    assert (await api.call("PATCH", mandate, {"name": "N"}, key=plain_admin)).status_code == 200


async def test_a_changed_role_changes_what_an_admin_key_may(api: Api, people: People) -> None:
    mandate = people.mandate
    user_id, key = await api.person_key(mandate, "member", "climber")
    assert_problem(await api.get(f"{mandate}/users", key=key), 403, "forbidden")
    await api.call("PATCH", f"{mandate}/users/{user_id}", {"role": "owner"})
    assert (await api.get(f"{mandate}/users", key=key)).status_code == 200
