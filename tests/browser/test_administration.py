"""Running an organisation and the installation from their pages: what is made works, and what is ended is over."""

from __future__ import annotations

import email
import email.policy
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar
from uuid import uuid4

import httpx
from playwright.sync_api import Locator, Page, expect

from tests.browser.house import House
from tests.browser.visits import DESKTOP, PHONE, Scheme, Visits, assert_fits, assert_no_barriers

T = TypeVar("T")
PATIENCE_SECONDS: Final = 60.0
MANDATE_PARTS: Final = ("members", "invitations", "keys", "audit", "settings")
OPERATOR_PARTS: Final = ("mandates", "vouchers", "alerts", "upstreams", "prices", "books", "operators", "audit")


def eventually(look: Callable[[], T | None]) -> T:
    """What comes by itself, however slow the machine is."""
    until = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < until:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError(f"nothing came within {PATIENCE_SECONDS} s")


def link_mailed_to(house: House, address: str) -> str:
    def look() -> str | None:
        for path in (house.mails / "new").glob("*"):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            body = mail.get_body(("plain",))
            if address in str(mail["to"]) and body is not None:
                found = re.search(rf"{re.escape(house.url)}/\S+", body.get_content())
                if found:
                    return found[0]
        return None

    return eventually(look)


@contextmanager
def dialog(page: Page, opener: Locator, name: str | re.Pattern[str]) -> Iterator[Locator]:
    """The dialog that `opener` opens; when all is done, it has closed."""
    opener.click()
    shown = page.get_by_role("dialog", name=name)
    expect(shown).to_be_visible()
    yield shown
    expect(shown).to_be_hidden()


def choose(page: Page, field: Locator, option: str) -> None:
    field.click()
    page.get_by_role("option", name=option, exact=True).click()


def button(inside: Page | Locator, name: str | re.Pattern[str]) -> Locator:
    return inside.get_by_role("button", name=name, exact=isinstance(name, str))


def act(page: Page, row: str, action: str) -> None:
    """Chooses what is to be done with a row."""
    button(page, f"Actions for {row}").click()
    page.get_by_role("menuitem", name=action).click()


def part(page: Page, name: str) -> None:
    page.get_by_role("main").get_by_role("link", name=name, exact=True).click()
    expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()


def test_an_operator_brings_an_organisation_in(visits: Visits, house: House) -> None:
    name, owner = f"Neue Treuhand {uuid4().hex[:6]}", f"owner-{uuid4().hex[:8]}@werkstatt.example"
    page = visits.open("/operator", house.operator())
    with dialog(page, button(page, "New organisation"), "New organisation") as form:
        choose(page, form.get_by_role("combobox", name="Billing model"), "On account, up to a limit")
        button(form, "New organisation").click()
        expect(form.get_by_label("Name")).to_have_attribute("aria-invalid", "true")
        form.get_by_label("Name").fill(name)
        button(form, "New organisation").click()
        # What the API wants with this billing model is said where it is to be given.
        expect(form.get_by_label("Credit limit")).to_have_attribute("aria-invalid", "true")
        form.get_by_label("Credit limit").fill("100")
        button(form, "New organisation").click()
    expect(page.get_by_role("heading", level=2, name=name)).to_be_visible()
    page.get_by_label("Amount (CHF)").fill("50")
    with dialog(page, button(page, "Next"), "Top up?") as confirm:
        expect(confirm).to_contain_text(f"50.00 Swiss francs are credited: Shared credit, {name}.")
        button(confirm, re.compile("^Post CHF")).click()
    expect(page.get_by_role("row").filter(has_text="Shared credit")).to_contain_text("CHF 50.00")
    page.get_by_role("link", name="People and keys").click()
    expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
    part(page, "Invitations")
    with dialog(page, button(page, "Invite"), "Invite a person") as form:
        form.get_by_label("E-mail address").fill(owner)
        choose(page, form.get_by_role("combobox", name="Role"), "Owner")
        button(form, "Send invitation").click()
    expect(page.get_by_role("rowheader", name=owner)).to_be_visible()
    own = visits.open(link_mailed_to(house, owner))
    own.get_by_role("button").first.click()
    expect(own.get_by_role("link", name="Billing", exact=True).first).to_be_visible()
    own.goto("/mandate")
    expect(own.get_by_role("heading", level=1, name=name)).to_be_visible()


def test_an_operator_makes_vouchers_and_verifies_the_books(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="3.00")
    page = visits.open("/operator/vouchers", house.operator())
    with dialog(page, button(page, "Make vouchers"), "Make vouchers") as form:
        form.get_by_label("Amount of each").fill("20")
        form.get_by_label("How many").fill("2")
        button(form, "Make vouchers").click()
    shown = page.get_by_role("dialog", name="2 vouchers")
    codes = shown.locator("pre").inner_text().split()
    assert len(codes) == 2
    with page.expect_download() as download:
        shown.get_by_role("link", name="Download as CSV").click()
    assert [line.split(",")[0] for line in download.value.path().read_text().splitlines()] == ["code", *codes]
    button(shown, "I have stored them").click()
    expect(shown).to_be_hidden()
    assert not any(code in page.content() for code in codes)
    answer = house.root.post(f"/api/mandates/{mandate.id}/vouchers/redeem", json={"code": codes[0]})
    assert answer.status_code == 201, answer.text
    page.reload()
    expect(page.get_by_role("row").filter(has_text="Redeemed")).to_have_count(1)
    part(page, "Books")
    button(page, "Verify").click()
    expect(page.get_by_text("Verified: all correct.")).to_be_visible(timeout=PATIENCE_SECONDS * 1000)


def models_status(house: House, key: str) -> int:
    headers = {"authorization": f"Bearer {key}"}
    return httpx.get(f"{house.url}/v1/models", headers=headers, timeout=60).status_code


def test_an_owner_makes_a_key_that_works_until_it_is_revoked(visits: Visits, house: House) -> None:
    anna = house.somebody("owner")
    page = visits.open("/mandate/keys", anna)
    with dialog(page, button(page, "Create key"), "Create key") as form:
        form.get_by_label("Name").fill("Web shop")
        choose(page, form.get_by_role("combobox", name="Kind"), "Application’s key")
        form.get_by_label("Calls per minute").fill("600")
        button(form, "Create key").click()
    shown = page.get_by_role("dialog", name="Your new key")
    key, example = shown.locator("pre").all_inner_texts()
    assert key.startswith("bur_")
    assert key in example
    assert f"{house.url}/v1/models" in example
    assert_no_barriers(page)
    button(shown, "I have stored it").click()
    expect(shown).to_be_hidden()
    assert key not in page.content()
    expect(page.get_by_role("row").filter(has_text="Web shop")).to_contain_text("600 per minute")
    assert models_status(house, key) == 200
    act(page, "Web shop", "Revoke")
    button(page.get_by_role("dialog", name="Revoke Web shop?"), "Revoke").click()
    expect(page.get_by_role("row").filter(has_text="Web shop")).to_have_count(0)
    eventually(lambda: models_status(house, key) == 401)
    part(page, "Audit log")
    expect(page.get_by_role("row").filter(has_text="Key: revoked")).to_contain_text("Anna Muster")


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(visits: Visits, house: House) -> None:
    anna = house.somebody("owner")
    assert anna.mandate is not None
    beat = house.somebody("member", mandate=anna.mandate, name="Beat Beispiel")
    page = visits.open("/mandate/members", anna)
    act(page, "Beat Beispiel", "Edit")
    form = page.get_by_role("dialog", name="Change Beat Beispiel")
    form.get_by_label("Name").fill("Beat B.")
    path = f"/api/mandates/{anna.mandate.id}/users/{beat.user_id}"
    assert house.root.patch(path, json={"role": "finance"}).status_code == 200
    button(form, "Save").click()
    expect(form.get_by_role("alert")).to_be_visible()
    button(form, "Cancel").click()
    act(page, "Beat Beispiel", "Edit")
    expect(form.get_by_role("combobox", name="Role")).to_have_value("Finance")
    form.get_by_label("Name").fill("Beat B.")
    button(form, "Save").click()
    expect(page.get_by_role("rowheader").filter(has_text="Beat B.")).to_be_visible()


def test_a_member_sees_and_makes_keys_of_their_own_only(visits: Visits, house: House) -> None:
    anna = house.somebody("owner")
    assert anna.mandate is not None
    beat = house.somebody("member", mandate=anna.mandate, name="Beat Beispiel")
    anna.mandate.made("keys", {"kind": "user", "userId": anna.user_id, "name": "Of Anna"})
    anna.mandate.made("keys", {"kind": "user", "userId": beat.user_id, "name": "Of Beat"})
    page = visits.open("/mandate", beat, size=PHONE)
    expect(page.get_by_role("rowheader").filter(has_text="Of Beat")).to_be_visible()
    expect(page.get_by_text("Of Anna")).to_have_count(0)
    expect(page.get_by_role("main").get_by_role("navigation").get_by_role("link")).to_have_text(["Keys"])
    button(page, "Create key").click()
    form = page.get_by_role("dialog", name="Create key")
    expect(form.get_by_label("Name")).to_be_visible()
    expect(form.get_by_role("combobox", name="Kind")).to_have_count(0)
    form.get_by_label("Name").fill("Phone")
    button(form, "Create key").click()
    button(page, "I have stored it").click()
    expect(page.get_by_role("rowheader").filter(has_text="Phone")).to_be_visible()
    page.goto("/mandate/members")
    expect(page.get_by_role("heading", name="There is no such page.")).to_be_visible()


def test_an_owner_sets_the_organisation_and_an_operator_its_terms(visits: Visits, house: House) -> None:
    anna = house.somebody("owner")
    assert anna.mandate is not None
    page = visits.open("/mandate/settings", anna)
    page.get_by_role("textbox", name="Name", exact=True).fill("Werkstatt GmbH")
    button(page, "Save").first.click()
    expect(page.get_by_role("heading", level=1, name="Werkstatt GmbH")).to_be_visible()
    page.get_by_label("Stop at once").check()
    button(page, "Save").nth(1).click()
    terms = f"{anna.mandate.path}/billing-settings"
    eventually(lambda: house.root.get(terms).json()["clientGone"] == "STOP")
    expect(page.get_by_role("combobox", name="Billing model")).to_have_count(0)
    page = visits.open(f"/mandate/settings?mandate={anna.mandate.id}", house.operator())
    choose(page, page.get_by_role("combobox", name="Billing model"), "On account, up to a limit")
    page.get_by_label("Credit limit").fill("1'000")
    button(page, "Save").nth(2).click()
    eventually(lambda: house.root.get(terms).json()["billingModel"] == "POSTPAY")
    assert house.root.get(terms).json()["creditLimit"] == "1000.000000000"


def walk(page: Page, base: str, parts: tuple[str, ...]) -> None:
    """Every part is open to everybody, and fits."""
    for name in parts:
        page.locator(f"a[href^='{base}/{name}']").first.click()
        expect(page.get_by_role("heading", level=2).first).to_be_visible()
        expect(page.get_by_role("main").get_by_role("status", name=re.compile("…$"))).to_have_count(0)
        assert_no_barriers(page)
        assert_fits(page)


def looks(visits: Visits, house: House, size: tuple[int, int], scheme: Scheme) -> None:
    anna = house.somebody("owner", language="de")
    assert anna.mandate is not None
    anna.mandate.made("keys", {"kind": "user", "userId": anna.user_id, "name": "Laptop"})
    anna.mandate.made("keys", {"kind": "admin", "name": "Buchhaltung", "readOnlyBilling": True})
    anna.mandate.made("invitations", {"email": "beat@werkstatt.example"})
    page = visits.open("/mandate", anna, size=size, scheme=scheme)
    walk(page, "/mandate", MANDATE_PARTS)
    page = visits.open("/operator", house.operator("de"), size=size, scheme=scheme)
    walk(page, "/operator", OPERATOR_PARTS)
    page.goto(f"/operator/mandates/{anna.mandate.id}")
    expect(page.get_by_role("heading", level=2)).to_have_count(3)
    assert_no_barriers(page)
    assert_fits(page)


def test_every_part_is_open_to_everybody_on_a_light_desktop(visits: Visits, house: House) -> None:
    looks(visits, house, DESKTOP, "light")


def test_every_part_is_open_to_everybody_on_a_dark_phone(visits: Visits, house: House) -> None:
    looks(visits, house, PHONE, "dark")
