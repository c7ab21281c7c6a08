"""The pages as an ASGI callable in front of the API: what is no page and no file of theirs goes on."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from bursar.webpages.bundle import Asset, Bundle, Variant
from bursar.webpages.policy import ASSET_HEADERS, NONCE_PLACEHOLDER, document_headers

SECTIONS: Final = frozenset({"workspace", "billing", "mandate", "operator"})
"""The first parts of the pages' addresses; `/` is a page as well."""
_READING: Final = ("GET", "HEAD")
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_ASK_AGAIN: Final = "no-cache"
_NOT_BUILT: Final = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Bursar</title>
<h1>The web pages were not built</h1>
<p>This server runs from a source tree without them. Everything else works: the gateway below <code>/v1</code>, the
management API as <a href="/api/docs">/api/docs</a> describes it.</p>
<p><code>make run</code> builds the pages and serves them; so does installing Bursar with <code>pip install .</code></p>
</html>
"""


class Site:
    """Documents and files of `bundle`, which is `None` where nothing was built; the rest is answered by `otherwise`."""

    def __init__(self, bundle: Bundle | None, otherwise: ASGIApp) -> None:
        self._document = None if bundle is None else bundle.document
        self._assets: Mapping[str, Asset] = {} if bundle is None else bundle.assets
        self._otherwise = otherwise

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = self._answer(scope) if scope["type"] == "http" else None
        await (answer or self._otherwise)(scope, receive, send)

    def _answer(self, scope: Scope) -> Response | None:
        path: str = scope["path"]
        asset = self._assets.get(path)
        if asset is None and not is_page(path):
            return _not_found() if path.startswith("/assets/") else None
        if scope["method"] not in _READING:
            return PlainTextResponse("Method not allowed", 405, {"allow": ", ".join(_READING)})
        return self._page() if asset is None else _file(asset, Request(scope).headers)

    def _page(self) -> Response:
        nonce = secrets.token_urlsafe(16)
        headers = document_headers(nonce)
        if self._document is None:
            return HTMLResponse(_NOT_BUILT, 503, headers)
        return HTMLResponse(self._document.replace(NONCE_PLACEHOLDER, nonce), headers=headers)


def is_page(path: str) -> bool:
    """Whether the pages show something at this address; which page, they decide themselves."""
    return path == "/" or path[1:].partition("/")[0] in SECTIONS


def _file(asset: Asset, request_headers: Headers) -> Response:
    variant = _preferred(asset, request_headers.get("accept-encoding", ""))
    headers = {
        **dict(ASSET_HEADERS),
        "cache-control": _FOR_EVER if asset.is_hashed else _ASK_AGAIN,
        "etag": variant.etag,
    }
    if len(asset.variants) > 1:
        headers["vary"] = "accept-encoding"
    if _is_known(variant.etag, request_headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    if variant.encoding is not None:
        headers["content-encoding"] = variant.encoding
    try:
        found = variant.file.stat()
    except FileNotFoundError:  # built again since the start
        return _not_found()
    return FileResponse(variant.file, headers=headers, media_type=asset.media_type, stat_result=found)


def _not_found() -> Response:
    return PlainTextResponse("Not found", 404, {"cache-control": "no-store"})


def _preferred(asset: Asset, accept_encoding: str) -> Variant:
    accepted = _codings(accept_encoding)
    *encoded, plain = asset.variants
    return next((each for each in encoded if accepted.get(each.encoding or "", accepted.get("*", False))), plain)


def _codings(accept_encoding: str) -> dict[str, bool]:
    """Content codings by whether they are welcome: `q=0` says no."""
    found = {}
    for part in accept_encoding.lower().split(","):
        name, _, parameter = part.partition(";")
        key, _, weight = parameter.strip().partition("=")
        found[name.strip()] = not (key.strip() == "q" and weight.strip().rstrip("0") in ("", "0."))
    return found


def _is_known(etag: str, if_none_match: str) -> bool:
    known = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return etag in known or "*" in known
