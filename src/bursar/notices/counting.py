"""A channel that counts how its letters ended, for `/metrics`."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from bursar.notices.channels import Channel, ChannelUnreachable, Delivered, Letter, Verdict


class CountedChannel:
    """Passes everything on to `channel`, and is one itself."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.name = channel.name
        self.outcomes: Counter[str] = Counter({verdict.value.lower(): 0 for verdict in Verdict} | {"unreachable": 0})
        """Letters by outcome (`sent`, `refused`, …); how often the channel could not be reached at all."""

    async def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        """Raises `ChannelUnreachable`."""
        try:
            async with aclosing(self._channel.deliver(letters, go_on=go_on)) as deliveries:
                async for news in deliveries:
                    self.outcomes.update(outcome.verdict.value.lower() for _, outcome in news)
                    yield news
        except ChannelUnreachable:
            self.outcomes["unreachable"] += 1
            raise

    async def close(self) -> None:
        await self._channel.close()
