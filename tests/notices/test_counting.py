"""Letters are counted by how they ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime

import pytest

from bursar.notices.channels import ChannelUnreachable, Delivered, Letter, Outcome, Verdict
from bursar.notices.counting import CountedChannel


class Scripted:
    name = "email"

    def __init__(self, *verdicts: Verdict, then_away: bool = False) -> None:
        self.verdicts, self.then_away, self.closed = verdicts, then_away, False

    async def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        for letter, verdict in zip(letters, self.verdicts, strict=False):
            assert go_on()
            yield [(letter, Outcome(verdict))]
        if self.then_away:
            raise ChannelUnreachable("connection refused")

    async def close(self) -> None:
        self.closed = True


def letters(count: int) -> list[Letter]:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return [Letter("a@example.org", f"<{place}@x>", "s", "t", "h", "en", at) for place in range(count)]


async def test_each_letter_counts_once_by_its_outcome() -> None:
    inner = Scripted(Verdict.SENT, Verdict.SENT, Verdict.REFUSED, Verdict.LATER, Verdict.FAILED)
    channel = CountedChannel(inner)
    assert channel.name == "email"
    passed = [news async for news in channel.deliver(letters(5), go_on=lambda: True)]
    assert [outcome.verdict for ((_, outcome),) in passed] == list(inner.verdicts)
    assert channel.outcomes == {"sent": 2, "refused": 1, "later": 1, "failed": 1, "unreachable": 0}
    await channel.close()
    assert inner.closed


async def test_a_channel_that_cannot_be_reached_counts_and_says_so() -> None:
    channel = CountedChannel(Scripted(Verdict.SENT, then_away=True))
    with pytest.raises(ChannelUnreachable):
        async for _ in channel.deliver(letters(1), go_on=lambda: True):
            pass
    assert channel.outcomes["sent"] == 1
    assert channel.outcomes["unreachable"] == 1
