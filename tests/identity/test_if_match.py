"""A change that says what it is based on is refused if something newer is there: on every route that changes things."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tests.support.management import Api, assert_problem

WITHOUT = {"/api/session/language", "/api/mandates/{mandateId}/threads/{threadId}"}
"""One's own choice, and the name of one's own thread: the last one counts."""


class Thing(NamedTuple):
    """How it is made (a path below the mandate, and with what), how it is changed, and whether it can be deleted."""

    path: str
    body: dict[str, Any] | None
    method: str
    change: dict[str, Any]
    can_be_deleted: bool


THINGS = {
    "mandate": Thing("", None, "PATCH", {"name": "New"}, False),
    "billing settings": Thing("/billing-settings", None, "PUT", {"notifyCooldownSeconds": 60}, False),
    "notice settings": Thing("/notice-settings", None, "PUT", {"runningOutHours": 5}, False),
    "user": Thing("/users", {"email": "a@example.com"}, "PATCH", {"displayName": "A"}, True),
    "key": Thing("/keys", {"kind": "service", "name": "x"}, "PATCH", {"name": "y"}, True),
    "limit": Thing("/limits", {"scope": "mandate", "period": "day", "amount": "1"}, "PATCH", {"amount": "2"}, True),
}


@pytest.mark.parametrize("name", THINGS)
async def test_a_change_of_what_has_changed_meanwhile_is_refused(api: Api, name: str) -> None:
    thing = THINGS[name]
    path = await api.mandate() + thing.path
    if thing.body is not None:
        path += "/" + str((await api.made(path, thing.body))["id"])
    read = (await api.get(path)).headers["etag"]
    first = await api.call(thing.method, path, thing.change, headers={"If-Match": read})
    assert first.status_code == 200, first.text
    newest = first.headers["etag"]
    assert newest != read
    late = await api.call(thing.method, path, thing.change, headers={"If-Match": read})
    assert_problem(late, 412, "changed_meanwhile", "If-Match")
    assert (await api.get(path)).headers["etag"] == newest
    if thing.can_be_deleted:
        assert_problem(await api.call("DELETE", path, headers={"If-Match": read}), 412, "changed_meanwhile", "If-Match")
        assert (await api.call("DELETE", path, headers={"If-Match": newest})).status_code == 204


async def test_every_route_that_changes_a_thing_takes_if_match(api: Api) -> None:
    paths = (await api.get("/api/openapi.json", key=None)).json()["paths"]
    changing = {
        (verb, path): operation
        for path, item in paths.items()
        for verb, operation in item.items()
        if verb in ("put", "patch") and path not in WITHOUT
    }
    assert len(changing) >= len(THINGS)
    for where, operation in changing.items():
        assert "If-Match" in {each["name"] for each in operation.get("parameters", [])}, where
        assert "412" in operation["responses"], where
