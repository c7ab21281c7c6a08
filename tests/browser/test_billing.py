"""The billing page and the bell as owner, finance, member and operator see them, against the real server."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.house import House, Somebody, running_house
from tests.browser.mail_sink import MailSink, mail_sink
from tests.browser.visits import DESKTOP, PHONE, Scheme, Visits, assert_fits, assert_no_barriers
from tests.support.cluster import PostgresCluster
from tests.workspace.world import Mandate

TABS = ("overview", "top-up", "requests", "usage", "journal", "limits", "notices", "statements")
OF_MEMBERS = ("overview", "top-up", "usage", "journal", "statements")


@pytest.fixture(scope="module")
def sink() -> Iterator[MailSink]:
    with mail_sink() as sink:
        yield sink


@pytest.fixture(scope="module")
def house(
    pages: None, cluster: PostgresCluster, sink: MailSink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """Its mails go out by SMTP."""
    with running_house(cluster, tmp_path_factory.mktemp("house"), {"BURSAR_MAIL_URL": sink.url}) as house:
        yield house


def call_as(house: House, who: Somebody) -> None:
    """A call through the gateway by a key of theirs, as any program makes one."""
    assert who.mandate is not None
    key = who.mandate.made("keys", {"kind": "user", "userId": who.user_id, "name": "their program"})["key"]
    body = {"model": "demo-1", "messages": [{"role": "user", "content": "Hello"}]}
    headers = {"authorization": f"Bearer {key}", "x-bursar-tags": "project=alpha"}
    httpx.post(f"{house.url}/v1/chat/completions", json=body, headers=headers, timeout=60).raise_for_status()


def voucher(house: House, amount: str) -> str:
    expires_at = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    body = {"amount": amount, "currency": "CHF", "expiresAt": expires_at}
    return str(house.root.post("/api/vouchers", json=body).raise_for_status().json()["vouchers"][0]["code"])


def exact(figure: Locator) -> Decimal:
    """All decimals of a figure, as they are shown to whoever points at it."""
    title = figure.locator("[title]").get_attribute("title")
    assert title is not None
    return Decimal(re.sub(r"[^\d.\-]", "", title.replace("\N{MINUS SIGN}", "-")))


def available(page: Page) -> Locator:
    return page.get_by_test_id("available")


def pool_of(mandate: Mandate) -> Decimal:
    balance: dict[str, Any] = mandate.root.get(f"{mandate.path}/balance").raise_for_status().json()
    return Decimal(balance["accounts"][0]["available"])


def test_two_browsers_see_the_balance_move_when_somebody_calls(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="7.00")
    owner, finance = (house.somebody(role, mandate=mandate) for role in ("owner", "finance"))
    member = house.somebody("member", mandate=mandate, name="Beat Beispiel")
    windows = [visits.open("/billing", owner), visits.open("/billing", finance, size=PHONE, scheme="dark")]
    for page in windows:
        expect(available(page)).to_have_text(re.compile(r"CHF\s7\.00"))
        expect(page.get_by_text("Live", exact=True)).to_be_visible()
    call_as(house, member)
    spent = windows[0].get_by_test_id("spent")
    expect(spent).not_to_have_text(re.compile(r"CHF\s0\.00$"))
    left = 7 - exact(spent)
    assert left == pool_of(mandate) < 7
    for page in windows:
        # Rounded it looks as before: what is pointed at is exact.
        expect(available(page).locator("[title]")).to_have_attribute("title", re.compile(re.escape(str(left))))
        expect(page.get_by_test_id("spent").locator("[title]")).to_have_attribute("title", re.compile(str(7 - left)))


def test_a_member_never_sees_what_is_in_the_pool(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="4321.00")
    member, other = house.somebody("member", mandate=mandate), house.somebody("member", mandate=mandate, name="Carla")
    for who in (member, other):
        call_as(house, who)
    page = visits.open(None, member)
    told: list[str] = []
    page.on("response", lambda response: told.append(response.url) if "/api/" in response.url else None)
    for tab in OF_MEMBERS:
        page.goto(f"/billing/{tab}")
        expect(page.get_by_role("link", name=re.compile("^Statements$"))).to_be_visible()
        expect(page.get_by_role("main").get_by_role("heading", level=2).first).to_be_visible()
        shown = page.locator("body").inner_text()
        assert not re.search(r"43\d\d", re.sub(r"[\s'’,]", "", shown)), tab
        assert "Carla" not in shown, tab
    assert page.get_by_role("navigation").get_by_role("link", name="Limits").count() == 0
    page.goto("/billing/limits")
    expect(page.get_by_role("heading", name="Spending limits")).to_have_count(0)
    assert not [url for url in told if re.search(r"/(limits|holds|notices|notice-settings|billing-settings)\b", url)]


def test_a_voucher_is_redeemed_and_leads_back_to_the_conversation(visits: Visits, house: House) -> None:
    owner = house.somebody("owner", mandate=house.mandate(pool="0.05"), language="de")
    page = visits.open("/billing/top-up?return=/workspace/conversation", owner)
    code = page.get_by_label("Gutscheincode")
    redeem = page.get_by_role("button", name="Einlösen")
    code.fill("XXXX-XXXX-XXXX")
    redeem.click()
    expect(code).to_have_attribute("aria-invalid", "true")
    code.fill(voucher(house, "25.00"))
    redeem.click()
    done = page.get_by_role("status").filter(has_text="sind eingegangen")
    expect(done).to_contain_text("25.00")
    expect(done).to_contain_text("25.05")
    back = done.get_by_role("link", name="Zurück zu Ihrem Gespräch")
    expect(back).to_have_attribute("href", "/workspace/conversation")
    assert_no_barriers(page)
    page.get_by_role("link", name="Übersicht").click()
    expect(available(page)).to_have_text(re.compile(r"25\.05"))


def test_a_mistyped_address_is_named_and_a_test_mail_arrives(visits: Visits, house: House, sink: MailSink) -> None:
    finance = house.somebody("finance")
    page = visits.open("/billing/notices", finance)
    panel = page.locator("section").filter(has=page.get_by_role("heading", name="Who is told by mail"))
    field, save = panel.get_by_label("Addresses", exact=True), panel.get_by_role("button", name="Save")
    field.fill("finance@werkstatt")
    field.press("Enter")
    save.click()
    expect(panel.get_by_text(re.compile('"finance@werkstatt" is not a valid e-mail address'))).to_be_visible()
    field.press("Backspace")
    field.fill("finance@werkstatt.example")
    field.press("Enter")
    save.click()
    test = panel.get_by_role("button", name="Send a test mail: finance@werkstatt.example")
    test.click()
    mail = sink.mail_to("finance@werkstatt.example")
    assert "Werkstatt AG" in str(mail["subject"])
    log = page.get_by_role("table", name="What was sent")
    expect(log.get_by_role("row").filter(has_text="finance@werkstatt.example")).to_contain_text("sent")


def test_statement_receipt_and_journal_are_taken_along(visits: Visits, house: House, tmp_path: Path) -> None:
    mandate = house.mandate(pool="10.00")
    finance = house.somebody("finance", mandate=mandate)
    call_as(house, finance)
    page = visits.open("/billing/statements", finance)
    month = page.get_by_role("table", name="Monthly statements").get_by_role("row").nth(1)
    kept = {}
    for form in ("PDF", "CSV", "JSON"):
        with page.expect_download() as download:
            month.get_by_role("button", name=re.compile(f"as {form}$")).click()
        kept[form] = tmp_path / download.value.suggested_filename
        download.value.save_as(kept[form])
        assert re.fullmatch(rf"statement-\S+\.{form.lower()}", kept[form].name)
    assert kept["PDF"].read_bytes().startswith(b"%PDF-")
    statement = json.loads(kept["JSON"].read_text("utf-8"))
    with kept["CSV"].open(encoding="utf-8") as file:
        moved = sum(Decimal(row["amount"]) for row in csv.DictReader(file))
    assert Decimal(statement["openingBalance"]) + moved == Decimal(statement["closingBalance"]) == pool_of(mandate)
    with page.expect_download() as download:
        page.get_by_role("button", name=re.compile("^Receipt .* as PDF$")).click()
    assert download.value.suggested_filename.startswith("receipt-")
    page.get_by_role("link", name="Journal").click()
    page.get_by_label("Search").fill("demo-1")
    rows = page.get_by_role("table", name="Journal").get_by_role("row")
    expect(rows).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export as CSV").click()
    download.value.save_as(tmp_path / "journal.csv")
    with (tmp_path / "journal.csv").open(encoding="utf-8-sig") as file:
        assert [row["model"] for row in csv.DictReader(file)] == ["demo-1"]
    rows.get_by_role("button", name="Call").click()
    details = page.get_by_role("dialog")
    for told in ("Told by the provider", "project=alpha", "a million tokens"):
        expect(details).to_contain_text(told)
    assert_no_barriers(page)


def test_a_request_rings_the_bell_and_is_approved_into_a_top_up(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="20.00", billingModel="PREPAY_USER")
    owner = house.somebody("owner", mandate=mandate)
    member = house.somebody("member", mandate=mandate, name="Beat Beispiel")
    page, asking = visits.open("/billing", owner), visits.open("/billing/top-up", member, size=PHONE)
    bell = page.get_by_role("banner").get_by_role("button", name="Notices")
    expect(bell).to_be_visible()
    asking.get_by_label("What is it for?").fill("The quarterly report")
    asking.get_by_role("button", name="Send request").click()
    expect(bell).to_have_accessible_name(re.compile("1 unread notice"))
    bell.click()
    inbox = page.get_by_role("dialog", name="Notices")
    expect(inbox.get_by_text("Top-up requested")).to_be_visible()
    assert_no_barriers(page)
    inbox.get_by_role("button", name="Mark all as read").click()
    expect(bell).to_have_accessible_name("Notices")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Requests").click()
    page.get_by_role("button", name="Approve and top up: Beat Beispiel").click()
    move = page.locator("form").filter(has=page.get_by_role("button", name="Move"))
    expect(move.get_by_role("combobox", name="Person")).to_have_value("Beat Beispiel")
    move.get_by_label("Amount").fill("5")
    move.get_by_role("button", name="Move").click()
    expect(page.get_by_role("status").filter(has_text="moved")).to_contain_text("15.00")
    asking.get_by_role("link", name="Overview").click()
    expect(available(asking)).to_have_text(re.compile(r"CHF\s5\.00"))


def test_an_operator_tops_up_whose_link_they_follow(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="0", name="Aarebank AG")
    page = visits.open(f"/billing?mandate={mandate.id}", house.operator())
    expect(available(page)).to_have_text(re.compile(r"CHF\s0\.00"))
    page.get_by_role("main").get_by_role("link", name="Top up").last.click()
    form = page.locator("form").filter(has=page.get_by_role("button", name="Post top-up"))
    form.get_by_role("button").click()
    expect(form.get_by_text("Please enter an amount")).to_be_visible()
    form.get_by_label("Amount").fill("1'250,50")
    form.get_by_label("Reference").fill("Invoice 7")
    form.get_by_role("button").click()
    expect(page.get_by_role("status").filter(has_text="came in")).to_contain_text("1,250.50")
    assert pool_of(mandate) == Decimal("1250.5")


def test_a_limit_is_set_and_its_refusal_shown_at_the_field(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="10.00")
    page = visits.open("/billing/limits", house.somebody("finance", mandate=mandate), scheme="dark")
    for _ in range(2):
        page.get_by_role("button", name="Add a limit").click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Amount").fill("40")
        dialog.get_by_role("button", name="Add", exact=True).click()
        if _ == 0:
            expect(page.get_by_text("Everybody together, per month")).to_be_visible()
            expect(dialog).to_have_count(0)
    expect(dialog.get_by_text("There is a limit of this scope and period already")).to_be_visible()
    assert_no_barriers(page)


@pytest.mark.parametrize(("size", "scheme", "language"), [(DESKTOP, "light", "de"), (PHONE, "dark", "en")])
def test_no_part_keeps_anybody_out(
    visits: Visits, house: House, size: tuple[int, int], scheme: Scheme, language: Any
) -> None:
    mandate = house.mandate(pool="10.00", language=language)
    owner = house.somebody("owner", mandate=mandate, language=language)
    mandate.made("limits", {"scope": "mandate", "period": "month", "amount": "5"})
    mandate.change({"notifyEmails": [owner.email]})
    call_as(house, owner)
    page = visits.open("/billing", owner, size=size, scheme=scheme)
    for tab in TABS:
        page.locator(f'nav a[href^="/billing/{tab}"]').click()
        expect(page.locator(f'nav a[href^="/billing/{tab}"]')).to_have_attribute("aria-current", "page")
        expect(page.get_by_role("main").get_by_role("heading", level=2).first).to_be_visible()
        expect(page.locator("main [role=status] .mantine-Loader-root")).to_have_count(0)
        assert_no_barriers(page)
        assert_fits(page)
