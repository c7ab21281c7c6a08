"""Passive health of upstreams: a circuit each, which opens on the upstream's own faults and on nothing else. Pure.

    CLOSED ──faults in a row, or too many of the last calls──▶ OPEN ──after its pause──▶ HALF_OPEN (one call at a time)
       ▲                                                        ▲ │                          │ │
       └───────────────────────── it answered ──────────────────┼─┼──────────────────────────┘ │
                                                                └─┴───── a fault: a longer pause┘

What a call is told to have been is a `Verdict`. A user's own mistake and an upstream's "too many requests" say nothing
about health; a complaint about our account with the upstream opens the circuit at once. Each worker has its own.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Verdict(Enum):
    """What one call says about its upstream."""

    FINE = "fine"
    FAULT = "fault"
    """It cannot be reached, broke off, or answered 5xx."""
    ACCOUNT = "account"
    """It does not like our key, or our bill: no call will be better before an operator does something."""
    NEUTRAL = "neutral"
    """Nothing: the request's own fault, its rate limit, or a call that we ended ourselves."""


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True)
class Pace:
    """When a circuit opens, and for how long."""

    faults_in_a_row: int = 5
    looked_back_calls: int = 20
    faults_of_these: int = 10
    pause_seconds: float = 5.0
    longest_pause_seconds: float = 60.0
    account_pause_seconds: float = 30.0


USUAL: Final = Pace()


class Circuit:
    """One upstream's. Times are seconds of any clock that never goes back."""

    __slots__ = ("_faults_in_a_row", "_generation", "_last", "_pace", "_pause_seconds", "_probing", "_until", "state")

    def __init__(self, pace: Pace = USUAL) -> None:
        self.state = State.CLOSED
        self._pace = pace
        self._generation = 0
        self._faults_in_a_row = 0
        self._last: deque[bool] = deque(maxlen=pace.looked_back_calls)
        """Of the last calls that say something: whether it was a fault."""
        self._pause_seconds = pace.pause_seconds
        self._until = 0.0
        self._probing = False

    def allows(self, now: float) -> bool:
        """Whether a call may be made."""
        if self.state is State.CLOSED:
            return True
        return now >= self._until and not self._probing

    def wait_seconds(self, now: float) -> int:
        """After how long it is worth coming back; at least 1."""
        return max(1, math.ceil(self._until - now))

    def enter(self, now: float) -> int | None:
        """Begin a call: what it has to `leave` with, or `None` where no call may be made."""
        if not self.allows(now):
            return None
        if self.state is not State.CLOSED:
            self._change(State.HALF_OPEN)
            self._probing = True
        return self._generation

    def leave(self, entered: int, verdict: Verdict, now: float) -> State | None:
        """What a call has come to. The new state, if it is another one now.

        Of calls that began before the last change only a complaint about our account still counts.
        """
        current = entered == self._generation
        if current and self.state is State.HALF_OPEN:
            self._probing = False
        if verdict is Verdict.ACCOUNT and (current or self.state is State.CLOSED):
            return self._open(now, self._pace.account_pause_seconds)
        if not current or verdict is Verdict.NEUTRAL:
            return None
        if self.state is State.HALF_OPEN:
            return self._try_is_over(verdict, now)
        return self._count(verdict, now)

    def note(self, entered: int, verdict: Verdict, now: float) -> State | None:
        """Something more about a call that has left already: its answer broke off after it had begun well."""
        if entered != self._generation and verdict is not Verdict.ACCOUNT:
            return None
        return self.leave(entered, verdict, now)

    def _count(self, verdict: Verdict, now: float) -> State | None:
        fault = verdict is Verdict.FAULT
        self._last.append(fault)
        self._faults_in_a_row = self._faults_in_a_row + 1 if fault else 0
        pace = self._pace
        if self._faults_in_a_row >= pace.faults_in_a_row or (fault and sum(self._last) >= pace.faults_of_these):
            return self._open(now, self._pause_seconds)
        return None

    def _try_is_over(self, verdict: Verdict, now: float) -> State:
        if verdict is Verdict.FINE:
            self._pause_seconds = self._pace.pause_seconds
            self._faults_in_a_row = 0
            self._last.clear()
            return self._change(State.CLOSED)
        self._pause_seconds = min(2 * self._pause_seconds, self._pace.longest_pause_seconds)
        return self._open(now, self._pause_seconds)

    def _open(self, now: float, pause_seconds: float) -> State:
        self._until = now + pause_seconds
        self._probing = False
        return self._change(State.OPEN)

    def _change(self, state: State) -> State:
        if state is not self.state:
            self._generation += 1
        self.state = state
        return state


class UpstreamHealth:
    """The circuits of one worker, by upstream; they outlive a new configuration. `clock` is in seconds."""

    def __init__(self, clock: Callable[[], float], pace: Pace = USUAL) -> None:
        self.now = clock
        self._pace = pace
        self._circuits: dict[tuple[str, str], Circuit] = {}

    def of(self, name: str, base_url: str) -> Circuit:
        """The circuit of an upstream: one that has moved begins anew."""
        found = self._circuits.get((name, base_url))
        if found is None:
            found = self._circuits[name, base_url] = Circuit(self._pace)
        return found
