"""The workspace in a browser: the whole story from the first question to a statement that adds up, and what may go
wrong on the way. Texts are those of the page in the person's language."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import pytest
from playwright.sync_api import FilePayload, Locator, Page, expect

from tests.browser.house import House, Language, Role, Somebody
from tests.browser.visits import PHONE, Visits, assert_fits, assert_no_barriers
from tests.workspace.wire import Wire
from tests.workspace.world import LEASE, Mandate

WORDS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        "message": "Message",
        "answer": "Answer",
        "chat": "Chat",
        "agent": "Agent",
        "new": "New conversation",
        "hello": "Hello, who are you?",
        "demo": "I am the demo model of Bursar",
        "ask": "What is the notice period?",
        "quote": "“The notice period is three months, to the end of a quarter.” That is from lease.md",
        "search": "Searches the documents for",
        "result": "Result",
        "long": "Please write about the rent",
        "exhausted": "The credit is used up",
        "told": "The finance contacts were notified on",
        "top_up": "Top up",
        "code": "Voucher code",
        "redeem": "Redeem",
        "back": "Back to your conversation",
        "there_is": "There is credit again",
        "go_on": "Continue",
        "steps": "4 steps",
    },
    "de": {
        "message": "Nachricht",
        "answer": "Antwort",
        "chat": "Chat",
        "agent": "Agent",
        "new": "Neues Gespräch",
        "hello": "Guten Tag, wer sind Sie?",
        "demo": "Ich bin das Demo-Modell von Bursar",
        "ask": "Was ist die notice period, bitte?",
        "quote": "«The notice period is three months, to the end of a quarter.» Das steht in lease.md",
        "search": "Durchsucht die Dokumente nach",
        "result": "Ergebnis",
        "long": "Bitte schreibe mir über die Miete",
        "exhausted": "Das Guthaben ist aufgebraucht",
        "told": "Die Finanzverantwortlichen wurden am",
        "top_up": "Aufladen",
        "code": "Gutscheincode",
        "redeem": "Einlösen",
        "back": "Zurück zu Ihrem Gespräch",
        "there_is": "Es ist wieder Guthaben da",
        "go_on": "Weitermachen",
        "steps": "4 Schritte",
    },
}
LONG_WORDS: Final = 3_000
SLOW: Final = "[[tokens=400 chunk_tokens=4 chunk_delay_ms=40]]"
"""An answer that takes some four seconds, so that something can happen in the middle of it."""


def say(page: Page, text: str, message: str = "Message") -> None:
    page.get_by_label(message, exact=True).fill(text)
    page.keyboard.press("Enter")


def answers(page: Page, name: str = "Answer") -> Locator:
    return page.get_by_role("article", name=name)


def words_of(answer: Locator) -> int:
    """How many words an answer has, what stands below it left out."""
    text = answer.evaluate("(node) => [...node.querySelectorAll('p')].map((each) => each.textContent).join(' ')")
    return len(text.split())


def begin(page: Page, kind: str, text: str, message: str = "Message") -> str:
    """A new conversation with its first question; the id of its thread."""
    page.get_by_text(kind, exact=True).click()
    say(page, text, message)
    page.wait_for_url(re.compile(r"/workspace/[0-9a-f-]{36}"))
    return page.url.rsplit("/", 1)[1]


def voucher(house: House, amount: str) -> str:
    ends = (datetime.now(UTC) + timedelta(days=30)).isoformat()
    made = house.root.post("/api/vouchers", json={"amount": amount, "currency": "CHF", "expiresAt": ends})
    return str(made.raise_for_status().json()["vouchers"][0]["code"])


def pool_of(mandate: Mandate) -> Decimal:
    accounts = mandate.root.get(f"{mandate.path}/balance").raise_for_status().json()["accounts"]
    return Decimal(accounts[0]["available"])


def thread_in(page: Page, mandate: Mandate, thread: str) -> dict[str, Any]:
    """The thread as its person's own session reads it."""
    answer = page.request.get(f"{mandate.path}/threads/{thread}")
    assert answer.ok, answer.text()
    found: dict[str, Any] = answer.json()
    return found


@pytest.mark.parametrize(("language", "role"), [("de", "owner"), ("en", "finance")])
def test_from_the_first_question_to_a_statement_that_adds_up(
    visits: Visits, house: House, language: Language, role: Role
) -> None:
    words = WORDS[language]
    mandate = house.mandate(pool="0.0150", language=language)
    mandate.change({"notifyEmails": ["kasse@werkstatt.example"]})
    anna = house.somebody(role, mandate=mandate, language=language)
    page = visits.open(house.sign_in_link(anna.email), language=language)
    page.get_by_role("button").click()
    page.wait_for_url(re.compile(r"/workspace"))

    chat = begin(page, words["chat"], words["hello"], words["message"])
    expect(answers(page, words["answer"])).to_contain_text(words["demo"])
    page.get_by_role("link", name=words["new"]).first.click()
    agent = agent_reads_a_document(page, words)
    money_runs_out(page, words)
    written = words_of(page.get_by_role("article").last)
    assert 0 < written < LONG_WORDS
    top_up_and_come_back(page, words, voucher(house, "1.00"))

    page.get_by_role("button", name=words["go_on"]).click()
    expect(page.get_by_role("heading", name=words["there_is"])).to_be_hidden()
    expect(page.get_by_label(words["message"], exact=True)).to_be_editable()
    expect(page.get_by_text(words["steps"])).to_have_count(2)
    last = page.get_by_role("article").last
    assert words_of(last) == LONG_WORDS, "word by word as if the money had never ended"
    the_books_agree(page, mandate, (chat, agent))


def agent_reads_a_document(page: Page, words: Mapping[str, str]) -> str:
    thread = begin(page, words["agent"], "3 * 14", words["message"])
    expect(answers(page, words["answer"])).to_contain_text("3 * 14 = 42")
    page.locator("input[type=file]").set_input_files({"name": "lease.md", "mimeType": "text/markdown", "buffer": LEASE})
    expect(page.get_by_role("listitem").filter(has_text="lease.md")).to_be_visible()
    say(page, words["ask"], words["message"])
    expect(answers(page, words["answer"]).last).to_contain_text(words["quote"])
    step = page.get_by_role("group").filter(has_text=words["search"])
    expect(step.get_by_text(words["result"])).to_be_hidden()
    step.get_by_text(words["search"]).click()
    expect(step.get_by_text("lease.md")).to_be_visible()
    return thread


def money_runs_out(page: Page, words: Mapping[str, str]) -> None:
    say(page, f"{words['long']} [[tokens={LONG_WORDS} chunk_tokens=50]]", words["message"])
    notice = page.get_by_role("status", name=words["exhausted"])
    expect(notice).to_be_visible()
    expect(notice).to_contain_text(words["told"])
    expect(page.get_by_role("button", name=words["go_on"])).to_be_visible()


def top_up_and_come_back(page: Page, words: Mapping[str, str], code: str) -> None:
    page.get_by_role("status", name=words["exhausted"]).get_by_role("link", name=words["top_up"]).click()
    page.get_by_label(words["code"]).fill(code)
    page.get_by_role("button", name=words["redeem"]).click()
    page.get_by_role("link", name=words["back"]).first.click()
    expect(page.get_by_role("heading", name=words["there_is"])).to_be_visible()


def the_books_agree(page: Page, mandate: Mandate, threads: tuple[str, ...]) -> None:
    """What the conversations say they cost is what the journal says was charged, and what the pool lacks."""
    told = [thread_in(page, mandate, thread) for thread in threads]
    assert [each["run"]["status"] for each in told] == ["FINISHED"] * len(threads)
    spent = mandate.spent()
    assert sum(Decimal(each["cost"]) for each in told) == spent
    assert pool_of(mandate) == Decimal("1.0150") - spent
    listed = page.get_by_role("navigation").get_by_role("listitem").filter(has_text="3 * 14")
    expect(listed).to_contain_text(f"{Decimal(told[-1]['cost']):.4f}".rstrip("0"))


def test_a_member_asks_finance_agrees_and_the_member_hears(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="0", language="de")
    beat = house.somebody("member", mandate=mandate, language="de", name="Beat Beispiel")
    carla = house.somebody("finance", mandate=mandate, language="en", name="Carla Kasse")
    page = visits.open("/workspace", beat)
    begin(page, "Chat", "Guten Tag", "Nachricht")
    notice = page.get_by_role("status", name="Das Guthaben ist aufgebraucht")
    expect(notice).to_be_visible()
    expect(page.locator("main")).not_to_contain_text(re.compile(r"CHF \d"))
    expect(notice.get_by_role("link")).to_have_count(0)
    assert_no_barriers(page)
    notice.get_by_role("button", name="Um Aufladung bitten").click()
    expect(notice.get_by_label("Wofür brauchen Sie es?")).to_be_focused()
    notice.get_by_role("button", name="Anfrage senden").click()
    expect(notice).to_contain_text("Sie haben am")

    office = visits.open("/billing/requests", carla)
    office.get_by_role("button", name=re.compile("Approve.*Beat Beispiel")).click()
    office.get_by_label("Voucher code").fill(voucher(house, "1.00"))
    office.get_by_role("button", name="Redeem").click()
    expect(office.get_by_text("came in")).to_be_visible()

    expect(notice).to_contain_text("wurde zugestimmt")
    notice.get_by_role("button", name="Weitermachen").click()
    expect(answers(page, "Antwort")).to_contain_text("Ich bin das Demo-Modell")
    expect(notice).to_have_count(0)


def test_a_lost_connection_comes_back_and_nothing_is_missing(visits: Visits, house: House) -> None:
    with Wire(house.url) as wire:
        visits.expect_error(rf"net::ERR_|from elsewhere, {re.escape(wire.url)}")
        page = visits.open(f"{wire.url}/workspace", house.somebody())
        begin(page, "Chat", f"Hello {SLOW}")
        expect(answers(page)).to_contain_text("demo model")
        wire.cut()
        expect(page.get_by_text("Connection lost. Reconnecting")).to_be_visible()
        wire.mend()
        expect(page.get_by_text("Cost: CHF")).to_be_visible()
        assert words_of(answers(page)) == 400


def test_what_is_stopped_stays_and_its_cost_is_told_later(visits: Visits, house: House) -> None:
    anna = house.somebody()
    page = visits.open("/workspace", anna)
    thread = begin(page, "Chat", f"Hello {SLOW}")
    expect(answers(page)).to_contain_text("demo model")
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped. What was written stays.")).to_be_visible()
    expect(page.get_by_text("Cost: CHF")).to_be_visible()
    assert anna.mandate is not None
    assert Decimal(thread_in(page, anna.mandate, thread)["cost"]) == anna.mandate.spent()


def test_a_prompt_cannot_make_the_page_load_a_picture_or_a_script(visits: Visits, house: House) -> None:
    page = visits.open("/workspace", house.somebody())
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    picture = "![pixel](https://elsewhere.example/pixel.png)"
    begin(
        page, "Chat", f"{picture} <img src=https://elsewhere.example/2.png onerror=alert(1)> <script>alert(1)</script>"
    )
    link = answers(page).get_by_role("link", name="Image: pixel")
    expect(link).to_have_attribute("href", "https://elsewhere.example/pixel.png")
    expect(link).to_have_attribute("rel", re.compile("noopener"))
    expect(page.get_by_text("Cost: CHF")).to_be_visible()
    expect(page.locator("article img, article script, article iframe")).to_have_count(0)
    assert [url for url in asked if "elsewhere" in url] == []


def test_held_funds_are_waited_for(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="1.00")
    anna = house.somebody(mandate=mandate)
    hold = mandate.made("holds", {"minimum": "0.9999", "desired": "0.9999", "ttlSeconds": 120})
    page = visits.open("/workspace", anna)
    begin(page, "Chat", "Hello")
    expect(page.get_by_role("status", name="The credit is held for a moment")).to_be_visible()
    expect(page.get_by_role("timer")).to_contain_text(re.compile(r"by itself in \d+ second"))
    mandate.root.post(f"{mandate.path}/holds/{hold['id']}/release").raise_for_status()
    expect(answers(page)).to_contain_text("demo model")
    expect(page.get_by_role("timer")).to_have_count(0)


def test_a_limit_says_which_and_who_can_change_it(visits: Visits, house: House) -> None:
    mandate = house.mandate(pool="1.00")
    beat = house.somebody("member", mandate=mandate, language="it", name="Beat Beispiel")
    limit = {"scope": "user", "scopeId": beat.user_id, "period": "month", "amount": "0.000001"}
    mandate.made("limits", limit)
    page = visits.open("/workspace", beat, size=PHONE, scheme="dark")
    begin(page, "Chat", "Buongiorno", "Messaggio")
    notice = page.get_by_role("status", name="Un limite di spesa è raggiunto")
    expect(notice).to_contain_text("Vale per: Lei")
    expect(notice).to_contain_text("Riparte il")
    expect(notice).to_contain_text("Possono modificarlo i proprietari e i responsabili finanziari")
    expect(notice.get_by_role("button", name="Chiedi un limite più alto")).to_be_visible()
    assert_fits(page)
    assert_no_barriers(page)


def test_threads_are_renamed_and_deleted_and_a_refused_document_says_why(visits: Visits, house: House) -> None:
    page = visits.open("/workspace", house.somebody(), size=PHONE)
    assert_no_barriers(page)
    assert_fits(page)
    begin(page, "Agent", "What is 3 * 14?")
    expect(answers(page)).to_contain_text("3 * 14 = 42")
    file: FilePayload = {"name": "holiday.png", "mimeType": "image/png", "buffer": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"}
    page.locator("input[type=file]").set_input_files(file)
    expect(page.get_by_role("alert")).to_contain_text("holiday.png: ")
    page.get_by_role("button", name="Model: claude-demo").click()
    page.get_by_role("menuitemradio", name=re.compile("demo-1.*CHF.1.00 in, CHF.4.00 out")).click()
    expect(page.get_by_role("button", name="Model: demo-1")).to_be_visible()
    threads = open_threads(page)
    threads.get_by_role("button", name="Options for").click()
    page.get_by_role("menuitem", name="Rename").click()
    page.get_by_label("Title").fill("Sums")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", level=1, name="Sums", include_hidden=True)).to_have_count(1)
    threads.get_by_role("button", name="Options for “Sums”").click()
    page.get_by_role("menuitem", name="Delete").click()
    page.get_by_role("button", name="Delete").click()
    expect(page).to_have_url(re.compile(r"/workspace$"))


def open_threads(page: Page) -> Locator:
    """On a phone they are in a drawer."""
    page.get_by_role("button", name="Conversations").click()
    threads = page.get_by_role("dialog", name="Conversations")
    expect(threads).to_be_visible()
    return threads


def test_what_was_not_sent_and_the_language_stay(visits: Visits, house: House) -> None:
    anna: Somebody = house.somebody()
    page = visits.open("/workspace", anna)
    page.get_by_label("Message", exact=True).fill("Not yet")
    page.get_by_role("link", name="Billing").first.click()
    page.get_by_role("link", name="Workspace").first.click()
    expect(page.get_by_label("Message", exact=True)).to_have_value("Not yet")
    page.get_by_role("button", name="Your account").click()
    page.get_by_role("combobox", name="Language").click()
    page.get_by_role("option", name="Français").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sur quoi travaillons-nous ?")
    expect(page.get_by_label("Message", exact=True)).to_have_value("Not yet")
