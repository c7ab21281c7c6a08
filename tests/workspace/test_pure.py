"""The parts without a database: arithmetic, troubles, the history for a model, the demo model as an agent."""

from __future__ import annotations

import pytest

from bursar.workspace import events
from bursar.workspace.arithmetic import NotComputable, compute
from bursar.workspace.history import GO_ON, cut_off, model_messages
from bursar.workspace.messages import Conversation, unanswered_calls
from bursar.workspace.texts import DOCUMENT_TROUBLE, RUN_TROUBLE
from bursar.workspace.trouble import billing_of, end_of, error_event


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 + 2 * 3", "7"),
        ("0.1 + 0.2", "0.3"),
        ("2 ^ 10", "1024"),
        ("(1250.50 - 980) * 1.081", "292.4105"),
        ("round(2.567, 2)", "2.57"),
        ("sum(1, 2, 3) / 4", "1.5"),
        ("10 ** 30 + 1", "1000000000000000000000000000001"),
        ("sqrt(2) ** 2", "2"),
    ],
)
def test_expressions_have_values(expression: str, value: str) -> None:
    assert compute(expression) == value


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "1 / 0",
        "9 ** 9 ** 9",
        "10**59 * 10**59",
        "'a' * 1000000",
        "__import__('os').system('true')",
        "(1).__class__",
        "[x for x in (1, 2)]",
        "factorial(1000000)",
        "max()",
        "sqrt(-1)",
        "open('/etc/passwd')",
        "1" * 501,
        "lambda: 1",
        "True",
        "1 << 100000000",
    ],
)
def test_what_is_no_arithmetic_has_none(expression: str) -> None:
    with pytest.raises(NotComputable):
        compute(expression)


class Body(Exception):
    """As client libraries raise them."""

    def __init__(self, body: object, status_code: int | None = None) -> None:
        super().__init__("secret text of a library")
        self.body = body
        if status_code is not None:
            self.status_code = status_code


def test_a_billing_object_is_found_wherever_a_library_put_it() -> None:
    billing = {"code": "INSUFFICIENT_BALANCE", "messageDe": "Kein Geld.", "retryAfterSeconds": None}
    outer = RuntimeError("outer")
    outer.__cause__ = Body({"error": {"message": "x", "billing": billing}})
    for error in (Body({"billing": billing}), outer, ExceptionGroup("several", [ValueError(), outer])):
        assert billing_of(error) == billing
        end = end_of(error, "de")
        assert (end.status, end.error_code, end.error_message) == ("PARKED", "INSUFFICIENT_BALANCE", "Kein Geld.")
    assert billing_of(Body({"billing": {"code": "something else"}})) is None


def test_nothing_of_an_exception_s_text_is_told() -> None:
    for error in (Body({}, 500), Body({}, 429), Body("text", 400), ValueError("secret text")):
        for language in ("de", "en", "fr", "it"):
            event = error_event(end_of(error, language))
            assert "secret" not in str(event)
            assert event["message"] in {texts[language] for texts in RUN_TROUBLE.values()}
    assert error_event(end_of(Body({}, 429), "en"))["metadata"] == {"retryAfterSeconds": 5}


def test_every_text_is_there_in_every_language() -> None:
    for texts in (*RUN_TROUBLE.values(), *DOCUMENT_TROUBLE.values()):
        assert set(texts) == {"de", "en", "fr", "it"}
        assert len({text.count("{most}") for text in texts.values()}) == 1


def a_conversation(*answers: events.Event) -> Conversation:
    conversation = Conversation([])
    conversation.add("u1", "user", "r", "List, please")
    for event in answers:
        conversation.apply(event, "r")
    return conversation


CALLS = (*events.tool_call("a1", "c1", "list_documents", "{}"), *events.tool_call("a1", "c2", "compute", '{"e":1}'))


def test_a_history_ends_with_what_is_to_be_answered() -> None:
    conversation = a_conversation(
        *CALLS, events.tool_result("t1", "c1", "[]"), events.tool_result("t2", "c2", "1"), events.text_start("a2")
    )
    conversation.apply(events.text_content("a2", "The ans"), "r")
    assert unanswered_calls(conversation.messages) == set()
    assert cut_off(conversation.messages) is conversation.find("a2")
    parts = [[type(part).__name__ for part in message.parts] for message in model_messages(conversation.messages)]
    assert parts == [
        ["UserPromptPart"],
        ["ToolCallPart", "ToolCallPart"],
        ["ToolReturnPart", "ToolReturnPart"],
        ["TextPart"],
        ["UserPromptPart"],
    ]
    assert model_messages(conversation.messages)[-1].parts[0].content == GO_ON  # type: ignore[union-attr]


def test_calls_that_wait_are_made_again_and_forgotten_ones_left_out() -> None:
    conversation = a_conversation(*CALLS, events.tool_result("t1", "c1", "[]"))
    assert unanswered_calls(conversation.messages) == {"c2"}
    waiting = model_messages(conversation.messages)
    assert [type(part).__name__ for part in waiting[-1].parts] == ["ToolCallPart", "ToolCallPart"]
    conversation.add("u2", "user", "r2", "Never mind")
    left = [[type(part).__name__ for part in message.parts] for message in model_messages(conversation.messages)]
    assert left == [["UserPromptPart"], ["ToolCallPart"], ["ToolReturnPart"], ["UserPromptPart"]]
