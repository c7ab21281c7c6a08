"""The frame around all pages: coming in by a one-time link, languages, appearance, what the policy stops."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Error, expect

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
    visits.expect_error(r"policy violated|Content Security Policy|TrustedScript")
    page = visits.open("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    page.evaluate(
        """() => {
            const add = (name, attributes) =>
                document.body.append(Object.assign(document.createElement(name), attributes));
            add('script', { type: 'text/javascript' });
            document.body.lastChild.append('window.wasRun = true');
            add('a', {});
            document.body.lastChild.setAttribute('href', 'javascript:window.wasRun = true');
            document.body.lastChild.click();
            add('img', { src: 'https://elsewhere.example/pixel.png' });
        }"""
    )
    for violation in ("script-src-elem by inline", "img-src by https://elsewhere.example"):
        assert_eventually_told(visits, f"policy violated: {violation}")
    assert page.evaluate("window.wasRun") is None


@pytest.mark.parametrize(
    "attempt",
    [
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.wasRun = true\">')",
        "document.body.innerHTML = '<p>'",
        "document.createElement('iframe').srcdoc = '<script>1</script>'",
        "document.createElement('script').text = 'window.wasRun = true'",
        "trustedTypes.createPolicy('another', { createHTML: (text) => text })",
    ],
)
def test_text_never_becomes_markup(visits: Visits, attempt: str) -> None:
    visits.expect_error(r"policy violated: (require-)?trusted-types|TrustedHTML|TrustedScript|TrustedTypePolicy")
    page = visits.open("/")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    with pytest.raises(Error, match="TypeError"):
        page.evaluate(f"() => {{ {attempt} }}")
    assert page.evaluate("window.wasRun") is None


@pytest.mark.parametrize(("size", "scheme"), [(DESKTOP, "light"), (PHONE, "dark")])
@pytest.mark.parametrize("path", ["/workspace", "/billing", "/mandate", "/operator"])
def test_every_page_opens_without_errors_and_keeps_nobody_out(
    visits: Visits, house: House, path: str, size: tuple[int, int], scheme: Scheme
) -> None:
    who = house.operator("de") if path == "/operator" else house.somebody("owner", language="de")
    page = visits.open(path, who, size=size, scheme=scheme)
    expect(page.get_by_role("main").get_by_role("heading").first).to_be_visible()
    assert_no_barriers(page)
    assert_fits(page)


def assert_eventually_told(visits: Visits, start: str) -> None:
    page = visits.windows[0].pages[0]
    for _ in range(300):
        if any(start in each for each in visits.errors):
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"{start!r} is not in {visits.errors}")


def test_signing_out_leaves_nothing_behind(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="12.34")
    anna = house.somebody("owner", mandate=mandate, language="en")
    page = visits.open("/billing", anna)
    expect(page.get_by_text("CHF 12.34").first).to_be_visible()
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("menuitem", name="Sign out", exact=True).click()
    expect(page.get_by_role("heading", name="Sign in to Bursar")).to_be_visible()
    expect(page.get_by_text("CHF 12.34")).to_have_count(0)
    page.goto(f"{house.url}/billing")
    expect(page.get_by_role("heading", name="Sign in to Bursar")).to_be_visible()


def test_an_address_of_another_organisation_shows_nobody_elses_figures(visits: Visits, house: House) -> None:
    own, others = house.mandate(pool="12.34"), house.mandate(pool="56.78")
    anna = house.somebody("owner", mandate=own, language="en")
    page = visits.open(f"/billing?mandate={others.id}", anna)
    expect(page.get_by_text("an organisation that you do not belong to")).to_be_visible()
    expect(page.get_by_text("12.34")).to_have_count(0)
    page.get_by_role("link", name="To the start page").click()
    page.goto(f"{house.url}/billing?mandate={own.id}")
    expect(page.get_by_text("CHF 12.34").first).to_be_visible()


def test_other_rights_are_other_figures_at_once(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="12.34")
    beat = house.somebody("finance", mandate=mandate, language="en")
    page = visits.open("/billing", beat)
    expect(page.get_by_text("CHF 12.34").first).to_be_visible()
    answer = house.root.patch(f"/api/mandates/{mandate.id}/users/{beat.user_id}", json={"role": "member"})
    assert answer.status_code == 200, answer.text
    expect(page.get_by_text("12.34")).to_have_count(0, timeout=60_000)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
