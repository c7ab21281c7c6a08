"""When money ends in a run: it parks, says so as the contract says it, and goes on from where it stopped."""

from __future__ import annotations

import asyncio
import signal
import time
from decimal import Decimal

import asyncpg
import pytest

from tests.support.serving import serving
from tests.workspace.conftest import ROOT_KEY, Installation
from tests.workspace.recording import holding
from tests.workspace.world import LEASE, Worker, new_person

# What the contract's billing object has, in this order.
BILLING = [
    "code",
    "reason",
    "billingModel",
    "userAction",
    "payer",
    "mandateId",
    "mandateName",
    "currency",
    "currentBalance",
    "requiredAmount",
    "messageDe",
    "messageEn",
    "messageFr",
    "messageIt",
    "billingUrl",
    "notifiedAt",
    "retryAfterSeconds",
    "requestId",
]


def test_money_ends_in_mid_answer_and_the_same_run_goes_on(house: Installation) -> None:
    mandate = house.mandate("0.0065")
    anna = new_person(mandate, house.first)
    thread = anna.thread()
    assert anna.upload(thread, "lease.md", LEASE).status_code == 201
    before = house.upstream_calls()
    parked = anna.run(thread, "List, then tell [[tools=list_documents tokens=1500]]", "run-1")
    assert parked.types[-3:] == ["STEP_FINISHED", "CUSTOM", "RUN_ERROR"]
    assert "TEXT_MESSAGE_END" in parked.types
    error = parked.last
    billing = error["metadata"]["billing"]
    assert list(billing) == BILLING
    assert error["code"] == "INSUFFICIENT_BALANCE"
    assert error["message"] == billing["messageEn"]
    assert (billing["reason"], billing["userAction"]) == ("BALANCE_EXHAUSTED", "TOP_UP_SELF")
    assert 0 < len(parked.text.split()) < 1500
    found = anna.get(thread)
    assert (found["run"]["status"], found["run"]["billing"]) == ("PARKED", billing)
    assert found["messages"][-1]["content"] == parked.text
    assert house.upstream_calls() == before + 2
    paid = mandate.charges()
    assert len(paid) == 2
    assert sum(Decimal(charge["amount"]) for charge in paid) <= Decimal("0.0065")

    mandate.top_up("1.00")
    continued = house.elsewhere(anna, house.second).go_on(thread, "run-1")
    assert continued.types[0] == "RUN_STARTED"
    assert continued.types[-1] == "RUN_FINISHED"
    assert "TOOL_CALL_START" not in continued.types
    assert continued.events[0].number == parked.events[-1].number + 1
    (start,) = continued.of("TEXT_MESSAGE_START")
    assert start.event["messageId"] == parked.of("TEXT_MESSAGE_START")[0].event["messageId"]
    found = anna.get(thread)
    answer = found["messages"][-1]
    assert answer["content"] == parked.text + continued.text
    assert len(answer["content"].split()) == 1500, "word by word as if the money had never ended"
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "tool", "assistant"]
    assert house.upstream_calls() == before + 3, "the finished step was not asked again"
    charges = mandate.charges()
    assert charges[:2] == paid
    assert len(charges) == 3
    assert Decimal(found["cost"]) == mandate.spent() == Decimal(continued.custom("bursar.cost")[0]["cost"])


def test_finance_is_told_of_money_that_ended_in_mid_answer_and_the_thread_says_when(house: Installation) -> None:
    mandate = house.mandate("0.0065")
    mandate.change({"notifyEmails": ["kasse@werkstatt.example"]})
    beat = new_person(mandate, house.first, role="member")
    thread = beat.thread("chat")
    billing = beat.run(thread, "Tell me [[tokens=4000]]", "run-1").last["metadata"]["billing"]
    assert billing["notifiedAt"] is None
    assert "are being notified" in billing["messageEn"]
    deadline = time.monotonic() + 60
    while (found := beat.get(thread)["run"]["billing"])["notifiedAt"] is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert found["notifiedAt"] is not None
    assert "The finance contacts were notified on" in found["messageEn"]
    assert "wurden am" in found["messageDe"]
    assert {**billing, **{key: found[key] for key in found if key.startswith(("message", "notified"))}} == found
    (notice,) = mandate.root.get(f"{mandate.path}/notices").raise_for_status().json()["notices"]
    assert (notice["kind"], notice["state"]) == ("EXHAUSTED", "SENT")


@pytest.mark.parametrize("kind", ["chat", "agent"])
def test_without_money_nothing_runs_and_a_member_is_told_in_their_language(house: Installation, kind: str) -> None:
    mandate = house.mandate("0")
    beat = new_person(mandate, house.first, role="member", language="de")
    thread = beat.thread(kind)
    before = house.upstream_calls()
    stream = beat.run(thread, "Hallo", "run-1")
    assert house.upstream_calls() == before
    billing = stream.last["metadata"]["billing"]
    assert stream.last["message"] == billing["messageDe"]
    assert (billing["userAction"], billing["currentBalance"], billing["billingUrl"]) == (
        "CONTACT_MANDATE_ADMIN",
        None,
        None,
    )
    again = beat.go_on(thread, "run-1")
    assert again.last["code"] == "INSUFFICIENT_BALANCE"
    assert again.last["metadata"]["billing"]["requestId"] != billing["requestId"]
    mandate.top_up("0.10")
    assert beat.go_on(thread, "run-1").types[-1] == "RUN_FINISHED"
    assert house.upstream_calls() > before


def test_a_wallet_pays_for_its_owner_s_runs_alone(house: Installation) -> None:
    mandate = house.mandate("1.00", billingModel="PREPAY_USER")
    beat = new_person(mandate, house.first, role="member")
    thread = beat.thread("chat")
    billing = beat.run(thread, "Hello", "run-1").last["metadata"]["billing"]
    assert (billing["payer"], billing["userAction"]) == ("wallet", "TOP_UP_SELF")
    assert billing["currentBalance"] == "0.000000000"
    mandate.top_up("0.10", beat.user_id)
    assert beat.go_on(thread, "run-1").types[-1] == "RUN_FINISHED"
    (charge,) = mandate.charges()
    assert (charge["payer"], charge["userId"]) == ("wallet", beat.user_id)


def test_a_language_that_is_asked_for_goes_before_the_person_s(house: Installation) -> None:
    beat = new_person(house.mandate("0"), house.first, role="member", language="de")
    beat.http.headers["accept-language"] = "fr-CH, en;q=0.5"
    stream = beat.run(beat.thread("chat"), "Bonjour")
    assert stream.last["message"] == stream.last["metadata"]["billing"]["messageFr"]


def test_held_funds_park_with_the_time_to_wait(house: Installation) -> None:
    anna = house.person("0.0200")
    thread = anna.thread("chat")
    with holding(anna, "0.0195"):
        stream = anna.run(thread, "Hello", "run-1")
        billing = stream.last["metadata"]["billing"]
        assert stream.last["code"] == "INSUFFICIENT_BALANCE"
        assert (billing["reason"], billing["userAction"]) == ("FUNDS_HELD", "RETRY_LATER")
        assert billing["retryAfterSeconds"] >= 1
        run = anna.get(thread)["run"]
        assert (run["status"], run["error"]["retryAfterSeconds"]) == ("PARKED", billing["retryAfterSeconds"])
    assert anna.go_on(thread, "run-1").types[-1] == "RUN_FINISHED"


def test_a_new_question_leaves_a_parked_run_behind(house: Installation) -> None:
    anna = house.person("0")
    thread = anna.thread("chat")
    anna.run(thread, "Hello", "run-1")
    anna.mandate.top_up("0.10")
    assert anna.run(thread, "Hello again", "run-2").types[-1] == "RUN_FINISHED"
    assert anna.http.post(f"{anna.threads}/{thread}/runs/run-1/continue").status_code == 409


def test_a_fault_tells_nothing_of_itself_and_can_be_gone_on_from(house: Installation) -> None:
    anna = house.person()
    thread = anna.thread("chat")
    stream = anna.run(thread, "Hello [[tokens=40 fault=error_after=20]]", "run-1")
    assert stream.types[-1] == "RUN_ERROR"
    assert stream.last["code"] == "UNAVAILABLE"
    assert stream.last["message"].startswith("The model cannot be reached")
    assert "demo upstream" not in str(stream.last).lower()
    assert anna.get(thread)["run"]["status"] == "FAILED"


def test_a_run_whose_worker_dies_is_marked_and_goes_on_elsewhere(house: Installation) -> None:
    mandate = house.mandate("1.00")
    question = "List, then tell [[tools=list_documents tokens=480 chunk_tokens=4 chunk_delay_ms=50]]"
    with serving(*house.arguments, environ=house.environ) as third:
        anna = new_person(mandate, Worker.at(third.url, ROOT_KEY))
        thread = anna.thread()
        with anna.running(thread, question, "run-1") as (begun, chunks):
            for _ in chunks:
                if len(begun.of("TEXT_MESSAGE_CONTENT")) >= 3:
                    break
            third.process.kill()
            third.process.wait()
    there = house.elsewhere(anna, house.first)
    before = house.upstream_calls()
    assert there.get(thread)["run"]["status"] == "RUNNING", "nobody can know yet"
    end_lease(house)
    found = there.until(thread, "INTERRUPTED")
    assert found["run"]["error"]["code"] == "INTERRUPTED"
    rest = there.follow(thread, "run-1", after=begun.events[-1].number)
    assert rest.last["code"] == "INTERRUPTED"
    written = found["messages"][-1]["content"]
    assert written == begun.text + rest.text
    continued = there.go_on(thread, "run-1")
    assert continued.types[-1] == "RUN_FINISHED"
    assert "TOOL_CALL_START" not in continued.types
    assert house.upstream_calls() == before + 1
    assert len((written + continued.text).split()) == 480


def test_a_worker_that_is_asked_to_end_tells_its_runs(house: Installation) -> None:
    mandate = house.mandate("1.00")
    mandate.change({"clientGone": "STOP"})
    with serving(*house.arguments, environ=house.environ) as third:
        anna = new_person(mandate, Worker.at(third.url, ROOT_KEY))
        thread = anna.thread("chat")
        with anna.running(thread, "A story [[tokens=4000 chunk_tokens=4 chunk_delay_ms=20]]", "run-1") as begun:
            stream, chunks = begun
            next(chunks)
            third.process.send_signal(signal.SIGTERM)
            for _ in chunks:
                pass
        assert stream.last["code"] == "INTERRUPTED"
    there = house.elsewhere(anna, house.first)
    assert there.get(thread)["run"]["status"] == "INTERRUPTED"
    before = house.upstream_calls()
    with there.streamed("POST", f"{there.threads}/{thread}/runs/run-1/continue") as (continued, chunks):
        next(chunks)
        assert continued.events[0].event["metadata"] == {"bursar": {"continued": True}}
        there.stop(thread, "run-1")
        for _ in chunks:
            pass
    assert continued.last["outcome"] == {"type": "cancelled"}
    assert house.upstream_calls() <= before + 1


def end_lease(house: Installation) -> None:
    """As if half a minute had passed."""

    async def update() -> None:
        connection = await asyncpg.connect(house.addresses.owner.dsn)
        try:
            await connection.execute(
                "UPDATE workspace_run SET lease_until = now() - interval '1 second'"
                " WHERE status = 'RUNNING' AND lease_until IS NOT NULL"
            )
        finally:
            await connection.close()

    asyncio.run(update())
