"""AG-UI's own client talks to our agent, signed in as a browser is: it checks every event and loses nothing of ours."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from tests.clients import node_clients
from tests.workspace.conftest import ROOT_KEY, Installation
from tests.workspace.signed_in import session_headers
from tests.workspace.world import LEASE, Person, new_person


@pytest.fixture(scope="session")
def node_script() -> list[str]:
    node = node_clients.node_program()
    node_clients.install(node)
    return [str(node), str(node_clients.HERE / "agui.mjs")]


def told(script: list[str], house: Installation, person: Person, thread: str, prompt: str, **more: Any) -> Any:
    task = {
        "runs": f"{house.first.url}{person.threads}/{thread}/runs",
        "thread": thread,
        "headers": session_headers(house, person),
        "prompt": prompt,
        **more,
    }
    done = subprocess.run([*script, json.dumps(task)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_it_follows_an_agent_with_a_document(house: Installation, node_script: list[str]) -> None:
    anna = house.person()
    thread = anna.thread()
    assert anna.upload(thread, "lease.md", LEASE).status_code == 201
    first = told(node_script, house, anna, thread, "What is the rent a month?")["first"]
    assert (first["thrown"], first["error"]) == (None, None)
    assert first["types"][-1] == "RUN_FINISHED"
    assert first["custom"] == ["bursar.step"] * 4 + ["bursar.cost"]
    ours = anna.get(thread)["messages"]
    assert [message["role"] for message in first["messages"]] == [message["role"] for message in ours]
    assert [message.get("content") or "" for message in first["messages"]] == [each["content"] for each in ours]
    assert [message.get("toolCalls", []) for message in first["messages"]] == [
        each.get("toolCalls", []) for each in ours
    ]
    assert "1250 francs" in first["messages"][-1]["content"]


def test_it_gets_the_billing_object_and_goes_on_with_the_same_answer(
    house: Installation, node_script: list[str]
) -> None:
    mandate = house.mandate("0.0040")
    anna = new_person(mandate, house.first)
    thread = anna.thread("chat")
    top_up = {
        "url": f"{house.first.url}{mandate.path}/top-ups",
        "request": {
            "method": "POST",
            "headers": {
                "authorization": f"Bearer {ROOT_KEY}",
                "content-type": "application/json",
                "idempotency-key": "once",
            },
            "body": json.dumps({"amount": "1.00", "reference": "voucher"}),
        },
    }
    facts = told(node_script, house, anna, thread, "Tell me [[tokens=1500]]", topUp=top_up)
    error = facts["first"]["error"]
    assert error["code"] == "INSUFFICIENT_BALANCE"
    assert error["metadata"]["billing"]["reason"] == "BALANCE_EXHAUSTED"
    assert error["message"] == error["metadata"]["billing"]["messageEn"]
    partial, whole = facts["first"]["messages"][-1], facts["second"]["messages"][-1]
    assert facts["second"]["thrown"] is None
    assert facts["second"]["types"][-1] == "RUN_FINISHED"
    assert whole["id"] == partial["id"]
    assert whole["content"].startswith(partial["content"])
    assert len(whole["content"].split()) == 1500
    assert whole["content"] == anna.get(thread)["messages"][-1]["content"]
