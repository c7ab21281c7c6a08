"""`GET /api/mandates/{mandateId}/live`: a page's live figures, as server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Annotated, Final

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from bursar.identity.access import Action, rank_of
from bursar.identity.documented import STREAM, refusals
from bursar.identity.entrance import Visitor, may
from bursar.identity.sign_in.browser import Cookies
from bursar.identity.wiring import Wiring, wiring_of
from bursar.notices.live.hub import LiveHub, Page
from bursar.notices.live.standing import Standing

Somebody = Annotated[Visitor, Depends(may(Action.READ_BALANCE))]
_HEADERS: Final = {"cache-control": "no-store", "x-accel-buffering": "no"}
_BEARER: Final = "bearer "
_RETRY: Final = b"retry: 2000\n\n"
_ALIVE: Final = b": still here\n\n"


def live_router(hub: LiveHub) -> APIRouter:
    router = APIRouter(tags=["live"])

    @router.get(
        "/api/mandates/{mandateId}/live", response_class=StreamingResponse, responses={**refusals(429), **STREAM}
    )
    async def live(
        request: Request, visitor: Annotated[Visitor, Depends(may(Action.READ_BALANCE))]
    ) -> StreamingResponse:
        """Server-sent events, for as long as the caller may see them.

        `balance`: `{"currency", "accounts": […]}` at once with every account that the caller may see, then with those
        that have changed, as `GET …/balance` shows them. `notices`: `{"unread"}`, of the caller's own inbox. `end`: the
        stream ends, and `reason` says why (`signedOut`, `stopping`).
        """
        page = _page(request, visitor, wiring_of(request))
        await hub.join(page)
        return _LiveResponse(hub, page, visitor.mandate.currency)

    return router


class _LiveResponse(StreamingResponse):
    """Leaves the hub however it ends, even before its first byte."""

    def __init__(self, hub: LiveHub, page: Page, currency: str) -> None:
        super().__init__(events(hub, page, currency), media_type="text/event-stream", headers=_HEADERS)
        self._hub = hub
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._hub.leave(self._page)


def _page(request: Request, visitor: Visitor, wiring: Wiring) -> Page:
    person = visitor.caller.person
    authorization = request.headers.get("authorization", "")
    key = authorization[len(_BEARER) :].strip() if authorization[: len(_BEARER)].lower() == _BEARER else None
    session = None
    if key is None and wiring.sign_in is not None:
        session = Cookies(wiring.sign_in.public_url).session_of(request)
    standing = Standing(visitor.mandate.mandate_id, rank_of(visitor.caller), session, key)
    return Page(standing, visitor.actor, visitor.own_user_id, None if person is None else person.user_id)


async def events(hub: LiveHub, page: Page, currency: str) -> AsyncIterator[bytes]:
    """What the page has not been told yet, whenever there is something; and a word now and then if there is nothing."""
    yield _RETRY
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(hub.pace.alive_seconds):
                await page.woken.wait()
        page.woken.clear()
        yield _news(page, currency) or _ALIVE
        if page.ended is not None:
            return


def _news(page: Page, currency: str) -> bytes:
    parts: list[bytes] = []
    if page.accounts:
        accounts = b",".join(page.accounts.values())
        page.accounts = {}
        parts.append(b'event: balance\ndata: {"currency":"%b","accounts":[%b]}\n\n' % (currency.encode(), accounts))
    if page.unread is not None:
        parts.append(b'event: notices\ndata: {"unread":%d}\n\n' % page.unread)
        page.unread = None
    if page.ended is not None:
        parts.append(b'event: end\ndata: {"reason":"%b"}\n\n' % page.ended.encode())
    return b"".join(parts)
