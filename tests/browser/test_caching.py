"""What is there once is not asked for again."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.browser.house import House
from tests.browser.visits import Visits


def test_a_second_visit_fetches_no_file_again(visits: Visits, house: House) -> None:
    page = visits.open("/billing", house.somebody("owner"))
    fetched = """() => performance.getEntriesByType('resource')
        .filter((each) => each.name.includes('/assets/')).map((each) => [each.name, each.transferSize])"""
    expect(page.get_by_role("heading").first).to_be_visible()
    first = {name for name, _ in page.evaluate(fetched)}
    page.goto("/billing?again")
    expect(page.get_by_role("heading").first).to_be_visible()
    second = {name: size for name, size in page.evaluate(fetched) if name in first}
    assert second
    assert not any(second.values()), second
