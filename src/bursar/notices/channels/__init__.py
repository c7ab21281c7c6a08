"""Channels: a channel takes letters to their recipients and says, for each, how that ended.

A further channel is one file here with a class that fits `Channel`, and a line where the worker opens them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Protocol

from bursar.notices.channels.letters import Delivered, Letter, Outcome, Verdict

__all__ = ["Channel", "ChannelUnreachable", "Delivered", "Letter", "Outcome", "Verdict"]


class ChannelUnreachable(Exception):
    """Nothing can be sent at the moment; letters without an outcome were not sent."""


class Channel(Protocol):
    name: str

    def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        """Yield outcomes as they come, those in one list that came since the last one.

        `go_on` is asked before each letter; once it says no, the rest is left without an outcome.
        Raises `ChannelUnreachable`. Never takes longer than its own timeouts for one letter.
        """
        ...

    async def close(self) -> None: ...
