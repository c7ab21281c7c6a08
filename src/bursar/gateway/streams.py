"""Passing a stream on, event by event: metered before it is sent, extended when its slice is used, stopped in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bursar.gateway.admission import Refused
from bursar.gateway.asgi import Client
from bursar.gateway.call import Call
from bursar.gateway.dialects.seam import NOTHING_READ, FaultKind, GatewayFault, Header
from bursar.gateway.meter import Ending
from bursar.gateway.sse import EventTooLarge, SseEvent, SseSplitter
from bursar.gateway.upstream_http import UpstreamAnswer
from bursar.gateway.upstream_target import UpstreamFault

_BROKE_OFF: Final = "The upstream broke off before its answer was complete."


class StreamPasser:
    """One stream from an upstream to a client. Only whole events are sent on, so that it can be ended cleanly."""

    __slots__ = (
        "_answer",
        "_broke_off",
        "_call",
        "_client",
        "_complete",
        "_first_data",
        "_last_block",
        "_last_data",
        "_reported_error",
        "_splitter",
    )

    def __init__(self, call: Call, client: Client, answer: UpstreamAnswer) -> None:
        self._call = call
        self._client = client
        self._answer = answer
        self._splitter = SseSplitter()
        self._first_data = b""
        self._last_data = b""
        self._last_block = b""
        """Events that were passed on unread, after those that the data above is of."""
        self._complete = False
        """Whether the client was told that this is all."""
        self._broke_off = False
        self._reported_error = False

    async def run(self, status: int, headers: list[Header]) -> None:
        """Pass everything on. Afterwards the call's `ending` says how it ended."""
        call, client = self._call, self._client
        await client.start(status, headers)
        try:
            await self._pass_all()
        except (UpstreamFault, EventTooLarge) as fault:
            if not call.stopped:
                self._broke_off = True
                call.stop(GatewayFault(FaultKind.UPSTREAM_UNAVAILABLE, _BROKE_OFF))
                call.broke_off(fault)
        call.ending = self._ending()
        if not self._complete:
            await client.write(self._last_words(), more=False)

    async def _pass_all(self) -> None:
        answer, splitter, call = self._answer, self._splitter, self._call
        while chunk := await answer.next_chunk():
            if splitter.pending:
                await self._pass(splitter.feed(chunk), None)
            elif (taken := self._take(chunk)) == len(chunk):
                await self._pass_whole(chunk)
            else:
                events = splitter.feed(chunk[taken:] if taken else chunk)
                # Bytes that begin and end with whole events are sent on as they came.
                await self._pass(events, None if splitter.pending else chunk, chunk[:taken])
            if call.stopped:
                return
        await self._pass(splitter.finish(), None)

    def _take(self, chunk: bytes) -> int:
        """How many bytes of what has come may be passed on unread: whole events of output that is paid for."""
        call = self._call
        length = call.dialect.skim(chunk)
        if length == 0 or not call.meter.takes(chunk if length == len(chunk) else chunk[:length]):
            return 0
        if not self._first_data:
            self._first_data = SseSplitter().feed(chunk[: chunk.index(b"\n\n") + 2])[0].data
        self._last_block = chunk if length == len(chunk) else chunk[:length]
        return length

    async def _pass_whole(self, chunk: bytes) -> None:
        """Send what came as it came; where it is the last of a stream, together with the end of the answer."""
        self._complete = self._answer.ended
        await self._client.write(chunk, more=not self._complete)

    async def _pass(self, events: Sequence[SseEvent], whole: bytes | None, before: bytes = b"") -> None:
        """Meter events, and send on those that are paid for; `whole` is `before` and all of them, as one piece."""
        call, meter, dialect = self._call, self._call.meter, self._call.dialect
        ready: list[bytes] = [before] if before else []
        for event in events:
            reading = dialect.read_event(event)
            if reading is NOTHING_READ:
                self._passed(event)
                ready.append(event.raw)
                continue
            if not self._first_data:
                self._first_data = event.data
            meter.add(reading)
            if not meter.covered():
                await self._send(ready)
                whole = None
                await self._extend()
                if call.stopped:
                    meter.take_back()
                    return
            if reading.is_error:
                self._reported_error = True
                if self._is_about_our_account(event):
                    break
            if reading.only_usage and not call.asked.request.usage_asked:
                whole = None
                continue
            self._passed(event)
            ready.append(event.raw)
        if whole is not None and not call.stopped:
            await self._pass_whole(whole)
        else:
            await self._send(ready)

    def _passed(self, event: SseEvent) -> None:
        if event.data:
            self._last_data, self._last_block = event.data, b""

    async def _send(self, ready: list[bytes]) -> None:
        if ready:
            await self._client.write(b"".join(ready), more=True)
            ready.clear()

    async def _extend(self) -> None:
        """The next slice, or the end of the call. The upstream is not read meanwhile."""
        call = self._call
        # For a client that has gone nothing more is set aside: it is read to its end within its hold.
        why = None if self._client.gone else await call.extend()
        if self._client.gone or why is not None:
            call.stop(why)

    def _is_about_our_account(self, event: SseEvent) -> bool:
        """Such a complaint stops the call: the client is told that the upstream is unavailable, the operator why."""
        error = self._call.dialect.read_error(200, event.data)
        if error.about_our_account:
            self._call.stop(self._call.complaint(200, error.code))
        return error.about_our_account

    def _ending(self) -> Ending | None:
        call = self._call
        if self._reported_error or self._broke_off:
            produced = call.meter.produced_anything or call.meter.has_usage
            return Ending.BROKEN if produced or not self._reported_error else None
        if call.stopped:
            return Ending.STOPPED
        return Ending.DRAINED if self._client.gone else Ending.COMPLETE

    def _last_words(self) -> bytes:
        """What a stream that did not come to its end by itself ends with."""
        call, why = self._call, self._call.why_stopped
        if not call.stopped or why is None:
            return b""
        if self._last_block:
            self._passed(SseSplitter().feed(self._last_block)[-1])
        if isinstance(why, Refused):
            return call.dialect.stop_events(why.refusal, self._first_data, self._last_data)
        return call.dialect.fault_events(why, call.request_id, self._first_data, self._last_data)
