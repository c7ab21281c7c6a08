"""The pages as they are built: what the first view loads, what is compressed, and that every address is served."""

from __future__ import annotations

import gzip
import json
import re
from typing import Any
from uuid import UUID

import pytest

from bursar.billing.refusal import billing_url
from bursar.webpages.bundle import read_bundle
from bursar.webpages.policy import NONCE_PLACEHOLDER
from bursar.webpages.site import SECTIONS, is_page
from tests.support.web import PAGES, WEB, need_pages

MOST_FIRST_VIEW_BYTES = 260_000
"""JavaScript of the first view, compressed by gzip."""

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module", autouse=True)
def _pages() -> None:
    need_pages()


def first_view() -> set[str]:
    """The scripts that every visit loads: the entry and what it imports at once."""
    manifest: dict[str, Any] = json.loads((PAGES / ".vite" / "manifest.json").read_text())
    (entry,) = [name for name, chunk in manifest.items() if chunk.get("isEntry")]
    wanted, found = [entry], set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += manifest[name].get("imports", [])
    return {manifest[name]["file"] for name in found}


def test_the_first_view_is_small() -> None:
    sizes = {name: len(gzip.compress((PAGES / name).read_bytes())) for name in first_view()}
    assert sum(sizes.values()) < MOST_FIRST_VIEW_BYTES, sizes


def test_every_large_text_has_its_compressed_forms_and_none_is_stale() -> None:
    bundle = read_bundle(PAGES)
    assert bundle is not None
    scripts = {path: asset for path, asset in bundle.assets.items() if path.endswith((".js", ".css"))}
    assert f"/{next(iter(first_view()))}" in scripts
    for path, asset in scripts.items():
        *encoded, plain = asset.variants
        if plain.file.stat().st_size >= 1_000:
            assert [each.encoding for each in encoded] == ["br", "gzip"], path
            assert gzip.decompress(encoded[1].file.read_bytes()) == plain.file.read_bytes()
        assert asset.is_hashed, path


def test_what_the_document_loads_carries_a_nonce_and_is_there() -> None:
    bundle = read_bundle(PAGES)
    assert bundle is not None
    tags = re.findall(r"<(?:script|link rel=\"(?:stylesheet|modulepreload)\")[^>]*>", bundle.document)
    assert tags
    for tag in tags:
        assert f'nonce="{NONCE_PLACEHOLDER}"' in tag
        (path,) = re.findall(r'(?:src|href)="([^"]+)"', tag)
        assert path in bundle.assets
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", bundle.document)
    assert "/icon.svg" in bundle.assets


def test_every_address_that_the_pages_know_is_served() -> None:
    known = re.findall(r"^\s*path: '/([\w-]+)'", (WEB / "src" / "pages.ts").read_text(), re.MULTILINE)
    assert set(known) == SECTIONS


def test_every_address_in_a_refusal_is_served() -> None:
    url = billing_url("https://bursar.example", UUID(int=0))
    path = url.removeprefix("https://bursar.example").partition("?")[0]
    assert is_page(path)
