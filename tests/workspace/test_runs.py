"""A run from its first event to its last: tools and documents, what it costs, and everybody who may follow it."""

from __future__ import annotations

from decimal import Decimal
from uuid import uuid4

from tests.support.management import assert_problem
from tests.workspace.conftest import Installation
from tests.workspace.world import LEASE, Person, Stream, new_person

ENDLESS = "A very long story [[tokens=6000 chunk_tokens=4 chunk_delay_ms=20]]"
SLOW = "A long story [[tokens=400 chunk_tokens=4 chunk_delay_ms=20]]"


def assert_in_order(stream: Stream) -> None:
    assert [each.number for each in stream.events] == list(range(1, len(stream.events) + 1))
    assert stream.types[0] == "RUN_STARTED"
    assert [type_ for type_ in stream.types if type_ in ("RUN_FINISHED", "RUN_ERROR")] == [stream.types[-1]]
    assert stream.types.count("STEP_STARTED") == stream.types.count("STEP_FINISHED")


def test_an_agent_looks_into_a_document_and_pays_every_step(house: Installation) -> None:
    anna = house.person()
    thread = anna.thread()
    assert anna.upload(thread, "lease.md", LEASE).status_code == 201
    before = house.upstream_calls()
    stream = anna.run(thread, "What is the rent a month?", "run-1")
    assert_in_order(stream)
    tools = [each.event["toolCallName"] for each in stream.of("TOOL_CALL_START")]
    assert tools == ["list_documents", "search_documents", "read_document"]
    assert len(stream.of("TOOL_CALL_RESULT")) == 3
    assert "The rent is 1250 francs a month" in stream.text
    assert "lease.md, page 1" in stream.text

    charges = anna.mandate.charges()
    assert len(charges) == house.upstream_calls() - before == 4
    steps = stream.custom("bursar.step")
    assert [step["cost"] for step in steps] == [charge["amount"] for charge in charges]
    assert steps[-1]["runCost"] == stream.custom("bursar.cost")[0]["cost"]
    assert Decimal(steps[-1]["runCost"]) == anna.mandate.spent()
    assert {charge["userId"] for charge in charges} == {anna.user_id}
    assert {charge["keyId"] for charge in charges} == {None}

    found = anna.get(thread)
    assert found["run"]["status"] == "FINISHED"
    assert found["run"]["stepCount"] == 4
    assert found["cost"] == found["run"]["cost"] == steps[-1]["runCost"]
    assert found["title"] == "What is the rent a month?"
    roles = [message["role"] for message in found["messages"]]
    assert roles == ["user", "assistant", "tool", "assistant", "tool", "assistant", "tool", "assistant"]
    assert found["messages"][-1]["content"] == stream.text
    answers = [message for message in found["messages"] if message["role"] == "assistant"]
    assert [message["cost"] for message in answers] == [step["cost"] for step in steps]
    assert [message["id"] for message in answers] == [step["messageId"] for step in steps]


def test_a_second_question_knows_the_first(house: Installation) -> None:
    anna = house.person()
    thread = anna.thread("chat")
    anna.run(thread, "One two three")
    before = house.upstream_calls()
    stream = anna.run(thread, "Four")
    assert house.upstream_calls() == before + 1
    assert_in_order(stream)
    first, second = anna.mandate.charges()
    assert second["inputTokens"] > first["inputTokens"] + 30, "the first answer was sent along"


def test_tools_compute_and_tell_the_budget_to_whom_it_may_be_told(house: Installation) -> None:
    mandate = house.mandate("1.00")
    anna, beat = new_person(mandate, house.first), new_person(mandate, house.first, role="member")
    assert "3 * 14 = 42" in anna.run(anna.thread(), "How much is 3 * 14?").text
    assert "available: CHF 0.99" in anna.run(anna.thread(), "What is left of the budget?").text
    assert "not for you to see" in beat.run(beat.thread(), "What is left of the budget?").text


def test_a_model_of_the_other_dialect_serves_as_well(house: Installation) -> None:
    anna = house.person()
    models = anna.http.get(f"{anna.mandate.path}/workspace/models").json()["models"]
    prices = {"currency": "CHF", "inputPerMillion": "1", "outputPerMillion": "4"}
    assert models == [{"model": "claude-demo", **prices}, {"model": "demo-1", **prices}]
    stream = anna.run(anna.thread("chat", "claude-demo"), "Hello")
    assert_in_order(stream)
    assert stream.types[-1] == "RUN_FINISHED"
    assert "demo model" in stream.text
    assert len(anna.mandate.charges()) == 1


def test_a_run_outlives_its_client_and_is_followed_on_another_worker(house: Installation) -> None:
    anna = house.person()
    thread, run_id = anna.thread("chat"), str(uuid4())
    with anna.running(thread, SLOW, run_id) as (begun, chunks):
        for _ in chunks:
            if len(begun.of("TEXT_MESSAGE_CONTENT")) >= 2:
                break
    seen = begun.of("TEXT_MESSAGE_CONTENT")[1].number
    there = house.elsewhere(anna, house.second)
    rest = there.follow(thread, run_id, after=seen)
    assert rest.events[0].number == seen + 1
    assert rest.types[-1] == "RUN_FINISHED"
    whole = there.follow(thread, run_id)
    assert_in_order(whole)
    assert whole.events == [*begun.events[:seen], *rest.events]
    assert whole.text == anna.get(thread)["messages"][-1]["content"]
    assert len(whole.text.split()) == 400
    assert len(anna.mandate.charges()) == 1
    by_query = there.http.get(f"{there.threads}/{thread}/runs/{run_id}/events?after={whole.events[-2].number}")
    assert by_query.text.count("data: ") == 1


def test_stop_ends_a_run_from_any_worker_and_keeps_what_was_written(house: Installation) -> None:
    anna = house.person()
    anna.mandate.change({"clientGone": "STOP"})
    there = house.elsewhere(anna, house.second)
    thread = anna.thread("chat")
    with anna.running(thread, ENDLESS, "run-1") as (stream, chunks):
        for _ in chunks:
            if len(stream.of("TEXT_MESSAGE_CONTENT")) == 1:
                assert there.stop(thread, "run-1").json() == {"status": "RUNNING"}
    assert_in_order(stream)
    assert stream.last["outcome"] == {"type": "cancelled"}
    assert stream.custom("bursar.stopped") == [{}]
    found = anna.get(thread)
    assert found["run"]["status"] == "STOPPED"
    assert found["messages"][-1]["content"] == stream.text
    assert 0 < len(stream.text.split()) < 6000
    (charge,) = anna.mandate.charges()
    assert anna.get(thread)["cost"] == charge["amount"]
    assert (charge["costSource"], charge["outputTokens"] < 6000) == ("ESTIMATED", True)
    assert there.stop(thread, "run-1").json() == {"status": "STOPPED"}
    problem = anna.http.post(f"{anna.threads}/{thread}/runs/run-1/continue")
    assert_problem(problem, 409, "not_resumable")


def test_what_is_stopped_before_its_first_word_and_read_to_its_end_costs_what_the_journal_says(
    house: Installation,
) -> None:
    anna = house.person()
    anna.mandate.change({"clientGone": "DRAIN"})
    thread = anna.thread("chat")
    with anna.running(thread, "Slowly [[delay_ms=3000 tokens=50]]", "run-1") as (stream, chunks):
        next(chunks)
        anna.mandate.wait_for_a_hold()
        anna.stop(thread, "run-1")
        for _ in chunks:
            pass
    assert stream.last["outcome"] == {"type": "cancelled"}
    assert stream.text == ""
    (charge,) = anna.mandate.charges()
    assert Decimal(charge["amount"]) > 0
    assert anna.get(thread)["cost"] == charge["amount"]


def test_one_run_at_a_time_in_a_thread(house: Installation) -> None:
    anna = house.person()
    anna.mandate.change({"clientGone": "STOP"})
    thread = anna.thread("chat")
    message = {"id": "m", "role": "user", "content": "Hello"}
    path = f"{anna.threads}/{thread}"
    with anna.running(thread, ENDLESS, "run-1") as (_, chunks):
        next(chunks)
        again = anna.http.post(f"{path}/runs", json={"runId": "run-2", "messages": [message]})
        assert_problem(again, 409, "run_in_progress")
        assert_problem(anna.http.delete(path), 409, "run_in_progress")
        anna.stop(thread, "run-1")
        for _ in chunks:
            pass
    same = anna.http.post(f"{path}/runs", json={"runId": "run-1", "messages": [message]})
    assert_problem(same, 409, "run_exists", "runId")
    assert anna.http.delete(path).status_code == 204
    assert_problem(anna.http.get(path), 404, "not_found")


def test_what_is_asked_wrongly_is_named(house: Installation) -> None:
    anna = house.person()
    path = f"{anna.threads}/{anna.thread()}/runs"
    user = {"id": "m", "role": "user", "content": "Hello"}
    for body, field in (
        ({"messages": [user]}, "runId"),
        ({"runId": "a b", "messages": [user]}, "runId"),
        ({"runId": "r", "messages": []}, "messages"),
        ({"runId": "r", "messages": [{**user, "role": "assistant"}]}, "messages"),
        ({"runId": "r", "messages": [{**user, "content": "  "}]}, "messages"),
        ({"runId": "r", "threadId": str(uuid4()), "messages": [user]}, "threadId"),
    ):
        assert_problem(anna.http.post(path, json=body), 422, "invalid_request", field)
    assert_problem(anna.http.get(f"{path}/nothing/events"), 404, "not_found")


def test_a_thread_is_its_person_s_alone(house: Installation) -> None:
    anna = house.person()
    beat = new_person(anna.mandate, house.first)
    thread = anna.thread("chat")
    anna.run(thread, "Hello", "run-1")
    assert beat.http.get(beat.threads).json()["threads"] == []
    for method, path in (
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/documents"),
        ("GET", "/runs/run-1/events"),
        ("POST", "/runs/run-1/stop"),
        ("POST", "/runs/run-1/continue"),
    ):
        answer = beat.http.request(method, f"{beat.threads}/{thread}{path}", json={} if method == "PATCH" else None)
        assert_problem(answer, 404, "not_found")
    assert_can_be_listed_and_renamed(anna, thread)
    anna.mandate.root.delete(f"{anna.mandate.path}/users/{anna.user_id}").raise_for_status()
    owner = house.first.root.get(f"{anna.mandate.path}/users").json()
    assert anna.user_id not in {user["id"] for user in owner["users"]}


def assert_can_be_listed_and_renamed(anna: Person, thread: str) -> None:
    other = anna.thread("chat")
    first = anna.http.get(anna.threads, params={"limit": 1}).json()
    assert [each["id"] for each in first["threads"]] == [other]
    second = anna.http.get(anna.threads, params={"limit": 1, "cursor": first["nextCursor"]}).json()
    assert [each["id"] for each in second["threads"]] == [thread]
    assert second["nextCursor"] is None
    renamed = anna.http.patch(f"{anna.threads}/{other}", json={"title": "Rent"}).json()
    assert (renamed["title"], renamed["model"]) == ("Rent", "demo-1")
    unknown = anna.http.patch(f"{anna.threads}/{other}", json={"model": "gpt-unknown"})
    assert_problem(unknown, 422, "invalid_request", "model")
