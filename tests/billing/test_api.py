"""What describes the management API: the document and the page."""

from __future__ import annotations

from tests.support.management import Api


async def test_the_document_is_served_and_names_every_refusal(api: Api) -> None:
    answer = await api.get("/api/openapi.json", key=None)
    document = answer.json()
    assert answer.status_code == 200
    for path, item in document["paths"].items():
        for verb, operation in item.items():
            responses = operation["responses"]
            assert {"401", "403", "404", "422", "503"} <= set(responses), (verb, path)
            assert "HTTPValidationError" not in str(responses)
            by_session = path in ("/api/session", "/api/session/language") or path.startswith("/auth/sign-out")
            ways = ["session"] if by_session else [] if path.startswith("/auth/") else ["key", "session"]
            assert operation.get("security", []) == [{way: []} for way in ways], (verb, path)
    top_ups = document["paths"]["/api/mandates/{mandateId}/top-ups"]["post"]
    header = next(each for each in top_ups["parameters"] if each["name"] == "Idempotency-Key")
    assert header["required"] is True
    assert "Problem" in document["components"]["schemas"]


async def test_names_on_the_wire_are_camel_case(api: Api) -> None:
    schemas = (await api.get("/api/openapi.json")).json()["components"]["schemas"]
    names = {name for schema in schemas.values() for name in schema.get("properties", {})}
    assert [name for name in names if "_" in name] == []


async def test_the_page_shows_every_route_without_asking_anybody_else(api: Api) -> None:
    page = (await api.get("/api/docs", key=None)).text
    document = (await api.get("/api/openapi.json")).json()
    for path in document["paths"]:
        assert path in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
