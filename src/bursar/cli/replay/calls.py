"""One call of the trace: a prompt of its size, an answer of its length, and what came of it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

import aiohttp
import orjson

from bursar.cli.replay.asking import Asking, error_of
from bursar.cli.replay.report import Tally
from bursar.cli.replay.trace import TraceCall
from bursar.pricing.cost import cost_nanos
from bursar.pricing.model import PriceUsed, Usage

RETRIES: Final = 2
"""Of a 429, after what `Retry-After` says: as official clients do."""


class Caller:
    def __init__(self, url: str, key: str, model: str, asking: Asking, price: PriceUsed, tally: Tally) -> None:
        self._url = url + asking.path
        self._asking = asking
        self._headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        self._model = model
        self._price = price
        self.tally = tally

    async def make(self, session: aiohttp.ClientSession, call: TraceCall, *, streamed: bool) -> None:
        """Make the call and count what came of it; never raises."""
        streamed = streamed and self._asking.has_output
        self.tally.calls += 1
        self.tally.streamed += streamed
        try:
            for attempt in range(RETRIES + 1):
                retry_after = await self._attempt(session, call, streamed=streamed, last=attempt == RETRIES)
                if retry_after is None:
                    return
                await asyncio.sleep(retry_after)
        except (aiohttp.ClientError, TimeoutError, orjson.JSONDecodeError) as error:
            self.tally.faults[type(error).__name__] += 1

    async def _attempt(
        self, session: aiohttp.ClientSession, call: TraceCall, *, streamed: bool, last: bool
    ) -> float | None:
        body = self._body(call, streamed=streamed)
        async with session.post(self._url, data=body, headers=self._headers) as answer:
            if answer.status == 429 and not last:
                await answer.read()
                return float(answer.headers.get("retry-after", "1"))
            if answer.status != 200:
                self._refused(call.at, (orjson.loads(await answer.read())).get("error") or {})
                return None
            clamped = answer.headers.get("x-bursar-output-clamped")
            error = error_of(self._asking, await answer.read()) if streamed else None
            if not streamed:
                await answer.read()
        if error is not None:
            self._refused(call.at, error)
        else:
            self._completed(call, int(clamped) if clamped else None)
        return None

    def _body(self, call: TraceCall, *, streamed: bool) -> bytes:
        """A prompt about as long as the trace's, which tells the demo model exactly what to report and to answer."""
        told = f"[[input_tokens={call.input_tokens} tokens={call.output_tokens}]]"
        asked = self._asking.body(f"{told} {'a ' * call.input_tokens}", max(1, call.output_tokens))
        return orjson.dumps({"model": self._model, **asked, **({"stream": True} if streamed else {})})

    def _completed(self, call: TraceCall, clamped: int | None) -> None:
        wanted = call.output_tokens if self._asking.has_output else 0
        output = wanted if clamped is None else min(clamped, wanted)
        self.tally.completed += 1
        self.tally.expected_nanos += cost_nanos(
            self._price, Usage(input_tokens=call.input_tokens, output_tokens=output)
        )

    def _refused(self, at: datetime, error: dict[str, Any]) -> None:
        billing = error.get("billing")
        if billing is None:
            self.tally.faults[str(error.get("code") or error.get("type"))] += 1
            return
        self.tally.refusals[billing["reason"]] += 1
        if billing["reason"] == "BALANCE_EXHAUSTED":
            ended = self.tally.money_ended_at
            self.tally.money_ended_at = at if ended is None else min(ended, at)
