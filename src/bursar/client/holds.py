"""Holds as context managers: money set aside for a piece of work, settled by it or given back."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Generator, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import anyio

from bursar.billing.billing_object import Amount, amount_nanos
from bursar.client.exchange import BursarError, Reply, Send, Step, exchange, moving_money
from bursar.foundation.money import format_amount

if TYPE_CHECKING:
    from bursar.client.bursar import Bursar

log = logging.getLogger("bursar.client")

LONGEST_RELEASE_SECONDS: Final = 15.0
"""How long a cancelled task may still try to give its hold back; after that the hold's expiry does it."""

_ALREADY_OVER: Final = frozenset({404, 409, 410})


class _State(Enum):
    OPEN = "open"
    SETTLED = "settled"
    RELEASED = "released"
    UNKNOWN = "of unknown state, because the answer to settle was lost"


Changes = Generator[Step, Reply, None]


class _OpenHold:
    """What a hold is, and which requests change it; how they are sent is the subclasses' affair."""

    def __init__(self, path: str, answer: Mapping[str, Any]) -> None:
        self.id = str(answer["id"])
        self._path = f"{path}/{self.id}"
        self._state = _State.OPEN
        self._update(answer)

    def _update(self, answer: Mapping[str, Any]) -> None:
        if "granted" in answer:
            self.granted = Decimal(str(answer["granted"]))
        if "expiresAt" in answer:
            self.expires_at = datetime.fromisoformat(str(answer["expiresAt"]))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.granted}, {self._state.value}>"

    @property
    def is_open(self) -> bool:
        """Neither settled nor released yet."""
        return self._state is _State.OPEN

    def _extending(self, amount: Amount) -> Changes:
        self._require_open()
        body = {"amount": wire_amount(amount, "amount")}
        self._update((yield from exchange(moving_money(f"{self._path}/extend", body))))

    def _settling(self, amount: Amount, used: Mapping[str, Any]) -> Changes:
        self._require_open()
        body = {"amount": wire_amount(amount, "amount")}
        body.update({name: value for name, value in used.items() if value is not None})
        try:
            yield from exchange(moving_money(f"{self._path}/settle", body))
        except BursarError as problem:
            if problem.status is None or problem.status >= 500:
                # It may have been charged. Releasing now could undo nothing and hide that; the expiry decides.
                self._state = _State.UNKNOWN
            raise
        self._state = _State.SETTLED

    def _releasing(self) -> Changes:
        self._require_open()
        yield from exchange(moving_money(f"{self._path}/release", {}))
        self._state = _State.RELEASED

    def _leaving(self, error: BaseException | None) -> Changes:
        """Gives back what was never settled. The block's own exception stays the one that is raised."""
        if not self.is_open:
            return
        try:
            yield from self._releasing()
        except BursarError as problem:
            if error is None and problem.status not in _ALREADY_OVER:
                raise
            log.warning("hold %s could not be released: %s", self.id, problem)
            if error is not None:
                error.add_note(f"Hold {self.id} could not be released ({problem}); it ends by its expiry.")

    def _require_open(self) -> None:
        if self._state is not _State.OPEN:
            raise RuntimeError(f"hold {self.id} is already {self._state.value}")


class Hold(_OpenHold):
    """Money that is set aside, inside of `with bursar.hold(…)`."""

    def __init__(self, bursar: Bursar, path: str, answer: Mapping[str, Any]) -> None:
        super().__init__(path, answer)
        self._bursar = bursar
        self._ended = threading.Event()

    def extend(self, amount: Amount) -> None:
        """Set `amount` more aside, and begin the time to live anew (zero does only that).

        Raises `InsufficientBalance`; what was held stays held.
        """
        self._bursar.run(self._extending(amount))

    def settle(
        self,
        amount: Amount,
        *,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
        input_tokens: int | None = None,
        cached_input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        """Charge `amount`, and free the rest of the hold. What was used is kept on the transfer."""
        used = used_fields(model, tags, input_tokens, cached_input_tokens, output_tokens)
        self._bursar.run(self._settling(amount, used))

    def release(self) -> None:
        """Give everything back now; the end of the block does it as well."""
        self._bursar.run(self._releasing())

    def keep_alive(self, every_seconds: float) -> None:
        """Renew the hold from a thread until it ends. A failure is logged: the work finds out when it settles."""

        def renew() -> None:
            while not self._ended.wait(every_seconds) and self.is_open:
                try:
                    self.extend(0)
                except Exception as problem:
                    if self.is_open:
                        log.warning("hold %s could not be renewed: %s", self.id, problem)

        threading.Thread(target=renew, name=f"bursar-hold-{self.id}", daemon=True).start()

    def _leave(self, error: BaseException | None) -> None:
        self._ended.set()
        self._bursar.run(self._leaving(error))


class AsyncHold(_OpenHold):
    """Money that is set aside, inside of `async with bursar.hold(…)`: as `Hold`, to be awaited."""

    def __init__(self, bursar: Bursar, path: str, answer: Mapping[str, Any]) -> None:
        super().__init__(path, answer)
        self._bursar = bursar
        self._renewal: asyncio.Task[None] | None = None

    async def extend(self, amount: Amount) -> None:
        """As `Hold.extend`."""
        await self._bursar.run_async(self._extending(amount))

    async def settle(
        self,
        amount: Amount,
        *,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
        input_tokens: int | None = None,
        cached_input_tokens: int | None = None,
        output_tokens: int | None = None,
    ) -> None:
        """As `Hold.settle`."""
        used = used_fields(model, tags, input_tokens, cached_input_tokens, output_tokens)
        await self._bursar.run_async(self._settling(amount, used))

    async def release(self) -> None:
        """As `Hold.release`."""
        await self._bursar.run_async(self._releasing())

    def keep_alive(self, every_seconds: float) -> None:
        """Renew the hold from a task of the running asyncio loop until it ends."""

        async def renew() -> None:
            while self.is_open:
                await asyncio.sleep(every_seconds)
                try:
                    await self.extend(0)
                except Exception as problem:
                    if self.is_open:
                        log.warning("hold %s could not be renewed: %s", self.id, problem)

        self._renewal = asyncio.create_task(renew())

    async def _leave(self, error: BaseException | None) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
        # A cancelled block still gives its money back; the shield holds in cancelled scopes of anyio too.
        with anyio.move_on_after(LONGEST_RELEASE_SECONDS, shield=True):
            await self._bursar.run_async(self._leaving(error))


class PendingHold:
    """What `bursar.hold(…)` returns: nothing is set aside before its `with` or `async with` begins."""

    def __init__(self, bursar: Bursar, path: str, body: Mapping[str, Any], renew_every_seconds: float | None) -> None:
        self._bursar = bursar
        self._path = path
        self._body = body
        self._renew_every_seconds = renew_every_seconds
        self._hold: Hold | None = None
        self._async_hold: AsyncHold | None = None

    def _request(self) -> Send:
        if self._hold is not None or self._async_hold is not None:
            raise RuntimeError("a hold can be entered once; ask for another one")
        return moving_money(self._path, self._body)

    def __enter__(self) -> Hold:
        self._hold = Hold(self._bursar, self._path, self._bursar.run(exchange(self._request())))
        if self._renew_every_seconds is not None:
            self._hold.keep_alive(self._renew_every_seconds)
        return self._hold

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._hold is not None:
            self._hold._leave(error)

    async def __aenter__(self) -> AsyncHold:
        answer = await self._bursar.run_async(exchange(self._request()))
        self._async_hold = AsyncHold(self._bursar, self._path, answer)
        if self._renew_every_seconds is not None:
            self._async_hold.keep_alive(self._renew_every_seconds)
        return self._async_hold

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._async_hold is not None:
            await self._async_hold._leave(error)


def wire_amount(amount: Amount, field: str) -> str:
    """The amount as the API wants it. Raises `TypeError` for floats, `AmountError` for what is no amount."""
    return format_amount(amount_nanos(amount, field=field))


def used_fields(
    model: str | None,
    tags: Mapping[str, str] | None,
    input_tokens: int | None,
    cached_input_tokens: int | None,
    output_tokens: int | None,
) -> dict[str, Any]:
    return {
        "model": model,
        "tags": None if tags is None else dict(tags),
        "inputTokens": input_tokens,
        "cachedInputTokens": cached_input_tokens,
        "outputTokens": output_tokens,
    }
