"""Pages and their files over real HTTP, from a folder as Vite and `precompress.ts` leave it."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from bursar.webpages.bundle import read_bundle
from bursar.webpages.policy import NONCE_PLACEHOLDER
from bursar.webpages.site import Site
from tests.gateway.world import served

NAME = "/assets/index-BfP358Di.js"
DOCUMENT = f'<script src="{NAME}" nonce="{NONCE_PLACEHOLDER}"></script><style nonce="{NONCE_PLACEHOLDER}"></style>'
FILES: Mapping[str, bytes] = {
    "/index.html": DOCUMENT.encode(),
    "/icon.svg": b"<svg/>",
    "/.sources": b"abc",
    "/.vite/manifest.json": b"{}",
    NAME: b"plain",
    f"{NAME}.gz": b"gzip's bytes",
    f"{NAME}.br": b"brotli's bytes",
    "/assets/inter-latin-abcdEF-1.woff2": b"wOF2",
    "/assets/unhashed.css": b"b{}",
    "/../secret.js": b"not yours",
}


async def api(scope: Scope, receive: Receive, send: Send) -> None:
    """Whatever is no page: says what it was asked."""
    request = Request(scope)
    await PlainTextResponse(f"{request.method} {request.url.path}", 418)(scope, receive, send)


@asynccontextmanager
async def site(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with (
        served(Site(read_bundle(folder), api)) as url,
        httpx.AsyncClient(base_url=url, timeout=30, headers={"accept-encoding": "identity"}) as http,
    ):
        yield http


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pages"
    for name, content in FILES.items():
        (folder / name[1:]).parent.mkdir(parents=True, exist_ok=True)
        (folder / name[1:]).write_bytes(content)
    return folder


@pytest.fixture
async def http(folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    async with site(folder) as http:
        yield http


@pytest.mark.parametrize(
    "path",
    ["/", "/workspace", "/workspace/01a2/x.js", "/billing?mandate=1", "/billing/", "/mandate/keys", "/operator/prices"],
)
async def test_every_address_of_a_page_answers_the_document(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers["cache-control"] == "no-store"
    assert re.sub(r'nonce="[\w-]{22}"', f'nonce="{NONCE_PLACEHOLDER}"', answer.text) == DOCUMENT


@pytest.mark.parametrize(
    "path",
    ["/api/mandates", "/auth/link?token=x", "/healthz", "/v1/models", "/billings", "/Workspace", "/api/workspace",
     "//billing", "/secret.js", "/.sources", "/.vite/manifest.json", "/index.html", f"{NAME}/.."],
)  # fmt: skip
async def test_what_is_no_page_goes_on(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.get(httpx.URL(str(http.base_url).rstrip("/") + path))
    assert answer.status_code in (404, 418)
    assert "nonce" not in answer.text


async def test_a_nonce_is_used_once_and_stands_in_the_policy(http: httpx.AsyncClient) -> None:
    nonces = set()
    for _ in range(3):
        answer = await http.get("/")
        (nonce,) = set(re.findall(r'nonce="([^"]+)"', answer.text))
        assert answer.headers["content-security-policy"].count(f"'nonce-{nonce}'") == 2
        nonces.add(nonce)
    assert len(nonces) == 3


async def test_the_policy_lets_nothing_in_and_nothing_out(http: httpx.AsyncClient) -> None:
    headers = (await http.get("/billing")).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
    assert {name: policy[name] for name in ("default-src", "connect-src", "img-src", "form-action")} == {
        "default-src": "'none'", "connect-src": "'self'", "img-src": "'self' data:", "form-action": "'self'",
    }  # fmt: skip
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["x-content-type-options"] == "nosniff"
    assert "camera=()" in headers["permissions-policy"]


@pytest.mark.parametrize(
    ("accepted", "encoding", "body"),
    [
        ("gzip, deflate, br, zstd", "br", b"brotli's bytes"),
        ("gzip, deflate", "gzip", b"gzip's bytes"),
        ("br;q=0, gzip;q=0.5", "gzip", b"gzip's bytes"),
        ("br; q=0.0, *", "gzip", b"gzip's bytes"),
        ("identity", None, b"plain"),
        ("", None, b"plain"),
    ],
)
async def test_the_smallest_that_the_browser_reads(
    http: httpx.AsyncClient, accepted: str, encoding: str | None, body: bytes
) -> None:
    async with http.stream("GET", NAME, headers={"accept-encoding": accepted}) as answer:
        raw = b"".join([chunk async for chunk in answer.aiter_raw()])
    assert (raw, answer.headers.get("content-encoding")) == (body, encoding)
    assert answer.headers["content-length"] == str(len(body))
    assert answer.headers["content-type"] == "text/javascript; charset=utf-8"
    assert answer.headers["vary"] == "accept-encoding"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "media_type", "cached"),
    [
        (NAME, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
        ("/assets/inter-latin-abcdEF-1.woff2", "font/woff2", "public, max-age=31536000, immutable"),
        ("/assets/unhashed.css", "text/css; charset=utf-8", "no-cache"),
        ("/icon.svg", "image/svg+xml", "no-cache"),
    ],
)
async def test_files_by_type_and_how_long_they_keep(
    http: httpx.AsyncClient, path: str, media_type: str, cached: str
) -> None:
    answer = await http.get(path)
    assert (answer.status_code, answer.content) == (200, FILES[path])
    assert (answer.headers["content-type"], answer.headers["cache-control"]) == (media_type, cached)
    again = await http.get(path, headers={"if-none-match": f'"other", W/{answer.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", answer.headers["etag"])
    assert (await http.get(path, headers={"if-none-match": '"other"'})).status_code == 200


async def test_each_coding_has_an_etag_of_its_own(http: httpx.AsyncClient) -> None:
    found = {(await http.head(NAME, headers={"accept-encoding": each})).headers["etag"] for each in ("br", "gzip", "")}
    assert len(found) == 3


@pytest.mark.parametrize("path", ["/", NAME, "/icon.svg"])
async def test_head_says_the_same_without_a_body(http: httpx.AsyncClient, path: str) -> None:
    got, head = await http.get(path), await http.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(got.content))


@pytest.mark.parametrize("path", ["/", "/billing", NAME])
async def test_pages_are_only_read(http: httpx.AsyncClient, path: str) -> None:
    answer = await http.post(path, content=b"x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "target",
    ["/assets/nothing-12345678.js", "/assets/../../secret.js", "/assets/%2e%2e/%2e%2e/secret.js", "/../secret.js",
     "/assets/..%2f..%2fsecret.js", f"{NAME}.br", f"{NAME}%00", "/assets/"],
)  # fmt: skip
async def test_nothing_else_is_a_file(http: httpx.AsyncClient, target: str) -> None:
    """As it is sent: clients would tidy up such paths."""
    status, body = await asyncio.to_thread(ask_raw, str(http.base_url), target)
    assert status in (b"404", b"418")
    assert b"not yours" not in body
    assert b"bytes" not in body


def ask_raw(url: str, target: str) -> tuple[bytes, bytes]:
    address = urlsplit(url)
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=30) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nhost: {address.netloc}\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.split(b" ", 2)[1], answer


async def test_a_file_that_went_since_the_start_is_not_found(folder: Path, http: httpx.AsyncClient) -> None:
    shutil.rmtree(folder / "assets")
    answer = await http.get(NAME)
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


async def test_pages_that_were_not_built_say_how_and_harm_nothing(tmp_path: Path) -> None:
    async with site(tmp_path / "nothing") as http:
        for path in ("/", "/billing?mandate=1"):
            answer = await http.get(path)
            assert answer.status_code == 503
            assert "make run" in answer.text
        assert (await http.get("/api/mandates")).status_code == 418
        assert (await http.get(NAME)).status_code == 404


def test_scopes_that_are_no_requests_go_on() -> None:
    seen: list[Any] = []

    async def otherwise(scope: Scope, *_: Any) -> None:
        seen.append(scope["type"])

    coroutine = Site(None, otherwise)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        coroutine.send(None)
    assert seen == ["lifespan"]
