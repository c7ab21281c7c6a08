"""Every page at both widths, light and dark, in German and English: nothing sticks out, breaks, or stays untranslated.

`make simulate` looks at all of them; the suite at one. `BURSAR_PICTURES=DIRECTORY` keeps what `docs/pages.md` shows.
"""

from __future__ import annotations

import os
import re
from io import BytesIO
from pathlib import Path
from typing import Final

import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.gallery import Gallery, furnished
from tests.browser.house import House, Language, Somebody
from tests.browser.visits import Scheme, Visits, assert_fits

PHONE: Final = (390, 844)
DESKTOP: Final = (1280, 800)
SIZES: Final = {"phone": PHONE, "desktop": DESKTOP}
COLOURS: Final = 128
"""Enough for what is flat, and a third of the bytes."""

# What `docs/pages.md` shows: each page on a phone and a desktop, light and dark, half of them in German.
KEPT: Final = ("workspace", "notice", "billing-overview", "mandate-keys", "operator-mandate")
KEPT_AS: Final[dict[tuple[str, Scheme], Language]] = {
    ("desktop", "light"): "en",
    ("desktop", "dark"): "de",
    ("phone", "light"): "de",
    ("phone", "dark"): "en",
}

# A key instead of its text: `noMatch`, `BALANCE_EXHAUSTED`, or a place that nothing was put into.
KEY: Final = re.compile(r"\{\{|\b[a-z]+(?:[A-Z][a-z]+)+\b|\b[A-Z]{3,}_[A-Z_]{3,}\b")
NAMES: Final = frozenset({"identityId"})
"""What the API calls something, said on purpose."""
# Text as people see it, but what is quoted: code, and before and after in audit logs, which name columns.
SEEN: Final = """() => {
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const seen = [];
    while (walker.nextNode()) {
        const holder = walker.currentNode.parentElement;
        if (holder.closest('code, pre, script, style, [class*=changes]')) continue;
        if (holder.checkVisibility()) seen.push(walker.currentNode.textContent);
    }
    return seen.join('\\n');
}"""


@pytest.fixture(scope="module")
def kept() -> Path | None:
    named = os.environ.get("BURSAR_PICTURES")
    if named is None:
        return None
    folder = Path(named)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def settled(page: Page) -> None:
    """Everything that was on its way is there."""
    expect(page.get_by_role("heading", level=1).first).to_be_visible()
    expect(page.locator(".mantine-Loader-root")).to_have_count(0)
    page.evaluate("document.fonts.ready.then(() => true)")


def assert_translated(page: Page, language: Language) -> None:
    expect(page.locator("html")).to_have_attribute("lang", language)
    found = {match for match in KEY.findall(page.evaluate(SEEN)) if match not in NAMES}
    assert not found, f"{page.url} in {language}: {sorted(found)}"


def assert_well(page: Page, language: Language) -> None:
    settled(page)
    assert_fits(page)
    assert_translated(page, language)
    expect(page.get_by_role("alert")).to_have_count(0)


def keep(page: Page, path: Path) -> None:
    picture = Image.open(BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def look(visits: Visits, who: Somebody | None, size: str, scheme: Scheme, language: Language) -> Page:
    page = visits.open(None, who, language=language, scheme=scheme, size=SIZES[size])
    page.add_init_script(f"localStorage.setItem('bursar.language', '{language}')")
    return page


@pytest.fixture(scope="module")
def gallery(house: House) -> Gallery:
    return furnished(house)


@pytest.mark.simulate
@pytest.mark.parametrize("language", ["de", "en"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desktop"])
def test_every_page_looks_right(
    visits: Visits, gallery: Gallery, kept: Path | None, size: str, scheme: Scheme, language: Language, tmp_path: Path
) -> None:
    windows = {visitor: look(visits, who, size, scheme, language) for visitor, who in gallery.people.items()}
    wrong = []
    for shown in gallery.pages:
        page = windows[shown.visitor]
        page.goto(shown.path)
        try:
            assert_well(page, language)
        except AssertionError as error:
            wrong.append(f"{shown.name}: {error}")
        page.screenshot(path=tmp_path / f"{shown.name}.png", full_page=True)
        if kept and shown.name in KEPT and KEPT_AS[size, scheme] == language:
            keep(page, kept / f"{shown.name}-{size}-{scheme}.png")
    print(f"Pictures: {tmp_path}")
    assert not wrong, "\n".join(wrong)


def test_a_page_looks_right(visits: Visits, house: House) -> None:
    anna = house.somebody("owner")
    assert anna.mandate is not None
    anna.mandate.made("keys", {"kind": "service", "name": "Client portal", "allowedModels": ["demo-*"]})
    page = look(visits, anna, "phone", "dark", "de")
    page.goto("/mandate/keys")
    expect(page.get_by_role("rowheader").filter(has_text="Client portal")).to_be_visible()
    assert_well(page, "de")
