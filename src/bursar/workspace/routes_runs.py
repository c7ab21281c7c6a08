"""Runs: beginning one, following it, stopping it, letting it go on. What comes back is a stream of AG-UI's events.

A stream is a window on a run, not the run: closing it changes nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Path, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bursar.foundation.problems import invalid_field
from bursar.identity.documented import refusals
from bursar.identity.wiring import wiring_of
from bursar.workspace.following import follow, sse
from bursar.workspace.routes_threads import THREADS, AtWork, ThreadId, thread_id_of
from bursar.workspace.run_store import RunKey
from bursar.workspace.wire import RunAsk, StopAnswer
from bursar.workspace.wiring import whose, workspace_of

router = APIRouter(tags=["workspace"])
EVENT_STREAM: Final = "text/event-stream"
RUNS: Final = THREADS + "/{threadId}/runs"
RunId = Annotated[str, Path(alias="runId", min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.:-]+$")]
EventNumber = Annotated[int | None, Query(ge=0, le=2**31 - 1, description="The last event that is known already.")]

_EVENT: Final[dict[str, Any]] = {
    "description": "One event of the stream.",
    "type": "object",
    "required": ["id", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$"},
        "event": {"type": "string"},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "An event of AG-UI 1.0 (https://docs.ag-ui.com).",
        },
    },
}
_STREAM: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "AG-UI's events, each with its number as `id`.",
        "content": {EVENT_STREAM: {"schema": _EVENT}},
    }
}


class EventStream(StreamingResponse):
    media_type = EVENT_STREAM


def _stream(request: Request, key: RunKey, after: int) -> EventStream:
    database, journals = wiring_of(request).database, workspace_of(request).runs.journals

    async def written() -> AsyncIterator[bytes]:
        async for each in follow(database, journals, key, after):
            yield sse(each)

    return EventStream(written(), headers={"cache-control": "no-store", "x-accel-buffering": "no"})


@router.post(RUNS, response_class=EventStream, responses={**refusals(409, 429), **_STREAM})
async def begin_run(request: Request, visitor: AtWork, thread_id: ThreadId, ask: RunAsk) -> EventStream:
    """Say something, and follow what comes of it."""
    found = thread_id_of(thread_id)
    if ask.thread_id is not None and ask.thread_id.lower() != str(found):
        raise invalid_field("threadId", "is not the thread of the path")
    key = await workspace_of(request).runs.begin(whose(request, visitor), found, ask.asked())
    return _stream(request, key, 0)


@router.get(RUNS + "/{runId}/events", response_class=EventStream, responses={**refusals(), **_STREAM})
async def follow_run(
    request: Request,
    visitor: AtWork,
    thread_id: ThreadId,
    run_id: RunId,
    after: EventNumber = None,
    last_event_id: Annotated[str | None, Header(description="As `after`; what a browser sends by itself.")] = None,
) -> EventStream:
    """The events of a run, from any on, until it stands still."""
    key = await workspace_of(request).runs.find(whose(request, visitor), thread_id_of(thread_id), run_id)
    if after is None:
        text = (last_event_id or "0").strip()
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise invalid_field("last-event-id", "must be the number of an event")
        after = int(text)
    return _stream(request, key, after)


@router.post(RUNS + "/{runId}/stop", status_code=202, responses=refusals())
async def stop_run(request: Request, visitor: AtWork, thread_id: ThreadId, run_id: RunId) -> StopAnswer:
    """End a run soon; what it has produced stays. One that does not run is left as it is."""
    status = await workspace_of(request).runs.ask_to_stop(whose(request, visitor), thread_id_of(thread_id), run_id)
    return StopAnswer.model_validate({"status": status})


@router.post(RUNS + "/{runId}/continue", response_class=EventStream, responses={**refusals(409), **_STREAM})
async def continue_run(request: Request, visitor: AtWork, thread_id: ThreadId, run_id: RunId) -> EventStream:
    """Let a run that stands still (for lack of money, or through a fault) go on from the step it stopped at."""
    runs = workspace_of(request).runs
    key, after = await runs.go_on(whose(request, visitor), thread_id_of(thread_id), run_id)
    return _stream(request, key, after)
