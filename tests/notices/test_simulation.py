"""Days of traffic by a virtual clock, against the real rules and the real outbox, with everything going wrong.

Each run is its seed: workers die between sending and recording, transactions are rolled back as by a restarting
database, the mail server is away, hangs, refuses for now or for good, and heals. A seed that fails is a test to keep.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Literal
from uuid import UUID

import pytest

from bursar.notices.channels import ChannelUnreachable, Delivered, Letter, Outcome, Verdict
from bursar.notices.delivery import Delivery
from tests.notices.money_side import MoneySide, refusal
from tests.notices.worker import NO_REST

RECIPIENTS = ("a@example.org", "b@example.org")
Weather = Literal["fine", "away", "later", "never", "b never", "hangs"]
WEATHERS: tuple[Weather, ...] = ("fine", "away", "later", "never", "b never", "hangs")
SHORT, LONG = (0, 1, 2, 3, 1001), range(1000, 3000)


class WorkerDied(BaseException):
    """Between the server's yes and the record of it."""


@dataclass
class Post:
    """A channel without a network."""

    money: MoneySide
    weather: Weather = "fine"
    dies: bool = False
    accepted: list[tuple[datetime, str, str]] = field(default_factory=list)
    name: str = "email"

    async def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        if self.weather == "away":
            raise ChannelUnreachable("away")
        for letter in letters:
            if self.weather == "hangs":
                self.money.clock.pass_by(seconds=30)
                yield [(letter, Outcome(Verdict.LATER, "hung up"))]
            elif self.weather == "later":
                yield [(letter, Outcome(Verdict.LATER, "451"))]
            elif self.weather == "never" or (self.weather == "b never" and letter.recipient.startswith("b")):
                yield [(letter, Outcome(Verdict.FAILED, "554"))]
            else:
                self.accepted.append((self.money.clock.at, letter.recipient, letter.message_id))
                if self.dies:
                    self.dies = False
                    raise WorkerDied
                yield [(letter, Outcome(Verdict.SENT, "250"))]

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class World:
    money: MoneySide
    random: Random
    mandate_id: UUID
    post: Post
    deaths: int = 0

    def worker(self) -> Delivery:
        return Delivery(
            self.money.database.ledger_pool,
            [self.post],
            public_url="https://bursar.example",
            pace=NO_REST,
            now=self.money.clock.now,
        )

    async def work(self) -> None:
        """Each time another worker, as after a restart."""
        try:
            await self.worker().work_once()
        except WorkerDied:
            self.deaths += 1

    async def happen(self) -> None:
        event = self.random.choices(("refused", "funded", "work", "weather", "death", "restart"), (30, 4, 40, 8, 2, 3))[
            0
        ]
        if event == "refused":
            await self.money.refuse(self.mandate_id, calls=self.random.randint(1, 9))
        elif event == "funded":
            await self.money.fund(self.mandate_id)
            await self.money.spend_all(self.mandate_id) if self.random.random() < 0.8 else None
        elif event == "work":
            await self.work()
        elif event == "weather":
            self.post.weather = self.random.choice(WEATHERS)
        elif event == "death":
            self.post.dies = True
            await self.work()
        else:
            await self.roll_back()
        self.money.clock.pass_by(seconds=self.random.choice((1, 20, 120, 600, 2400)))

    async def roll_back(self) -> None:
        """The database restarts before the commit: neither the refusal nor its notice has happened."""
        async with self.money.database.ledger_pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await self.money.rider.ride(connection, [refusal(self.mandate_id)], [], self.money.clock.at)
            await transaction.rollback()

    async def heal(self) -> None:
        self.post.weather, self.post.dies = "fine", False
        for _ in range(28):
            self.money.clock.pass_by(minutes=5)
            await self.work()

    async def sent(self) -> list[tuple[datetime, str, str]]:
        """When, to whom, of which kind; oldest first."""
        rows = await self.money.database.ledger_pool.fetch(
            "SELECT sent_at, recipient, kind FROM notice WHERE mandate_id = $1 AND state = 'SENT'"
            " ORDER BY sent_at, notice_id", self.mandate_id,
        )  # fmt: skip
        return [(row["sent_at"], row["recipient"], row["kind"]) for row in rows]


async def live(money: MoneySide, seed: int) -> None:
    random = Random(seed)
    cooldown = timedelta(minutes=random.choice((10, 60, 90)))
    mandate_id = await money.mandate(*RECIPIENTS, cooldown_seconds=int(cooldown.total_seconds()))
    world = World(money, random, mandate_id, Post(money))
    for _ in range(random.randint(40, 160)):
        await world.happen()
    await world.heal()
    alert = await money.alert(mandate_id)
    if alert and alert["shortage_id"] is not None and alert["resolved_at"] is None:
        assert alert["notified_at"] is not None, "a shortage that lasts was told once the server had healed"
    await money.fund(mandate_id)
    await world.heal()
    sent = await world.sent()
    for recipient in RECIPIENTS:
        told = [at for at, who, kind in sent if who == recipient and kind == "EXHAUSTED"]
        assert all(later - earlier >= cooldown for earlier, later in pairwise(told)), "two within a cooldown"
        last = [kind for _, who, kind in sent if who == recipient]
        assert not last or last[-1] == "FUNDED_AGAIN", "nobody is left with bad news that is over"
        assert not any(one == two == "FUNDED_AGAIN" for one, two in pairwise(last)), "good news once"
    open_rows = await money.database.ledger_pool.fetchval(
        "SELECT count(*) FROM notice WHERE mandate_id = $1 AND state = 'QUEUED'", mandate_id
    )
    assert open_rows == 0, "nothing is left lying"
    twice = sum(Counter(message_id for _, _, message_id in world.post.accepted).values()) - len(
        {message_id for _, _, message_id in world.post.accepted}
    )
    assert twice <= world.deaths, "only a worker that died sends again"


@pytest.mark.parametrize("seed", SHORT)
async def test_a_short_life(money: MoneySide, seed: int) -> None:
    await live(money, seed)


@pytest.mark.simulate
@pytest.mark.parametrize("seed", LONG)
async def test_a_long_life(money: MoneySide, seed: int) -> None:
    await live(money, seed)
