"""The built pages as they lie on the disk: read once, at the start, but for what the files contain."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PAGES: Final = Path(__file__).parents[1] / "pages"
ENCODINGS: Final[tuple[tuple[str, str], ...]] = (("br", ".br"), ("gzip", ".gz"))
"""Content codings, the smallest first, with the endings of the files that are encoded so."""
_MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".ico": "image/x-icon",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webmanifest": "application/manifest+json",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
_HASHED: Final = re.compile(r"/assets/.+-[\w-]{8}\.\w+")
"""Names that Vite gives: another content, another name."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One file under one content coding; `encoding` is `None` for the file as it is."""

    file: Path
    encoding: str | None
    etag: str


@dataclass(frozen=True, slots=True)
class Asset:
    media_type: str
    is_hashed: bool
    variants: tuple[Variant, ...]
    """In the order of `ENCODINGS`; the last is the file as it is."""


@dataclass(frozen=True, slots=True)
class Bundle:
    document: str
    """`index.html`, with a placeholder where a nonce belongs."""
    assets: Mapping[str, Asset]
    """By path."""


def read_bundle(folder: Path = PAGES) -> Bundle | None:
    """What was built, or `None` if nothing was."""
    index = folder / "index.html"
    if not index.is_file():
        return None
    return Bundle(index.read_text("utf-8"), dict(_assets(folder)))


def _assets(folder: Path) -> Iterator[tuple[str, Asset]]:
    for file in sorted(folder.rglob("*")):
        media_type = _MEDIA_TYPES.get(file.suffix)
        name = file.relative_to(folder)
        if media_type is None or any(part.startswith(".") for part in name.parts) or not file.is_file():
            continue
        path = f"/{name.as_posix()}"
        yield path, Asset(media_type, _HASHED.fullmatch(path) is not None, tuple(_variants(file)))


def _variants(file: Path) -> Iterator[Variant]:
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:20]
    for encoding, ending in ENCODINGS:
        encoded = file.with_name(file.name + ending)
        if encoded.is_file():
            yield Variant(encoded, encoding, f'"{digest}-{encoding}"')
    yield Variant(file, None, f'"{digest}"')
