"""The circuit of an upstream, as tables of what happens when."""

from __future__ import annotations

import pytest

from bursar.gateway.health import Circuit, Pace, State, UpstreamHealth, Verdict

PACE = Pace(
    faults_in_a_row=3,
    looked_back_calls=10,
    faults_of_these=5,
    pause_seconds=5,
    longest_pause_seconds=15,
    account_pause_seconds=30,
)
VERDICTS = {"f": Verdict.FAULT, ".": Verdict.FINE, "a": Verdict.ACCOUNT, "-": Verdict.NEUTRAL}

# Calls one after the other: `f` a fault, `.` an answer, `a` a complaint about our account, `-` nothing to say; a number
# lets so many seconds pass; `!` a call that is not allowed. Then the state that they leave.
STORIES = {
    "": State.CLOSED,
    ". . . .": State.CLOSED,
    "f f": State.CLOSED,
    "f f f !": State.OPEN,
    "f f . f f . ": State.CLOSED,
    "f f . f f . f !": State.OPEN,  # Five of the last ten.
    "f . . . f . . . f . . . f . . . f . . . f": State.CLOSED,
    # What a user did wrong, however often, says nothing: neither good nor bad.
    "- - - - - - - - - - - -": State.CLOSED,
    "f f - - - - f !": State.OPEN,
    "a !": State.OPEN,
    ". . . a !": State.OPEN,
    # The pause, then one try at a time.
    "f f f 4.9 !": State.OPEN,
    "f f f 5 .": State.CLOSED,
    "f f f 5 . f f": State.CLOSED,
    "f f f 5 f !": State.OPEN,
    "f f f 5 f 9.9 !": State.OPEN,
    "f f f 5 f 10 .": State.CLOSED,
    "f f f 5 f 10 f 14.9 !": State.OPEN,
    "f f f 5 f 10 f 15 f 15 .": State.CLOSED,
    "f f f 5 f 10 . f f f 4.9 !": State.OPEN,
    "f f f 5 f 10 . f f f 5 .": State.CLOSED,
    "f f f 5 - - f !": State.OPEN,
    "f f f 5 - - -": State.HALF_OPEN,
    "f f f 5 a 29.9 !": State.OPEN,
    "a 29.9 !": State.OPEN,
    "a 30 .": State.CLOSED,
    "a 30 a !": State.OPEN,
}


@pytest.mark.parametrize("story", STORIES)
def test_a_circuit(story: str) -> None:
    circuit, now = Circuit(PACE), 100.0
    for what in story.split():
        if what in VERDICTS:
            entered = circuit.enter(now)
            assert entered is not None, what
            circuit.leave(entered, VERDICTS[what], now)
        elif what == "!":
            assert not circuit.allows(now)
            assert circuit.enter(now) is None
            assert circuit.wait_seconds(now) >= 1
        else:
            now += float(what)
    assert circuit.state is STORIES[story]


def opened(verdict: Verdict = Verdict.FAULT) -> Circuit:
    circuit = Circuit(PACE)
    while circuit.state is State.CLOSED:
        entered = circuit.enter(0)
        assert entered is not None
        circuit.leave(entered, verdict, 0)
    return circuit


def test_only_one_call_at_a_time_tries_whether_it_is_well_again() -> None:
    circuit = opened()
    probe = circuit.enter(5)
    assert probe is not None
    assert circuit.state is State.HALF_OPEN
    assert circuit.enter(5) is None
    assert circuit.enter(500) is None
    assert circuit.leave(probe, Verdict.FINE, 501) is State.CLOSED
    assert circuit.enter(501) is not None
    assert circuit.enter(501) is not None


def test_calls_that_began_before_it_opened_change_nothing_any_more() -> None:
    circuit = Circuit(PACE)
    before = [circuit.enter(0) for _ in range(9)]
    told = [circuit.leave(entered, Verdict.FAULT, 1) for entered in before if entered is not None]
    assert told == [None, None, State.OPEN] + 6 * [None]
    assert circuit.allows(6)
    late = circuit.enter(6)
    assert late is not None
    assert before[0] is not None
    assert circuit.leave(before[0], Verdict.FINE, 6) is None
    assert circuit.leave(before[0], Verdict.FAULT, 6) is None
    assert circuit.state is State.HALF_OPEN


def test_answers_that_break_off_count_though_they_began_well() -> None:
    circuit = Circuit(PACE)
    for _ in range(PACE.faults_of_these):
        entered = circuit.enter(0)
        assert entered is not None
        circuit.leave(entered, Verdict.FINE, 0)
        circuit.note(entered, Verdict.FAULT, 0)
    assert circuit.state is State.OPEN


def test_a_complaint_in_a_stream_opens_it_though_it_had_closed_meanwhile() -> None:
    circuit = opened()
    probe = circuit.enter(5)
    assert probe is not None
    assert circuit.leave(probe, Verdict.FINE, 5) is State.CLOSED
    assert circuit.note(probe, Verdict.ACCOUNT, 6) is State.OPEN
    assert circuit.wait_seconds(6) == 30


def test_an_upstream_that_has_moved_begins_anew() -> None:
    health = UpstreamHealth(lambda: 0.0, PACE)
    assert health.of("a", "http://one") is health.of("a", "http://one")
    assert health.of("a", "http://one") is not health.of("a", "http://two")
