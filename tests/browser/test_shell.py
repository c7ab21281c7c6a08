"""The frame around all pages: coming in by a one-time link, languages, appearance, what the policy stops."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.house import House, Language
from tests.browser.visits import DESKTOP, PHONE, Scheme, Visits, assert_fits, assert_no_barriers


def test_a_one_time_link_leads_to_the_pages(visits: Visits, house: House) -> None:
    anna = house.somebody("owner", name="Anna Muster")
    page = visits.open(house.sign_in_link(anna.email))
    page.get_by_role("button").click()
    expect(page).to_have_url(re.compile(rf"{re.escape(house.url)}/\w+"))
    expect(page.get_by_role("navigation").first).to_be_visible()
    assert_no_barriers(page)


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("language", ["de", "fr"])
def test_who_is_not_signed_in_is_asked_to(
    visits: Visits, size: tuple[int, int], scheme: Scheme, language: Language
) -> None:
    page = visits.open("/billing", language=language, size=size, scheme=scheme)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", language)
    assert_no_barriers(page)
    assert_fits(page)


def test_the_policy_stops_scripts_and_pictures_that_are_not_ours(visits: Visits) -> None:
    visits.expect_error(r"policy violated|Content Security Policy|net::ERR_BLOCKED_BY_CSP")
    page = visits.open("/")
    page.evaluate(
        """() => {
            const script = document.createElement('script');
            script.textContent = 'window.wasRun = true';
            document.body.append(script);
            document.body.insertAdjacentHTML('beforeend', '<img src="/x" onerror="window.wasRun = true">');
            document.body.insertAdjacentHTML('beforeend', '<img src="https://elsewhere.example/pixel.png">');
        }"""
    )
    for directive in ("script-src-elem by inline", "script-src-attr by inline", "img-src by https://elsewhere.example"):
        assert_eventually_told(visits, f"policy violated: {directive}")
    assert page.evaluate("window.wasRun") is None


def assert_eventually_told(visits: Visits, start: str) -> None:
    page = visits.windows[0].pages[0]
    for _ in range(300):
        if any(start in each for each in visits.errors):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{start!r} is not in {visits.errors}")
