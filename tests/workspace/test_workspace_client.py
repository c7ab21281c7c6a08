"""The package `workspace-client` against the real server: its store, run by Node as it is written."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.workspace.conftest import Installation
from tests.workspace.recording import holding
from tests.workspace.signed_in import session_headers
from tests.workspace.stores import State, Stores
from tests.workspace.wire import Wire
from tests.workspace.world import LEASE, Person, new_person


@pytest.fixture(scope="module")
def stores() -> Iterator[Stores]:
    started = Stores()
    yield started
    started.end()


def key_of(person: Person) -> dict[str, str]:
    return {"authorization": str(person.http.headers["authorization"])}


def as_read(stores: Stores, house: Installation, person: Person, thread: str, heard: State) -> State:
    """What a store knows that comes only now: the same as one that heard it all, once everything is settled."""
    person.mandate.charges()
    read = stores.new(f"{house.first.url}{person.threads}/{thread}", key_of(person)).after("load")
    assert without_costs(read) == without_costs(heard)
    # What is settled late is not told in the stream.
    assert all(told in (None, known) for told, known in zip(costs(heard), costs(read), strict=True))
    return read


def costs(state: State) -> list[str | None]:
    return [state["runCost"], *(message["cost"] for message in state["messages"])]


def without_costs(state: State) -> State:
    """Nor by how many calls a message came about, which only a listener can tell."""
    messages = [{**message, "cost": None, "calls": None} for message in state["messages"]]
    return {**state, "runCost": None, "messages": messages}


def said(state: State) -> list[tuple[str, str, str]]:
    return [(message["id"], message["role"], message["content"]) for message in state["messages"]]


def answer(state: State) -> dict[str, Any]:
    found: dict[str, Any] = state["messages"][-1]
    assert found["role"] == "assistant"
    return found


def test_an_agent_with_a_document_is_the_same_heard_and_read(house: Installation, stores: Stores) -> None:
    anna = house.person()
    thread = anna.thread()
    assert anna.upload(thread, "lease.md", LEASE).status_code == 201
    store = stores.new(f"{house.first.url}{anna.threads}/{thread}", key_of(anna))
    heard = store.after("send", "What is the rent a month?")
    assert store.statuses == ["sending", "streaming", "idle"]
    assert store.errors == []
    calls = [call for message in heard["messages"] for call in message["toolCalls"]]
    assert [call["name"] for call in calls] == ["list_documents", "search_documents", "read_document"]
    assert all(call["result"] for call in calls)
    assert "1250 francs" in answer(heard)["content"]
    read = as_read(stores, house, anna, thread, heard)
    spent = anna.mandate.spent()
    assert Decimal(read["runCost"]) == spent == sum(Decimal(each["cost"]) for each in read["messages"][1:])


def test_money_ends_in_mid_answer_and_after_a_top_up_the_same_message_is_finished(
    house: Installation, stores: Stores
) -> None:
    """As a browser: by session and CSRF token."""
    mandate = house.mandate("0.0040")
    anna = new_person(mandate, house.first, language="fr")
    thread = anna.thread("chat")
    store = stores.new(f"{house.first.url}{anna.threads}/{thread}", session_headers(house, anna))
    parked = store.after("send", "Tell me [[tokens=1500]]")
    assert (parked["status"], parked["resumption"]) == ("failed", "continue")
    error = parked["error"]
    assert (error["kind"], error["billing"]["reason"]) == ("insufficient_balance", "BALANCE_EXHAUSTED")
    assert error["message"] == error["billing"]["messageFr"]
    assert store.errors == [error]
    assert 0 < len(answer(parked)["content"].split()) < 1500
    as_read(stores, house, anna, thread, parked)

    mandate.top_up("1.00")
    whole = store.after("resume")
    assert (whole["status"], whole["error"], whole["resumption"]) == ("idle", None, None)
    assert answer(whole)["id"] == answer(parked)["id"]
    assert answer(whole)["content"].startswith(answer(parked)["content"])
    assert len(answer(whole)["content"].split()) == 1500
    read = as_read(stores, house, anna, thread, whole)
    assert Decimal(answer(read)["cost"]) == Decimal(read["runCost"]) == mandate.spent()


def test_a_connection_that_breaks_is_taken_up_after_the_last_event_even_by_another_worker(
    house: Installation, stores: Stores
) -> None:
    anna = house.person()
    thread = anna.thread("chat")
    with Wire(house.first.url, cuts_after=(f"POST {anna.threads}/{thread}/runs", 1_500)) as wire:
        store = stores.new(f"{wire.url}{anna.threads}/{thread}", key_of(anna))
        store.begin("send", "A story [[tokens=400 chunk_tokens=10 chunk_delay_ms=20]]")
        before = store.until("state.status === 'reconnecting'")
        wire.mend(house.second.url)
        whole = store.until("state.status === 'idle'")
        again = [each for each in wire.requests if each.line.startswith("GET") and each.line.endswith("/events")]
    assert again, "it listened again"
    assert int(again[-1].headers["last-event-id"]) == before["lastEventId"] > 0
    assert 0 < len(answer(before)["content"].split()) < 400
    assert store.errors == []
    assert answer(whole)["content"].startswith(answer(before)["content"])
    assert len(answer(whole)["content"].split()) == 400
    as_read(stores, house, anna, thread, whole)
    assert len(anna.mandate.charges()) == 1


def test_a_message_whose_answer_got_lost_is_sent_again_and_asked_once(house: Installation, stores: Stores) -> None:
    anna = house.person()
    thread = anna.thread("chat")
    with Wire(house.first.url, swallows=f"POST {anna.threads}/{thread}/runs") as wire:
        store = stores.new(f"{wire.url}{anna.threads}/{thread}", key_of(anna))
        whole = store.after("send", "Hello [[tokens=50]]")
        begun = [each for each in wire.requests if each.line.startswith("POST") and each.line.endswith("/runs")]
    assert len(begun) == 2
    assert (whole["status"], whole["unsent"], store.errors) == ("idle", None, [])
    assert "reconnecting" in store.statuses
    assert len(answer(whole)["content"].split()) == 50
    as_read(stores, house, anna, thread, whole)
    assert len(anna.mandate.charges()) == 1


def test_a_second_window_hears_what_the_first_one_stops(house: Installation, stores: Stores) -> None:
    anna = house.person()
    thread = anna.thread("chat")
    first = stores.new(f"{house.first.url}{anna.threads}/{thread}", key_of(anna))
    second = stores.new(f"{house.second.url}{anna.threads}/{thread}", key_of(anna))
    first.begin("send", "A story [[tokens=6000 chunk_tokens=10 chunk_delay_ms=30]]")
    first.until("state.messages.length === 2 && state.messages[1].content.length > 100")
    second.begin("load")
    second.until("state.status === 'streaming' && state.messages.length === 2")
    second.begin("send", "And this?")
    first.begin("stop")
    stopped, heard = first.until("state.status === 'idle'"), second.until("state.status === 'idle'")
    assert stopped["wasStopped"]
    assert heard["wasStopped"]
    assert "stopping" in first.statuses
    assert second.errors == [{"kind": "run_in_progress", "message": ""}]
    assert said(heard) == said(stopped)
    assert len(answer(stopped)["content"].split()) < 6000


def test_held_funds_are_waited_for_and_the_run_goes_on_by_itself(house: Installation, stores: Stores) -> None:
    mandate = house.mandate("0.0200")
    anna = new_person(mandate, house.first)
    thread = anna.thread("chat")
    store = stores.new(f"{house.first.url}{anna.threads}/{thread}", key_of(anna))
    with holding(anna, "0.0195"):
        store.begin("send", "Hello [[tokens=50]]")
        waiting = store.until("state.retryAt !== null")
        assert waiting["error"]["billing"]["reason"] == "FUNDS_HELD"
    whole = store.until("state.status === 'idle'")
    assert (whole["error"], whole["retryAt"]) == (None, None)
    assert len(answer(whole)["content"].split()) == 50


def test_refusals_before_a_stream_are_typed(house: Installation, stores: Stores) -> None:
    anna, beat = house.person(), house.person()
    thread = anna.thread("chat")
    url = f"{house.first.url}{anna.threads}/{thread}"
    for headers, kind in ((key_of(beat), "not_found"), ({"authorization": "Bearer bur_wrong"}, "signed_out")):
        store = stores.new(url, headers)
        store.begin("send", "Hello")
        failed = store.until("state.status === 'failed'")
        assert (failed["error"]["kind"], failed["unsent"]["content"]) == (kind, "Hello")
        assert store.errors == [failed["error"]]
    csrf = {**session_headers(house, anna), "x-csrf-token": "another"}
    refused = stores.new(url, csrf).after("send", "Hello")
    assert (refused["error"]["kind"], refused["error"]["code"], refused["resumption"]) == ("forbidden", "csrf", "send")
