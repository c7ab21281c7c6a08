"""What is answered below `/v1/` where nothing is served, and what clients of Anthropic's API find there."""

from __future__ import annotations

from typing import Any

import anthropic
import pytest

from bursar.app import dispatcher
from bursar.foundation.database import Database
from tests.gateway.scripted import answer, scripted_upstream
from tests.gateway.world import World, open_world, served, upstream

VERSION = {"anthropic-version": "2023-06-01"}
MESSAGE: dict[str, Any] = {"model": "demo-1", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}


async def ask(world: World, method: str, url: str, **headers: str) -> tuple[int, Any, Any]:
    sent = {"authorization": f"Bearer {world.user_key}", **headers}
    async with world.session.request(method, url, headers=sent) as response:
        return response.status, await response.json(), response.headers


NOWHERE = {
    # method, path, headers                            status  in the shape of
    ("GET", "/v1/chat/completions", ()): (405, "openai", "POST"),
    ("POST", "/v1/models", ()): (405, "openai", "GET"),
    ("GET", "/v1/messages", ()): (405, "anthropic", "POST"),
    ("POST", "/v1/images/generations", ()): (404, "openai", None),
    ("POST", "/v1/messages/batches", ()): (404, "anthropic", None),
    ("GET", "/v1/files", tuple(VERSION.items())): (404, "anthropic", None),
}


@pytest.mark.parametrize("asked", NOWHERE, ids=str)
async def test_what_is_not_served_is_answered_in_the_clients_shape_and_not_by_the_pages(
    world: World, asked: tuple[str, str, tuple[tuple[str, str], ...]]
) -> None:
    method, path, headers = asked
    status, shape, allow = NOWHERE[asked]

    async def pages(*_: Any) -> None:
        raise AssertionError("a request below /v1/ came out of the gateway")

    async with served(dispatcher(world.gateway, pages)) as url:
        got, body, answered = await ask(world, method, url + path, **dict(headers))
    assert (got, answered.get("allow")) == (status, allow)
    assert ("type" in body) == (shape == "anthropic")
    assert body["error"]["code"] == {404: "not_found", 405: "method_not_allowed"}[status]
    assert answered["x-request-id"]
    assert ("request-id" in answered) == (shape == "anthropic")


async def test_models_in_the_shape_of_anthropics_api(database: Database, demo_url: str) -> None:
    upstreams = [
        upstream(demo_url, "demo-1", "gpt-4o-mini"),
        upstream(demo_url, "demo-1", "demo-thinks", name="claude", dialect="anthropic", order=2),
    ]
    async with open_world(database, upstreams) as world:
        async with anthropic.AsyncAnthropic(base_url=world.url, api_key=world.user_key) as client:
            page = await client.models.list()
        assert [model.id for model in page.data] == ["demo-1", "demo-thinks"]
        status, body, headers = await ask(world, "GET", world.url + "/v1/models", **VERSION, authorization="Bearer x")
    assert (status, body["type"], body["error"]["type"]) == (401, "error", "authentication_error")
    assert body["request_id"] == headers["request-id"]


async def test_messages_carry_their_id_and_a_version_is_sent_where_there_is_none(database: Database) -> None:
    usage = b'"usage":{"input_tokens":3,"output_tokens":1}'
    body = b'{"type":"message","content":[{"type":"text","text":"Hi"}],' + usage + b"}"
    async with scripted_upstream() as provider:
        provider.script = answer(body, request_id="req_of_the_upstream")
        async with open_world(database, [upstream(provider.url, dialect="anthropic")]) as world:
            await world.top_up("1.00")
            for given, sent in ((None, "2023-06-01"), ("2023-01-01", "2023-01-01")):
                headers = {"x-api-key": world.user_key, **({"anthropic-version": given} if given else {})}
                async with world.session.post(world.url + "/v1/messages", json=MESSAGE, headers=headers) as response:
                    assert response.status == 200, await response.text()
                assert response.headers.getall("request-id") == [response.headers["x-request-id"]]
                assert provider.last.headers["anthropic-version"] == sent
            await world.settled()
