"""The client itself: one class for blocking and asynchronous code, over `httpx`."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Generator, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from uuid import UUID

import httpx

from bursar.billing.billing_object import Amount
from bursar.client.exchange import LOST, Pause, Reply, Send, Step, exchange, mandate_of
from bursar.client.holds import PendingHold, wire_amount

DEFAULT_URL: Final = "http://127.0.0.1:8402"
_Result = TypeVar("_Result")


class Bursar:
    """A running Bursar, as an application's back end sees it with its service key.

    `key` and `base_url` come from `BURSAR_KEY` and `BURSAR_URL` where they are not given. `mandate_id` is in the key,
    and needed only with a root key. `language` asks for the texts of errors (`de`, `en`, `fr`, `it`).
    Safe to share between threads and between event loops.
    """

    def __init__(
        self,
        base_url: str | None = None,
        key: str | None = None,
        *,
        mandate_id: UUID | str | None = None,
        language: str | None = None,
        timeout_seconds: float = 30.0,
    ) -> None:
        key = key or os.environ.get("BURSAR_KEY")
        if not key:
            raise ValueError("no key: pass key, or set BURSAR_KEY")
        self.mandate_id = mandate_of(key) if mandate_id is None else UUID(str(mandate_id))
        headers = {"Authorization": f"Bearer {key}", "User-Agent": "bursar-python"}
        if language is not None:
            headers["Accept-Language"] = language
        self._options: dict[str, Any] = {
            "base_url": base_url or os.environ.get("BURSAR_URL") or DEFAULT_URL,
            "headers": headers,
            "timeout": timeout_seconds,
        }
        self._lock = threading.Lock()
        self._client: httpx.Client | None = None
        self._async_clients: dict[asyncio.AbstractEventLoop, httpx.AsyncClient] = {}

    def hold(
        self,
        *,
        desired: Amount | None = None,
        minimum: Amount | None = None,
        user: str | UUID | None = None,
        ttl_seconds: int = 300,
        model: str | None = None,
        tags: Mapping[str, str] | None = None,
        keep_alive: bool = False,
    ) -> PendingHold:
        """Money for one piece of work, to be used as `with` or `async with`: at least `minimum`, `desired` if there is.

        One of the two stands for both. Amounts are units of the mandate's currency. `user` is Bursar's id or the
        application's own. After `ttl_seconds` without a sign of life a hold expires; with `keep_alive` the client
        renews it until the block ends. Entering raises `InsufficientBalance` (held funds are waited for a little) and
        `BursarError`.
        """
        least = minimum if minimum is not None else desired
        if least is None:
            raise TypeError("hold() needs desired, minimum, or both")
        body: dict[str, Any] = {
            "minimum": wire_amount(least, "minimum"),
            "desired": wire_amount(least if desired is None else desired, "desired"),
            "ttlSeconds": ttl_seconds,
        }
        if user is not None:
            body["userId"] = str(user)
        if model is not None:
            body["model"] = model
        if tags is not None:
            body["tags"] = dict(tags)
        path = f"/api/mandates/{self.mandate_id}/holds"
        return PendingHold(self, path, body, ttl_seconds / 3 if keep_alive else None)

    def balance(self, *, user: str | UUID | None = None) -> dict[str, Any]:
        """Payer, available, held, settled this month, and limits, as far as the key or the named user may see them."""
        return self.run(exchange(_balance(user)))

    async def balance_async(self, *, user: str | UUID | None = None) -> dict[str, Any]:
        """As `balance`."""
        return await self.run_async(exchange(_balance(user)))

    # --- sending ---------------------------------------------------------------------------------------------------

    def run(self, steps: Generator[Step, Reply, _Result]) -> _Result:
        """Drive an exchange, blocking."""
        reply: Reply = None
        try:
            while True:
                step = steps.send(reply)
                reply = None
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                else:
                    reply = self._send(step)
        except StopIteration as done:
            result: _Result = done.value
            return result

    async def run_async(self, steps: Generator[Step, Reply, _Result]) -> _Result:
        """Drive an exchange on the running event loop."""
        reply: Reply = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as done:
                result: _Result = done.value
                return result
            reply = None
            if isinstance(step, Pause):
                await asyncio.sleep(step.seconds)
            else:
                reply = await self._send_async(step)

    def _send(self, request: Send) -> Reply:
        with self._lock:
            if self._client is None:
                self._client = httpx.Client(**self._options)
            client = self._client
        try:
            return client.request(request.method, request.path, json=request.body, headers=dict(request.headers))
        except LOST as problem:
            return problem

    async def _send_async(self, request: Send) -> Reply:
        client = self._client_of(asyncio.get_running_loop())
        try:
            return await client.request(request.method, request.path, json=request.body, headers=dict(request.headers))
        except LOST as problem:
            return problem

    def _client_of(self, loop: asyncio.AbstractEventLoop) -> httpx.AsyncClient:
        """Connections belong to the loop that opened them; those of closed loops are forgotten."""
        with self._lock:
            for other in [each for each in self._async_clients if each.is_closed()]:
                del self._async_clients[other]
            if loop not in self._async_clients:
                self._async_clients[loop] = httpx.AsyncClient(**self._options)
            return self._async_clients[loop]

    # --- closing ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close the connections of blocking code. The client can be used again."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    async def close_async(self) -> None:
        """Close the running loop's connections, and those of blocking code."""
        with self._lock:
            client = self._async_clients.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.aclose()
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close_async()


def _balance(user: str | UUID | None) -> Send:
    return Send("GET", "/v1/balance", headers={} if user is None else {"x-bursar-user": str(user)})
