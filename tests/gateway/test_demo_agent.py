"""The demo model as an agent, and continuing what was cut off: the same for the same conversation."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from bursar.gateway.demo_upstream.agent import asks_to_go_on
from bursar.gateway.demo_upstream.chat import read_chat
from bursar.gateway.demo_upstream.messages import read_messages
from bursar.gateway.demo_upstream.reply import Reply, compose
from bursar.workspace.history import GO_ON

NAMES = ("list_documents", "search_documents", "read_document", "compute", "tell_budget")
TOOLS = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in NAMES]
LISTED = [{"name": "lease.md", "pages": 2}]
FOUND = [{"document": "lease.md", "page": 2, "passage": "…"}]
READ = {"document": "lease.md", "pages": [{"page": 2, "text": "The flat is large. The rent is 1250 francs."}]}


def answer(*messages: dict[str, Any], tools: bool = True) -> Reply:
    body = {"model": "demo-1", "messages": list(messages), **({"tools": TOOLS} if tools else {})}
    return compose(read_chat(body), faults=False)


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def called(name: str, result: Any) -> list[dict[str, Any]]:
    call = {"id": name, "type": "function", "function": {"name": name, "arguments": "{}"}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": name, "content": orjson.dumps(result).decode()},
    ]


def test_it_lists_searches_reads_and_quotes() -> None:
    question = user("What is the rent?")
    steps = [called("list_documents", LISTED), called("search_documents", FOUND), called("read_document", READ)]
    expected: list[tuple[str, dict[str, Any]]] = [
        ("list_documents", {}),
        ("search_documents", {"query": "What is the rent?"}),
        ("read_document", {"name": "lease.md", "first_page": 2}),
    ]
    for count, (name, arguments) in enumerate(expected):
        reply = answer(question, *(message for step in steps[:count] for message in step))
        assert reply.tool is not None
        assert (reply.tool.name, orjson.loads(reply.tool.arguments)) == (name, arguments)
    last = answer(question, *(message for step in steps for message in step))
    assert last.tool is None
    assert last.text.startswith("“The rent is 1250 francs.” That is from lease.md, page 2. I am the demo model, no AI")


@pytest.mark.parametrize(
    ("text", "tool"),
    [("How much is 3 * 14?", "compute"), ("Wie hoch ist das Guthaben?", "tell_budget"), ("Hello", "list_documents")],
)
def test_it_takes_the_tool_that_the_question_looks_like(text: str, tool: str) -> None:
    reply = answer(user(text))
    assert reply.tool is not None
    assert reply.tool.name == tool
    assert answer(user(text), tools=False).tool is None


def test_without_documents_it_answers_as_ever() -> None:
    reply = answer(user("Hello"), *called("list_documents", []))
    assert reply.tool is None
    assert reply.text.startswith("I am the demo model of Bursar")


def test_a_directive_says_which_tools_in_which_order() -> None:
    asked = user("Go [[tools=compute+list_documents tokens=7]]")
    first, second = called("compute", {"value": "1"}), called("list_documents", LISTED)
    names = [answer(asked).tool, answer(asked, *first).tool, answer(asked, *first, *second).tool]
    assert [tool.name if tool else None for tool in names] == ["compute", "list_documents", None]
    assert len(answer(asked, *first, *second).text.split()) == 7


@pytest.mark.parametrize("written", [1, 20, 59])
def test_what_was_cut_off_is_continued_to_the_letter(written: int) -> None:
    question = user("Tell me a story [[tokens=60]]")
    whole = answer(question, tools=False).text
    begun = " ".join(whole.split()[:written])
    rest = answer(question, {"role": "assistant", "content": begun}, user(GO_ON), tools=False)
    assert begun + rest.text == whole
    assert rest.usage is not None
    assert rest.usage.output == 60 - written


def test_only_the_request_to_go_on_is_taken_for_one() -> None:
    assert asks_to_go_on(GO_ON)
    assert not asks_to_go_on("Continue the story, please.")


def anthropic(*messages: dict[str, Any]) -> Reply:
    tools = [{"name": name, "input_schema": {"type": "object"}} for name in NAMES]
    body = {"model": "claude-demo", "max_tokens": 4096, "messages": list(messages), "tools": tools}
    return compose(read_messages(body), faults=False)


def used(name: str, result: Any) -> list[dict[str, Any]]:
    answered = {"type": "tool_result", "tool_use_id": name, "content": orjson.dumps(result).decode()}
    return [
        {"role": "assistant", "content": [{"type": "tool_use", "id": name, "name": name, "input": {}}]},
        {"role": "user", "content": [answered]},
    ]


def test_spoken_to_in_messages_it_is_the_same_agent() -> None:
    question = user("What is 3 * 14?")
    first = anthropic(question)
    assert first.tool is not None
    assert first.tool.name == "compute"
    computed = used("compute", {"expression": "3 * 14", "value": "42"})
    assert anthropic(question, *computed).text == "3 * 14 = 42, as the calculator says."
    answered = {"role": "assistant", "content": "42"}
    following = anthropic(question, *computed, answered, user("And the rent?"))
    assert following.tool is not None
    assert following.tool.name == "list_documents"


def test_spoken_to_in_messages_it_continues_what_was_cut_off() -> None:
    question = user("Tell me a story [[tools=list_documents tokens=60]]")
    listed = used("list_documents", LISTED)
    whole = anthropic(question, *listed).text
    begun = " ".join(whole.split()[:20])
    cut = {"role": "assistant", "content": [{"type": "text", "text": begun}]}
    assert begun + anthropic(question, *listed, cut, user(GO_ON)).text == whole
