"""Event streams of every dialect in random cuts, random bytes and random interleavings. `make simulate` runs a million
cases; a failure names the seed that repeats it."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from tests.gateway.fuzzing import check_cuts, check_many

SIMULATED_PARTS = 10


def fuzz(seed: str, cuts: int, streams: int) -> None:
    """So many cases of splitting, and so many streams, some of them at once on one purse."""
    for number in range(cuts):
        try:
            check_cuts(Random(f"{seed}/cuts/{number}"))
        except AssertionError as error:
            raise AssertionError(f"seed {seed}/cuts/{number}: {error}") from error

    async def pass_all() -> None:
        number = left = 0
        left = streams
        while left > 0:
            random = Random(f"{seed}/streams/{number}")
            at_once = random.choice((1, 1, 2, 5))
            try:
                await check_many(random, at_once)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}/streams/{number}: {error}") from error
            left -= at_once
            number += 1

    asyncio.run(pass_all())


def test_some_thousand_streams_arrive_as_they_were_sent_and_are_charged_as_they_arrived() -> None:
    fuzz("short", cuts=3_000, streams=1_500)


@pytest.mark.simulate
@pytest.mark.parametrize("part", range(SIMULATED_PARTS))
def test_a_million_streams_arrive_as_they_were_sent_and_are_charged_as_they_arrived(part: int) -> None:
    fuzz(f"long {part}", cuts=600_000 // SIMULATED_PARTS, streams=400_000 // SIMULATED_PARTS)
