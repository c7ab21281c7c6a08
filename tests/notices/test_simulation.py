"""Days of traffic by a virtual clock, against the real rules and the real outbox, with everything going wrong.

Each run is its seed: workers die between sending and recording, the database cuts all connections, in the middle of a
delivery, too, and rolls back what was not committed; the mail server is away, hangs, refuses for now or for good, and
heals; two workers work at once. A seed that fails is a test to keep.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from random import Random
from typing import Literal, NamedTuple
from uuid import UUID

import asyncpg
import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import connect_database
from bursar.notices.channels import ChannelUnreachable, Delivered, Letter, Outcome, Verdict
from bursar.notices.delivery import Delivery
from tests.notices.money_side import MoneySide, refusal
from tests.notices.worker import NO_REST

RECIPIENTS = ("a@example.org", "b@example.org")
Weather = Literal["fine", "away", "later", "never", "b never", "hangs"]
WEATHERS: tuple[Weather, ...] = ("fine", "away", "later", "never", "b never", "hangs")
SHORT, LONG, BLOCK = (0, 1, 2, 3, 1001), range(1000, 3000), 50


TROUBLE = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)


class WorkerDied(BaseException):
    """Between the server's yes and the record of it."""


@dataclass
class Post:
    """A channel without a network."""

    money: MoneySide
    weather: Weather = "fine"
    dies: bool = False
    cut: bool = False
    """The database restarts once a letter has been accepted, before that is recorded."""
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
                if self.cut:
                    self.cut = False
                    await cut_connections(self.money)
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
    cuts: int = 0
    refused_calls: int = 0
    """Of the shortage that lasts, as they were committed."""

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
        except TROUBLE:
            self.cuts += 1  # As the worker's own loop does: another round comes.

    async def happen(self) -> None:
        names, weights = zip(*EVENTS.items(), strict=True)
        await getattr(self, self.random.choices(names, weights)[0])()
        self.money.clock.pass_by(seconds=self.random.choice((1, 20, 120, 600, 2400)))

    async def refused(self) -> None:
        calls = self.random.randint(1, 9)
        await self.money.refuse(self.mandate_id, calls=calls)
        self.refused_calls += calls

    async def funded(self) -> None:
        await self.money.fund(self.mandate_id)
        self.refused_calls = 0
        if self.random.random() < 0.8:
            await self.money.spend_all(self.mandate_id)

    async def two_work(self) -> None:
        await asyncio.gather(self.work(), self.work())

    async def weather(self) -> None:
        self.post.weather = self.random.choice(WEATHERS)

    async def death(self) -> None:
        self.post.dies = True
        await self.work()

    async def restart(self) -> None:
        if self.random.random() < 0.5:
            self.post.cut = True
            await self.work()
        else:
            await cut_connections(self.money)

    async def roll_back(self) -> None:
        """The database restarts before the commit: neither the refusal nor its notice has happened."""
        async with self.money.database.ledger_pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            await self.money.rider.ride(connection, [refusal(self.mandate_id)], [], self.money.clock.at)
            await transaction.rollback()

    async def heal(self) -> None:
        self.post.weather, self.post.dies, self.post.cut = "fine", False, False
        for _ in range(28):
            self.money.clock.pass_by(minutes=5)
            await self.work()

    async def sent(self) -> list[Sent]:
        """Oldest first."""
        rows = await self.money.database.ledger_pool.fetch(
            "SELECT sent_at, recipient, kind, slot_id, message_id FROM notice"
            " WHERE mandate_id = $1 AND state = 'SENT' ORDER BY sent_at, notice_id", self.mandate_id,
        )  # fmt: skip
        return [Sent(*row) for row in rows]


class Sent(NamedTuple):
    at: datetime
    recipient: str
    kind: str
    slot_id: UUID
    message_id: str


EVENTS = {
    "refused": 30, "funded": 4, "work": 36, "two_work": 4, "weather": 8, "death": 2, "restart": 2, "roll_back": 2,
}  # fmt: skip


async def cut_connections(money: MoneySide) -> None:
    """As a restart of the database does it to everybody; then wait until it answers again."""
    pool = money.database.ledger_pool
    with suppress(*TROUBLE):
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE usename = current_user AND datname = current_database() AND pid <> pg_backend_pid()"
        )
    answered, connections = 0, []
    while answered < pool.get_size():
        try:
            async with asyncio.timeout(30):
                for _ in range(pool.get_size()):
                    connections.append(await pool.acquire())
                    await connections[-1].execute("SELECT 1")
                    answered += 1
        except TROUBLE:
            answered = 0
        finally:
            for connection in connections:
                with suppress(*TROUBLE):
                    await pool.release(connection)
            connections.clear()


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
        assert alert["refused_calls"] == world.refused_calls, "no refusal is lost, none counted twice"
    await money.fund(mandate_id)
    await world.heal()
    sent = await world.sent()
    slots = [
        (min(each.at for each in of_slot), max(each.at for each in of_slot))
        for of_slot in _by_slot(each for each in sent if each.kind == "EXHAUSTED")
    ]
    assert all(later[0] - earlier[1] >= cooldown for earlier, later in pairwise(slots)), "two within a cooldown"
    assert len({each.message_id for each in sent}) == len(sent), "no row twice"
    for recipient in RECIPIENTS:
        told = [each.at for each in sent if each.recipient == recipient and each.kind == "EXHAUSTED"]
        assert all(later - earlier >= cooldown for earlier, later in pairwise(told)), "two within a cooldown"
        last = [each.kind for each in sent if each.recipient == recipient]
        assert not last or last[-1] == "FUNDED_AGAIN", "nobody is left with bad news that is over"
        assert not any(one == two == "FUNDED_AGAIN" for one, two in pairwise(last)), "good news once"
    open_rows = await money.database.ledger_pool.fetchval(
        "SELECT count(*) FROM notice WHERE mandate_id = $1 AND state = 'QUEUED'", mandate_id
    )
    assert open_rows == 0, "nothing is left lying"
    twice = sum(Counter(message_id for _, _, message_id in world.post.accepted).values()) - len(
        {message_id for _, _, message_id in world.post.accepted}
    )
    assert twice <= world.deaths + world.cuts, "only a worker that died sends again"


def _by_slot(sent: Iterable[Sent]) -> list[list[Sent]]:
    """In the order of their first delivery."""
    slots: dict[UUID, list[Sent]] = {}
    for each in sent:
        slots.setdefault(each.slot_id, []).append(each)
    return list(slots.values())


@pytest.fixture
async def money(notices_addresses: DatabaseAddresses) -> AsyncIterator[MoneySide]:
    """With few connections, so that a cut meets those that are at work."""
    async with connect_database(notices_addresses, app_pool_size=1, ledger_pool_size=3) as database:
        await database.ledger_pool.execute("UPDATE notice SET state = 'CANCELLED' WHERE state = 'QUEUED'")
        await database.ledger_pool.execute("UPDATE alert SET due_at = NULL WHERE due_at IS NOT NULL")
        yield MoneySide(database)


@pytest.mark.parametrize("seed", SHORT)
async def test_a_short_life(money: MoneySide, seed: int) -> None:
    await live(money, seed)


@pytest.mark.simulate
@pytest.mark.parametrize("first", LONG[::BLOCK])
async def test_long_lives(money: MoneySide, first: int) -> None:
    for seed in range(first, first + BLOCK):
        await in_this_life(money, seed)


async def in_this_life(money: MoneySide, seed: int) -> None:
    """A failure names its seed."""
    try:
        await live(MoneySide(money.database), seed)
    except BaseException as error:
        error.add_note(f"seed {seed}")
        raise
