"""Management of mandates over HTTP."""

from __future__ import annotations

from tests.support.management import Api, assert_problem


async def test_a_mandate_is_made_read_and_listed(api: Api) -> None:
    body = {"name": "Helvetia", "currency": "EUR", "billingModel": "PREPAY_USER", "language": "fr"}
    answer = await api.post("/api/mandates", {**body, "timeZone": "Europe/Paris"})
    assert answer.status_code == 201
    made = answer.json()
    assert {name: made[name] for name in body} == body
    assert (made["status"], made["timeZone"]) == ("active", "Europe/Paris")
    assert made["createdAt"].endswith("Z")
    assert answer.headers["location"] == f"/api/mandates/{made['id']}"
    assert (await api.get(answer.headers["location"])).json() == made
    assert (await api.get("/api/mandates")).json() == {"mandates": [made], "nextCursor": None}


async def test_pages_of_mandates_meet_without_gap_or_repetition(api: Api) -> None:
    names = [f"Mandate {number}" for number in range(7)]
    for name in names:
        await api.mandate(name)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        params = {"limit": "3"} | ({"cursor": cursor} if cursor else {})
        page = (await api.get("/api/mandates", params=params)).json()
        seen += [mandate["name"] for mandate in page["mandates"]]
        cursor = page["nextCursor"]
        if cursor is None:
            break
    assert seen == names


async def test_a_mandate_changes_what_is_given_and_never_its_currency(api: Api) -> None:
    mandate = await api.mandate()
    changed = await api.call("PATCH", mandate, {"name": "Neu", "timeZone": "UTC", "status": "suspended"})
    assert changed.status_code == 200
    assert changed.json() == {
        **(await api.get(mandate)).json(),
        "name": "Neu",
        "timeZone": "UTC",
        "status": "suspended",
    }
    assert_problem(await api.call("PATCH", mandate, {"currency": "USD"}), 422, "invalid_request", "currency")


async def test_a_change_based_on_something_old_is_refused(api: Api) -> None:
    mandate = await api.mandate()
    etag = (await api.get(mandate)).headers["etag"]
    first = await api.call("PATCH", mandate, {"name": "A"}, headers={"If-Match": etag})
    assert first.status_code == 200
    for stale in (etag, '"nonsense"', f"W/{etag}"):
        answer = await api.call("PATCH", mandate, {"name": "B"}, headers={"If-Match": stale})
        assert_problem(answer, 412, "changed_meanwhile", "If-Match")
    again = await api.call("PATCH", mandate, {"name": "C"}, headers={"If-Match": first.headers["etag"]})
    assert again.json()["name"] == "C"


NOT_ACCEPTABLE: list[tuple[dict[str, object], str]] = [
    ({}, "name"),
    ({"name": ""}, "name"),
    ({"name": "   "}, "name"),
    ({"name": "x" * 301}, "name"),
    ({"name": "two\nlines"}, "name"),
    ({"name": 7}, "name"),
    ({"name": "x", "currency": "Franken"}, "currency"),
    ({"name": "x", "language": "rm"}, "language"),
    ({"name": "x", "timeZone": "Europe/Bern"}, "timeZone"),
    ({"name": "x", "billingModel": "FREE"}, "billingModel"),
    ({"name": "x", "billingModel": "POSTPAY"}, "creditLimit"),
    ({"name": "x", "creditLimit": 5.5}, "creditLimit"),
    ({"name": "x", "creditLimit": "-1"}, "creditLimit"),
    ({"name": "x", "colour": "red"}, "colour"),
]


async def test_what_is_not_acceptable_is_named(api: Api) -> None:

    for body, field in NOT_ACCEPTABLE:
        assert_problem(await api.post("/api/mandates", body), 422, "invalid_request", field)


async def test_a_postpaid_mandate_has_its_credit_line_from_the_start(api: Api) -> None:
    mandate = await api.mandate(billingModel="POSTPAY", creditLimit="50")
    assert (await api.balance(mandate))["available"] == "50.000000000"


async def test_a_body_that_is_no_json_is_a_400(api: Api) -> None:
    answer = await api.call("POST", "/api/mandates", content=b"{", headers={"Content-Type": "application/json"})
    assert_problem(answer, 400, "invalid_json", "body")


async def test_a_body_without_end_is_a_413(api: Api) -> None:
    content = b'{"name": "' + b"x" * 1_100_000 + b'"}'
    answer = await api.call("POST", "/api/mandates", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


async def test_without_a_good_key_nobody_is_anybody(api: Api) -> None:
    for header in (None, "", "Bearer", "Bearer burroot_wrong", "Bearer bur_wrong", "Bearer é", "Bearer " + "x" * 2000):
        headers = {} if header is None else {b"Authorization": header.encode()}
        answer = await api.http.get("/api/mandates", headers=headers)
        assert_problem(answer, 401, "unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_mandate_that_is_not_there_is_a_404(api: Api) -> None:
    for wrong in ("b9f2a1c4-6d0e-4f0a-9c55-1d2e3f4a5b6c", "nonsense", "0"):
        assert_problem(await api.get(f"/api/mandates/{wrong}"), 404, "not_found")
        assert_problem(await api.get(f"/api/mandates/{wrong}/balance"), 404, "not_found")


async def test_every_answer_has_a_request_id(api: Api) -> None:
    good, bad = await api.get("/api/mandates"), await api.get("/api/mandates/none")
    assert good.headers["x-request-id"] != bad.headers["x-request-id"]


async def test_an_unknown_route_is_a_problem_too(api: Api) -> None:
    assert_problem(await api.get("/api/nothing"), 404, "not_found")
    assert_problem(await api.call("PUT", "/api/mandates", {}), 405, "method_not_allowed")


async def test_when_the_database_is_away_it_is_a_503(api: Api) -> None:
    await api.database.app_pool.close()
    answer = await api.get("/api/mandates")
    assert_problem(answer, 503, "ledger_unavailable")
    assert int(answer.headers["retry-after"]) > 0
