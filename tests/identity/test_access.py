"""The table of roles and actions, held against every route, every role, and a neighbour."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from bursar.billing import routes as billing_routes
from bursar.identity import routes as identity_routes
from bursar.identity.access import MAY, RANKS, Action
from tests.support.management import ROOT_KEY, Api, assert_problem

NOBODY = "b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c"


def actions_of(dependant: Dependant) -> Iterator[Action]:
    for each in dependant.dependencies:
        action = getattr(each.call, "action", None)
        if action is not None:
            yield action
        yield from actions_of(each)


def _flat(router: APIRouter) -> Iterator[APIRoute]:
    for route in router.routes:
        if isinstance(route, APIRoute):
            yield route
        else:
            yield from _flat(route.original_router)  # type: ignore[attr-defined]


ROUTES = [
    (method, route.path, tuple(actions_of(route.dependant)))
    for router in (identity_routes.router, billing_routes.router)
    for route in _flat(router)
    for method in sorted(route.methods or ())
]


def test_every_route_names_exactly_one_action() -> None:
    assert len(ROUTES) >= 30
    assert [each for each in ROUTES if len(each[2]) != 1] == []


def test_every_action_but_those_of_single_fields_has_a_route() -> None:
    of_fields = {Action.SET_MANDATE_STATUS, Action.CHANGE_TERMS, Action.CHANGE_MANDATE_KEYS}
    assert {action for _, _, actions in ROUTES for action in actions} == set(Action) - of_fields


def test_the_table_is_the_contract_s() -> None:
    """Money is made by operators only; a member sees their own; a service key holds and settles."""
    table = {action: {rank: MAY[action].get(rank, "-") for rank in RANKS} for action in Action}
    assert set(MAY) == set(Action)
    for action in (Action.MAKE_MONEY, Action.CHANGE_TERMS, Action.CREATE_MANDATE, Action.SET_MANDATE_STATUS):
        assert list(table[action].values()) == ["all", "-", "-", "-", "-"]
    for action in (Action.READ_BALANCE, Action.READ_JOURNAL):
        assert list(table[action].values()) == ["all", "all", "all", "own", "-"]
    for action in (Action.MOVE_MONEY, Action.CHANGE_LIMITS, Action.READ_HOLDS, Action.READ_NOTICES):
        assert list(table[action].values()) == ["all", "all", "all", "-", "-"]
    for action in (Action.CHANGE_USERS, Action.RENAME_MANDATE, Action.CHANGE_MANDATE_KEYS):
        assert list(table[action].values()) == ["all", "all", "-", "-", "-"]
    assert list(table[Action.HOLD_MONEY].values()) == ["all", "all", "-", "-", "all"]
    assert [action for action in Action if table[action]["service"] != "-"] == [Action.HOLD_MONEY]


@pytest.fixture
async def keys(api: Api) -> dict[str, str]:
    """One key per rank of one mandate, a user key, and a neighbour's owner; and the mandate's path."""
    mandate = await api.mandate()
    keys = {rank: (await api.person_key(mandate, rank))[1] for rank in ("owner", "finance", "member")}
    keys["user"] = await api.key(mandate, "user", await api.user(mandate, "somebody"))
    keys["service"] = await api.key(mandate, "service")
    keys["operator"] = ROOT_KEY
    keys["neighbour"] = await api.key(await api.mandate("Neighbour"), "admin")
    return {**keys, "mandate": mandate}


async def test_every_route_lets_in_whom_the_table_says(api: Api, keys: dict[str, str]) -> None:
    """Bodies are empty and ids unknown: what matters is who is stopped at the door (401, 403, 404 of the mandate)."""
    mandate = keys["mandate"].rsplit("/", 1)[1]
    for method, path, (action,) in ROUTES:
        wanted = path.replace("{mandateId}", mandate)
        for name in ("{userId}", "{keyId}", "{holdId}", "{limitId}", "{voucherId}", "{transferId}"):
            wanted = wanted.replace(name, NOBODY)
        body: dict[str, str] | None = {} if method in ("POST", "PATCH", "PUT") else None
        across_mandates = "{mandateId}" not in path
        for rank in RANKS:
            answer = await api.call(method, wanted, body, key=keys[rank])
            expected = rank in MAY[action]
            assert (answer.status_code != 403) == expected, (method, path, rank, answer.text)
            assert answer.status_code < 500, (method, path, rank, answer.text)
        assert_problem(await api.call(method, wanted, body, key=keys["user"]), 403, "forbidden")
        assert_problem(await api.call(method, wanted, body, key=None), 401, "unauthorized")
        stopped = await api.call(method, wanted, body, key=keys["neighbour"])
        unknown = await api.call(method, wanted.replace(mandate, NOBODY), body, key=keys["neighbour"])
        if across_mandates:
            assert_problem(stopped, 403, "forbidden")
        else:
            assert stopped.json() == unknown.json(), "a neighbour's mandate is as unknown as none at all"
            assert_problem(stopped, 404, "not_found")


async def test_status_is_the_operator_s_though_owners_may_rename(api: Api, keys: dict[str, str]) -> None:
    mandate = keys["mandate"]
    renamed = await api.call("PATCH", mandate, {"name": "Neu", "status": "active"}, key=keys["owner"])
    assert renamed.status_code == 200
    refused = await api.call("PATCH", mandate, {"status": "suspended"}, key=keys["owner"])
    assert_problem(refused, 403, "forbidden", "status")
    plain_admin = await api.key(mandate, "admin")
    assert (await api.call("PATCH", mandate, {"name": "N"}, key=plain_admin)).status_code == 200


async def test_a_changed_role_changes_what_an_admin_key_may(api: Api, keys: dict[str, str]) -> None:
    mandate = keys["mandate"]
    user_id, key = await api.person_key(mandate, "member", "climber")
    assert_problem(await api.get(f"{mandate}/users", key=key), 403, "forbidden")
    await api.call("PATCH", f"{mandate}/users/{user_id}", {"role": "owner"})
    assert (await api.get(f"{mandate}/users", key=key)).status_code == 200
