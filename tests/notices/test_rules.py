"""MONEY.md, "Notices": who is told when, as tables. The verdict is in the last column.

Times are of one day, and go on after midnight. A row is what happens, and what comes of it:

- `refused`: a call is refused; `funded`: money comes in; `due`: the worker looks again (`over`: the shortage is over).
- `sent`, `failed`, `unlisted`: how the mails of the last slot end: one is accepted, all fail, all are withdrawn
  because their addresses were taken out of the settings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

import pytest

from bursar.notices.rules import (
    Alert,
    Funds,
    Policy,
    Refused,
    Verdict,
    accepted,
    backoff,
    due,
    funded,
    refused,
    still_short,
    told_nobody,
)

MANDATE = UUID("11111111-1111-4111-8111-111111111111")
DAY = datetime(2026, 11, 23, tzinfo=UTC)
HOUR = Policy(timedelta(hours=1), ("finance@example.org", "owner@example.org"))
NOBODY = Policy(timedelta(hours=1), ())

ONE_MAIL_PER_COOLDOWN = """
    10:00  refused   CLAIMED
    10:00  sent      notified 10:00
    10:01  refused   SILENT
    10:59  refused   SILENT
    11:00  refused   CLAIMED
    11:00  sent      notified 10:00
    11:59  refused   SILENT
"""

NOT_EVEN_A_TOP_UP_SHORTENS_THE_COOLDOWN = """
    10:00  refused   CLAIMED
    10:00  sent      notified 10:00
    10:10  funded    RESOLVED
    10:20  refused   SILENT, due 11:00
    10:30  funded    RESOLVED
    10:40  refused   SILENT, due 11:00
    11:00  due       CLAIMED
    11:00  sent      notified 11:00
"""

A_SILENT_SHORTAGE_THAT_ENDED_IS_NOT_TOLD = """
    10:00  refused   CLAIMED
    10:00  sent      notified 10:00
    10:10  funded    RESOLVED
    10:20  refused   SILENT, due 11:00
    10:30  funded    RESOLVED
    11:00  due       NOTHING
"""

A_SILENT_SHORTAGE_THAT_ENDED_WITHOUT_A_TOP_UP_IS_NOT_TOLD = """
    10:00  refused   CLAIMED
    10:00  sent      notified 10:00
    10:10  funded    RESOLVED
    10:20  refused   SILENT, due 11:00
    11:00  over      RESOLVED
    11:01  due       NOTHING
"""

WHAT_WAS_TOLD_IS_NOT_TOLD_AGAIN_WITHOUT_A_REFUSAL = """
    10:00  refused   CLAIMED
    10:00  sent      notified 10:00
    10:30  refused   SILENT
    11:00  due       NOTHING
    15:00  refused   CLAIMED
"""

THE_COOLDOWN_COUNTS_DELIVERIES_NOT_CLAIMS = """
    10:00  refused   CLAIMED
    10:50  sent      notified 10:50
    11:00  refused   SILENT
    11:49  refused   SILENT
    11:50  refused   CLAIMED
"""

A_SILENT_SHORTAGE_WAITS_FOR_A_LATE_DELIVERY_TOO = """
    10:00  refused   CLAIMED
    10:10  funded    RESOLVED
    10:11  sent      notified 10:11
    10:20  refused   SILENT, due 11:11
    11:00  due       NOTHING
    11:11  due       CLAIMED
"""

A_MAIL_SERVER_THAT_WAS_AWAY_IS_GIVEN_ONE_ROW_ALL_THE_TIME = """
    10:00  refused   CLAIMED
    11:00  refused   CLAIMED
    12:00  refused   CLAIMED
    13:00  refused   CLAIMED
    14:00  refused   CLAIMED
    14:30  sent      notified 14:30
    15:00  refused   SILENT
    15:30  refused   CLAIMED
"""

A_GIVEN_BACK_SLOT_OPENS_AFTER_1_2_4_MINUTES = """
    10:00  refused   CLAIMED
    10:00  failed    reopens 10:01
    10:00  refused   SILENT, due 10:01
    10:01  refused   CLAIMED
    10:01  failed    reopens 10:03
    10:02  refused   SILENT, due 10:03
    10:03  refused   CLAIMED
    10:03  failed    reopens 10:07
    10:07  due       CLAIMED
    10:07  failed    reopens 10:15
    10:15  refused   CLAIMED
    10:15  failed    reopens 10:31
    10:31  refused   CLAIMED
    10:31  failed    reopens 11:03
    11:03  refused   CLAIMED
    11:03  failed    reopens 12:03
    12:03  refused   CLAIMED
    12:03  failed    reopens 13:03
    13:03  refused   CLAIMED
    13:03  sent      notified 13:03
    14:02  refused   SILENT
    14:03  refused   CLAIMED
    14:03  failed    reopens 14:04
"""

A_GIVEN_BACK_SLOT_DOES_NOT_SHORTEN_THE_COOLDOWN_AFTER_A_DELIVERY = """
    10:00  refused   CLAIMED
    10:59  sent      notified 10:59
    11:59  refused   CLAIMED
    11:59  failed    reopens 12:00
    12:00  refused   CLAIMED
"""

A_SLOT_IS_GIVEN_BACK_ONCE = """
    10:00  refused   CLAIMED
    10:00  failed    reopens 10:01
    10:00  failed    reopens 10:01
    10:01  refused   CLAIMED
"""

TAKING_THE_ADDRESSES_AWAY_FREES_THE_SLOT_AT_ONCE = """
    10:00  refused   CLAIMED
    10:10  unlisted  reopens 10:10
    10:10  due       CLAIMED
"""

MONEY_IN_BETWEEN_MAKES_IT_ANOTHER_SHORTAGE = """
    10:00  refused   CLAIMED
    10:00  sent      notified 10:00
    12:00  funded    RESOLVED
    12:00  funded    NOTHING
    12:30  refused   CLAIMED
    12:31  sent      notified 12:31
"""

WITHOUT_RECIPIENTS_THE_LOG_SAYS_SO_ONCE_PER_COOLDOWN = """
    10:00  refused by nobody  NOBODY, warned
    10:01  refused by nobody  NOBODY
    10:59  refused by nobody  NOBODY
    11:00  refused by nobody  NOBODY, warned
    11:01  refused            CLAIMED
"""

SCENARIOS = {name: table for name, table in globals().items() if name.isupper() and isinstance(table, str)}


@dataclass
class Story:
    alert: Alert
    slots: int = 0

    def tell(self, at: datetime, event: str) -> str:
        policy = NOBODY if event.endswith("by nobody") else HOUR
        self.slots += 1
        shortage_id, slot_id = uuid5(MANDATE, f"shortage {self.slots}"), uuid5(MANDATE, f"slot {self.slots}")
        told_about = self.alert.slot_shortage_id or shortage_id
        match event.split()[0]:
            case "refused":
                call = Refused(1, 5, 0, None, None)
                step = refused(self.alert, call, policy, at, shortage_id=shortage_id, slot_id=slot_id)
            case "funded":
                step = funded(self.alert, at)
            case "due" | "over" as how:
                step = due(self.alert, policy, at, lasts=how == "due", slot_id=slot_id)
            case "sent":
                self.alert = accepted(self.alert, told_about, at)
                return f"notified {_clock(self.alert.notified_at)}"
            case "failed" | "unlisted" as how:
                assert self.alert.slot_id is not None
                self.alert = told_nobody(self.alert, self.alert.slot_id, at, all_failed=how == "failed")
                assert self.alert.due_at == self.alert.reopens_at
                return f"reopens {_clock(self.alert.reopens_at)}"
            case _:
                raise AssertionError(event)
        self.alert = step.alert
        assert step.recipients == (policy.recipients if step.verdict is Verdict.CLAIMED else ())
        verdict = str(step.verdict)
        if step.verdict is Verdict.SILENT and step.alert.due_at is not None:
            verdict += f", due {_clock(step.alert.due_at)}"
        return verdict + (", warned" if step.warn else "")


def _clock(at: datetime | None) -> str:
    return "never" if at is None else at.strftime("%H:%M")


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name: str) -> None:
    story = Story(Alert(MANDATE, "EXHAUSTED", MANDATE))
    for line in SCENARIOS[name].strip().splitlines():
        clock, event, verdict = [part.strip() for part in line.strip().split("  ") if part.strip()]
        hours, minutes = clock.split(":")
        said = story.tell(DAY + timedelta(hours=int(hours), minutes=int(minutes)), event)
        assert (clock, event, said) == (clock, event, verdict)


def test_a_shortage_counts_its_calls_from_its_beginning() -> None:
    ten, noon = DAY + timedelta(hours=10), DAY + timedelta(hours=12)
    alert = Alert(MANDATE, "EXHAUSTED", MANDATE)
    user, key = uuid5(MANDATE, "user"), uuid5(MANDATE, "key")
    ids = {"shortage_id": uuid5(MANDATE, "one"), "slot_id": uuid5(MANDATE, "slot")}
    alert = refused(alert, Refused(3, 5, 1, user, key), HOUR, ten, **ids).alert
    alert = refused(alert, Refused(2, 7, 0, None, None), HOUR, ten + timedelta(minutes=5), **ids).alert
    assert (alert.refused_calls, alert.since, alert.required_nanos) == (5, ten, 7)
    assert (alert.last_user_id, alert.last_key_id) == (user, key), "an unnamed call does not hide who it was"
    alert = funded(alert, noon).alert
    ids["shortage_id"] = uuid5(MANDATE, "two")
    alert = refused(alert, Refused(1, 5, 0, None, None), HOUR, noon, **ids).alert
    assert (alert.refused_calls, alert.since, alert.last_user_id) == (1, noon, None)


@pytest.mark.parametrize(
    ("count", "minutes"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (8, 60), (1000, 60)]
)
def test_backoff(count: int, minutes: int) -> None:
    assert backoff(count) == timedelta(minutes=minutes)


@pytest.mark.parametrize(
    ("funds", "required", "short"),
    [
        (None, 5, True),
        (Funds(0, 0, refuses=True), 5, True),
        (Funds(4, 0, refuses=True), 5, True),
        (Funds(5, 0, refuses=True), 5, False),
        (Funds(-95, 100, refuses=True), 5, False),
        (Funds(-96, 100, refuses=True), 5, True),
        (Funds(0, 0, refuses=False), 5, False),
        (Funds(0, 0, refuses=True), 0, True),
    ],
)
def test_still_short(funds: Funds | None, required: int, short: bool) -> None:
    assert still_short(funds, required) is short
