"""A browser's window on the pages, and what must not happen in one: errors, violations of the policy, barriers.

Whoever opens a window through `Visits` gets all of that checked when the test ends.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Error, Page, Response

from tests.browser.house import House, Language, Somebody
from tests.support.web import WEB

PHONE: Final = (360, 740)
DESKTOP: Final = (1280, 800)
TIMEOUT_MILLIS: Final = 30_000
"""For anything that is waited for: a loaded machine is slow, not wrong."""
Scheme = Literal["light", "dark"]
_LOCALES: Final[dict[Language, str]] = {"de": "de-CH", "en": "en-GB", "fr": "fr-CH", "it": "it-CH"}
_TELL_VIOLATIONS: Final = """
    document.addEventListener('securitypolicyviolation', (event) =>
        console.error(`policy violated: ${event.effectiveDirective} by ${event.blockedURI} ${event.sample}`));"""
# Chromium's word on any answer of 4xx: whether such an answer is right is for the test to say.
_ANSWERED: Final = re.compile(r"Failed to load resource: the server responded with a status of 4\d\d")
_AXE: Final = WEB / "node_modules" / "axe-core" / "axe.min.js"
_SERIOUS: Final = ("serious", "critical")


@dataclass
class Visits:
    """The windows of one test."""

    browser: Browser
    house: House
    windows: list[BrowserContext] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    expected: list[re.Pattern[str]] = field(default_factory=list)

    def open(
        self,
        path: str | None = "/",
        who: Somebody | None = None,
        *,
        language: Language | None = None,
        scheme: Scheme = "light",
        size: tuple[int, int] = DESKTOP,
        **context: Any,
    ) -> Page:
        """A new window, of a browser that knows nothing but `who`'s session, at `path` (`None`: nowhere yet).

        `language` is the browser's; the person's own unless it is given.
        """
        window = self.browser.new_context(
            base_url=self.house.url,
            locale=_LOCALES[language or (who.language if who else "en")],
            timezone_id="Europe/Zurich",
            color_scheme=scheme,
            viewport={"width": size[0], "height": size[1]},
            reduced_motion="reduce",
            **context,
        )
        self.windows.append(window)
        window.set_default_timeout(TIMEOUT_MILLIS)
        window.set_default_navigation_timeout(TIMEOUT_MILLIS)
        window.add_init_script(_TELL_VIOLATIONS)
        window.tracing.start(snapshots=True)
        if who is not None:
            window.add_cookies([{"name": "bursar_session", "value": who.session, "url": self.house.url}])
        page = window.new_page()
        self._listen(page)
        if path is not None:
            page.goto(path)
        return page

    def expect_error(self, pattern: str) -> None:
        """Errors that match are what the test is about."""
        self.expected.append(re.compile(pattern))

    @property
    def unexpected(self) -> list[str]:
        return [each for each in self.errors if not any(pattern.search(each) for pattern in self.expected)]

    def _listen(self, page: Page) -> None:
        def on_console(message: ConsoleMessage) -> None:
            if message.type == "error" and not _ANSWERED.search(message.text):
                self.errors.append(f"console: {message.text}")

        def on_page_error(error: Error) -> None:
            self.errors.append(f"uncaught: {error}")

        def on_response(response: Response) -> None:
            is_lost_asset = response.status == 404 and "/assets/" in response.url
            if response.status >= 500 or is_lost_asset:
                self.errors.append(f"answer: {response.status} to {response.request.method} {response.url}")
            if urlsplit(response.url).netloc != urlsplit(self.house.url).netloc and "://" in response.url:
                self.errors.append(f"answer: from elsewhere, {response.url}")

        page.on("console", on_console)
        page.on("pageerror", on_page_error)
        page.on("response", on_response)

    def keep(self, folder: Path) -> list[Path]:
        """Screenshots of all windows and their traces, for whoever has to find out why a test failed."""
        kept = []
        folder.mkdir(parents=True, exist_ok=True)
        for number, window in enumerate(self.windows, 1):
            for page in window.pages:
                with suppress(Error):
                    kept.append(folder / f"window-{number}.png")
                    page.screenshot(path=kept[-1], full_page=True)
            with suppress(Error):
                kept.append(folder / f"window-{number}-trace.zip")
                window.tracing.stop(path=kept[-1])
        return [path for path in kept if path.is_file()]

    def close(self) -> None:
        for window in self.windows:
            window.close()


def barriers(page: Page, *, within: str | None = None, without: tuple[str, ...] = ()) -> list[str]:
    """What axe finds that keeps people out (serious or critical), a line each, on what is shown now.

    `within` is a selector to look below; rules in `without` are left out.
    """
    page.evaluate(_AXE.read_text("utf-8"))
    options = {"resultTypes": ["violations"], "rules": {rule: {"enabled": False} for rule in without}}
    found = page.evaluate("([within, options]) => axe.run(within ?? document, options)", [within, options])
    return [
        f"{violation['impact']}: {violation['id']}, {violation['help']}: "
        + "; ".join(f"{' '.join(map(str, node['target']))} {node['html'][:160]}" for node in violation["nodes"])
        for violation in found["violations"]
        if violation["impact"] in _SERIOUS
    ]


def assert_no_barriers(page: Page, *, within: str | None = None, without: tuple[str, ...] = ()) -> None:
    found = barriers(page, within=within, without=without)
    assert not found, "\n".join(found)


def assert_fits(page: Page) -> None:
    """Nothing sticks out at the side: the page as a whole never scrolls sideways."""
    wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= room, f"the page is {wide} px wide in a window of {room}"
