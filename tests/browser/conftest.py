"""Debian's Chromium on the real server: one browser and one server for each file of tests.

A test asks for `visits` and opens windows with it; `house` makes mandates and people. When a test ends, an error on a
console, a violation of the content security policy, an answer of 5xx or from elsewhere fails it. When it fails,
screenshots and traces are kept where its output says.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.house import House, running_house
from tests.browser.visits import TIMEOUT_MILLIS, Visits
from tests.support.cluster import PostgresCluster
from tests.support.web import missing, need_pages

_PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SWITCHES: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)
_FAILED = pytest.StashKey[bool]()
expect.set_options(timeout=TIMEOUT_MILLIS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The installed program: nothing is downloaded."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    return found or missing("Chromium is missing: install it (Debian: apt-get install chromium)")


@pytest.fixture(scope="session")
def pages() -> None:
    need_pages()


@pytest.fixture(scope="module")
def house(pages: None, cluster: PostgresCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running_house(cluster, tmp_path_factory.mktemp("house")) as house:
        yield house


@pytest.fixture(scope="module")
def browser(chromium: str, house: House) -> Iterator[Browser]:
    """Headless, with a profile of its own. Started after the house: Playwright's loop takes up this thread."""
    expect.set_options(timeout=TIMEOUT_MILLIS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(_SWITCHES), headless=True)
        yield browser
        browser.close()


@pytest.fixture
def visits(request: pytest.FixtureRequest, browser: Browser, house: House, tmp_path: Path) -> Iterator[Visits]:
    visits = Visits(browser, house)
    yield visits
    unexpected = visits.unexpected
    if unexpected or request.node.stash.get(_FAILED, False):
        kept = visits.keep(tmp_path / "browser")
        print("Kept of the browser:", *kept, sep="\n  ")
    visits.close()
    assert not unexpected, "\n".join(unexpected)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    report = yield
    if report.when == "call":  # type: ignore[attr-defined]
        item.stash[_FAILED] = report.failed  # type: ignore[attr-defined]
    return report
