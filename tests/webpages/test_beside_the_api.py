"""Pages and API share one address: neither stands in the other's way."""

from __future__ import annotations

from dataclasses import replace

from bursar.api_document import api_without_a_database
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.settings import Settings
from bursar.webpages.site import is_page
from tests.identity.test_access import routes_of
from tests.support.management import ROOT_KEY
from tests.support.whole_worker import running_worker


def test_no_route_of_the_api_lies_below_a_page() -> None:
    paths = {route.path for route in routes_of(api_without_a_database())}
    assert len(paths) > 50
    assert {"/auth/link", "/auth/callback/{provider}", "/api/session"} <= paths
    assert [path for path in paths if is_page(path)] == []


ANSWERS = {
    # path                   status, content type                                               whose
    "/": ({200, 503}, "text/html"),  # the pages', built or not
    "/billing?mandate=x": ({200, 503}, "text/html"),
    "/auth/providers": ({200}, "application/json"),
    "/auth/link?token=x": ({410}, "text/html"),
    "/api/openapi.json": ({200}, "application/json"),
    "/api/docs": ({200}, "text/html"),
    "/api/session": ({401}, "application/problem+json"),
    "/v1/models": ({401}, "application/json"),
    "/healthz": ({200}, "application/json"),
    "/nothing": ({404}, "application/problem+json"),
    "/billings": ({404}, "application/problem+json"),
}


async def test_a_worker_answers_each_address_as_what_it_is(
    settings: Settings, database_addresses: DatabaseAddresses
) -> None:
    found = {}
    async with running_worker(replace(settings, root_key=ROOT_KEY), database_addresses) as worker:
        for path in ANSWERS:
            answer = await worker.http.get(path, headers={"authorization": ""})
            has_nonce = "nonce-" in answer.headers.get("content-security-policy", "")
            found[path] = (answer.status_code, answer.headers["content-type"].partition(";")[0], has_nonce)
    for path, (statuses, media_type) in ANSWERS.items():
        status, actual, has_nonce = found[path]
        assert (status in statuses, actual) == (True, media_type), (path, found[path])
        assert has_nonce == is_page(path.partition("?")[0])
