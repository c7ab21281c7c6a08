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


def manifest() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((PAGES / ".vite" / "manifest.json").read_text())
    return found


def entry() -> str:
    (name,) = [name for name, chunk in manifest().items() if chunk.get("isEntry")]
    return name


def page_modules() -> list[str]:
    return sorted(name for name in manifest() if re.fullmatch(r"src/features/[\w-]+/page\.tsx", name))


def loaded_at_once(*names: str) -> set[str]:
    """The scripts of these modules and of all that they import statically."""
    chunks = manifest()
    wanted, found = list(names), set()
    while wanted:
        name = wanted.pop()
        if name not in found:
            found.add(name)
            wanted += chunks[name].get("imports", [])
    return {chunks[name]["file"] for name in found}


def test_every_first_view_is_small() -> None:
    """Of who is not signed in, and of each page that somebody may open first."""
    assert len(page_modules()) == len(SECTIONS)
    for names in [(entry(),), *((entry(), page) for page in page_modules())]:
        sizes = {name: len(gzip.compress((PAGES / name).read_bytes())) for name in loaded_at_once(*names)}
        print(names, sum(sizes.values()))
        assert sum(sizes.values()) < MOST_FIRST_VIEW_BYTES, sizes


def test_every_large_text_has_its_compressed_forms_and_none_is_stale() -> None:
    bundle = read_bundle(PAGES)
    assert bundle is not None
    scripts = {path: asset for path, asset in bundle.assets.items() if path.endswith((".js", ".css"))}
    assert {f"/{name}" for name in loaded_at_once(entry())} <= scripts.keys()
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
