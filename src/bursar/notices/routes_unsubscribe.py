"""The page behind "send no more messages": shows what it is about (GET), and does it (POST, RFC 8058). No key needed.

A GET changes nothing: mail scanners follow every link.
"""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import HTMLResponse

from bursar.billing.texts import choose_language, quotable
from bursar.foundation.secrets import LinkError
from bursar.identity.access import Action
from bursar.identity.entrance import open_to_all
from bursar.identity.wiring import wiring_of
from bursar.notices import unsubscribing
from bursar.notices.catalogues import CATALOGUES
from bursar.notices.unsubscribing import PATH, Reader, UnsubscribeLinks

_STYLE: Final = (
    "body{font:17px/1.5 system-ui,sans-serif;max-width:34rem;margin:12vh auto;padding:0 1.25rem;color:#14171a;"
    "background:#fff;overflow-wrap:anywhere}button{font:inherit;font-weight:600;padding:.7rem 1.3rem;border:0;"
    "border-radius:8px;background:#1f5f4f;color:#fff;cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{color:#f1f3f5;background:#14171a}button{background:#5aad8d;color:#0b1a14}}"
)
_HEADERS: Final = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def unsubscribe_router(links: UnsubscribeLinks) -> APIRouter:
    router = APIRouter(include_in_schema=False, dependencies=[Depends(open_to_all(Action.SIGN_IN))])

    async def read(request: Request, token: str) -> Reader | None:
        try:
            mandate_id, address = links.read(token, datetime.now(UTC))
        except LinkError:
            return None
        return await unsubscribing.reader_of(wiring_of(request).database.ledger_pool, mandate_id, address)

    @router.get(PATH)
    async def show(request: Request, token: Annotated[str, Query(max_length=2000)] = "") -> HTMLResponse:
        reader = await read(request, token)
        if reader is None:
            return _invalid(request)
        texts = CATALOGUES[choose_language(None, reader.language)]
        ask = texts["unsubscribe.ask"].format(address=reader.address, mandate=quotable(reader.mandate_name))
        form = f'<form method="post"><button>{escape(texts["unsubscribe.button"])}</button></form>'
        return _page(choose_language(None, reader.language), texts["unsubscribe.title"], f"<p>{escape(ask)}</p>{form}")

    @router.post(PATH)
    async def leave(request: Request, token: Annotated[str, Query(max_length=2000)] = "") -> HTMLResponse:
        reader = await read(request, token)
        if reader is None:
            return _invalid(request)
        pool = wiring_of(request).database.ledger_pool
        await unsubscribing.unsubscribe(pool, reader.mandate_id, reader.address)
        texts = CATALOGUES[choose_language(None, reader.language)]
        done = texts["unsubscribe.done"].format(address=reader.address, mandate=quotable(reader.mandate_name))
        return _page(choose_language(None, reader.language), texts["unsubscribe.button"], f"<p>{escape(done)}</p>")

    return router


def _invalid(request: Request) -> HTMLResponse:
    language = choose_language(request.headers.get("accept-language"))
    text = CATALOGUES[language]["unsubscribe.invalid"]
    return _page(language, text, "", status_code=404)


def _page(language: str, title: str, body: str, status_code: int = 200) -> HTMLResponse:
    html = (
        f'<!DOCTYPE html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><h1>{escape(title)}</h1>{body}</body></html>"
    )
    return HTMLResponse(html, status_code=status_code, headers=_HEADERS)
