"""The rules under whatever may happen: a mandate, its mail server and a worker, in any order, by any clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal
from uuid import UUID, uuid5

from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.notices.rules import (
    Alert,
    Policy,
    Refused,
    Step,
    Verdict,
    accepted,
    due,
    funded,
    refused,
    told_nobody,
)

MANDATE = UUID("11111111-1111-4111-8111-111111111111")
START = datetime(2026, 11, 23, tzinfo=UTC)
RECIPIENTS = ("a@example.org", "b@example.org")

Server = Literal["up", "down", "refuses all", "refuses b"]
servers: st.SearchStrategy[Server] = st.sampled_from(["up", "down", "refuses all", "refuses b"])
events = st.one_of(st.just("refused"), st.just("funded"), st.just("worker"), servers)
histories = st.lists(st.tuples(st.integers(0, 45 * 60), events), max_size=40)


@dataclass
class World:
    """The outbox in memory: at most one undelivered row per recipient."""

    cooldown: timedelta
    at: datetime = START
    alert: Alert = field(default_factory=lambda: Alert(MANDATE, "EXHAUSTED", MANDATE))
    server: str = "up"
    outbox: dict[str, tuple[UUID, UUID]] = field(default_factory=dict)
    failed: set[UUID] = field(default_factory=set)
    delivered: list[tuple[datetime, str, UUID]] = field(default_factory=list)
    ids: int = 0

    @property
    def policy(self) -> Policy:
        return Policy(self.cooldown, RECIPIENTS)

    def new_id(self) -> UUID:
        self.ids += 1
        return uuid5(MANDATE, str(self.ids))

    def apply(self, step: Step) -> None:
        self.alert = step.alert
        if step.verdict is Verdict.RESOLVED:
            self.outbox.clear()
        if step.verdict is Verdict.CLAIMED:
            assert step.alert.slot_id is not None
            assert step.alert.shortage_id is not None
            for recipient in step.recipients:
                self.outbox[recipient] = (step.alert.slot_id, step.alert.shortage_id)

    def happen(self, event: str) -> None:
        if event == "refused":
            call = Refused(1, 5, 0, None, None)
            ids = {"shortage_id": self.new_id(), "slot_id": self.new_id()}
            self.apply(refused(self.alert, call, self.policy, self.at, **ids))
        elif event == "funded":
            self.apply(funded(self.alert, self.at))
        elif event == "worker":
            self.work()
        else:
            self.server = event

    def work(self) -> None:
        self.apply(due(self.alert, self.policy, self.at, lasts=True, slot_id=self.new_id()))
        for recipient, (slot_id, shortage_id) in sorted(self.outbox.items()):
            if self.server == "down":
                continue
            del self.outbox[recipient]
            if self.server == "refuses all" or (self.server == "refuses b" and recipient.startswith("b")):
                self.failed.add(slot_id)
            else:
                self.delivered.append((self.at, recipient, shortage_id))
                self.alert = accepted(self.alert, shortage_id, self.at)
                self.failed.discard(slot_id)
        for slot_id in list(self.failed):
            told = any(slot == slot_id for slot, _ in self.outbox.values())
            if not told:
                self.failed.discard(slot_id)
                if not any(at == self.at for at, _, _ in self.delivered):
                    self.alert = told_nobody(self.alert, slot_id, self.at, all_failed=True)


def live(history: list[tuple[int, str]], cooldown: timedelta) -> World:
    world = World(cooldown)
    for seconds, event in history:
        world.at += timedelta(seconds=seconds)
        world.happen(event)
    return world


@settings(max_examples=200, deadline=None)
@given(histories, st.integers(1, 120))
def test_nobody_gets_two_mails_within_a_cooldown(history: list[tuple[int, str]], minutes: int) -> None:
    world = live(history, timedelta(minutes=minutes))
    for recipient in RECIPIENTS:
        times = [at for at, who, _ in world.delivered if who == recipient]
        assert all(later - earlier >= world.cooldown for earlier, later in pairwise(times))


@settings(max_examples=200, deadline=None)
@given(histories, st.integers(1, 120))
def test_whoever_is_out_of_money_is_told_once_the_server_is_well(history: list[tuple[int, str]], minutes: int) -> None:
    world = live(history, timedelta(minutes=minutes))
    world.server = "up"
    for _ in range(2 * minutes + 62):
        world.work()
        world.at += timedelta(minutes=1)
    if world.alert.is_open:
        assert world.alert.notified_at is not None
        assert {who for _, who, shortage in world.delivered if shortage == world.alert.shortage_id}
    assert world.alert.due_at is None
    assert not world.outbox


@settings(max_examples=100, deadline=None)
@given(histories)
def test_a_mail_tells_of_the_shortage_that_lasts(history: list[tuple[int, str]]) -> None:
    world = World(timedelta(hours=1))
    for seconds, event in history:
        world.at += timedelta(seconds=seconds)
        before = len(world.delivered)
        world.happen(event)
        for _, _, shortage_id in world.delivered[before:]:
            assert world.alert.is_open
            assert shortage_id == world.alert.shortage_id
