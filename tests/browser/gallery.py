"""Every page there is, with something on it: an organisation at work, one whose money has run out, and the operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import httpx

from tests.browser.house import House, Somebody
from tests.workspace.world import LEASE, MODEL, Mandate, Person

Visitor = Literal["nobody", "anna", "urs", "operator"]

BILLING: Final = ("overview", "top-up", "requests", "usage", "journal", "limits", "notices", "statements")
MANDATE: Final = ("members", "invitations", "keys", "audit", "settings")
OPERATOR: Final = ("mandates", "vouchers", "alerts", "upstreams", "prices", "books", "operators", "audit")
QUESTION: Final = "What is the notice period?"
BREAD: Final = b"# Bread\n\nFlour, water, salt, and a night of patience.\n"


@dataclass(frozen=True)
class Shown:
    """A page, and who looks at it."""

    name: str
    path: str
    visitor: Visitor


@dataclass(frozen=True)
class Gallery:
    people: dict[Visitor, Somebody | None]
    pages: tuple[Shown, ...]


def parts(base: str, names: tuple[str, ...], visitor: Visitor) -> Iterator[Shown]:
    for name in names:
        yield Shown(f"{base}-{name}", f"/{base}/{name}", visitor)


def furnished(house: House) -> Gallery:
    """The whole of it; takes some seconds."""
    anna, thread = organisation_at_work(house)
    assert anna.mandate is not None
    urs, stopped = organisation_without_money(house)
    detail = f"/operator/mandates/{anna.mandate.id}"
    installation(house, anna.mandate)
    pages = (
        Shown("sign-in", "/", "nobody"),
        Shown("workspace", f"/workspace/{thread}", "anna"),
        Shown("workspace-start", "/workspace", "anna"),
        Shown("notice", f"/workspace/{stopped}", "urs"),
        *parts("billing", BILLING, "anna"),
        *parts("mandate", MANDATE, "anna"),
        *parts("operator", OPERATOR, "operator"),
        Shown("operator-mandate", detail, "operator"),
    )
    return Gallery({"nobody": None, "anna": anna, "urs": urs, "operator": house.operator()}, pages)


def at_work(house: House, who: Somebody) -> Person:
    """`who` in the workspace, by a key that names them."""
    mandate = who.mandate
    assert mandate is not None
    assert who.user_id is not None
    key = mandate.made("keys", {"kind": "admin", "userId": who.user_id, "name": "Import"})["key"]
    http = httpx.Client(base_url=house.url, headers={"authorization": f"Bearer {key}"}, timeout=120)
    return Person(mandate, who.user_id, http, f"{mandate.path}/threads")


def asked(person: Person, name: str, document: bytes, question: str) -> str:
    """A thread with a document and one question about it."""
    thread = person.thread()
    person.upload(thread, name, document, "text/markdown")
    person.run(thread, question)
    return thread


def organisation_at_work(house: House) -> tuple[Somebody, str]:
    mandate = house.mandate(pool="25.00", name="Helvetia Treuhand AG", language="de")
    mandate.change({"notifyEmails": ["finanzen@helvetia.example"], "lowBalanceThreshold": "5.00"})
    anna = house.somebody("owner", mandate=mandate, name="Anna Muster")
    beat = house.somebody("member", mandate=mandate, name="Beat Beispiel")
    house.somebody("finance", mandate=mandate, name="Chiara Conti")
    keys = [
        mandate.made("keys", {"kind": "user", "userId": beat.user_id, "name": "Laptop", "maxCallsPerMinute": 60})[
            "key"
        ],
        mandate.made("keys", {"kind": "service", "name": "Client portal", "allowedModels": ["demo-*"]})["key"],
    ]
    mandate.made("invitations", {"email": "dora@helvetia.example", "role": "member", "language": "fr"})
    mandate.made("limits", {"scope": "user", "scopeId": beat.user_id, "period": "month", "amount": "10.00"})
    for key in keys:
        call(house, key)
    person = at_work(house, anna)
    asked(person, "bread.md", BREAD, "How long does it rest?")
    thread = asked(person, "lease.md", LEASE, QUESTION)
    mandate.charges()
    return anna, thread


def call(house: House, key: str) -> None:
    body = {"model": MODEL, "messages": [{"role": "user", "content": "Write a letter to our landlord."}]}
    headers = {"authorization": f"Bearer {key}"}
    httpx.post(f"{house.url}/v1/chat/completions", json=body, headers=headers, timeout=60).raise_for_status()


def organisation_without_money(house: House) -> tuple[Somebody, str]:
    # A step is begun with some 0.004 set aside, and costs a tenth of it: enough for two of the four.
    mandate = house.mandate(pool="0.004500", name="Kleine Kasse GmbH", language="de")
    mandate.change({"notifyEmails": ["kasse@klein.example"], "exhaustedBelow": "1.00"})
    urs = house.somebody("member", mandate=mandate, name="Urs Beispiel")
    person = at_work(house, urs)
    thread = asked(person, "lease.md", LEASE, QUESTION)
    person.until(thread, "PARKED")
    return urs, thread


def installation(house: House, mandate: Mandate) -> None:
    expires = (datetime.now(UTC) + timedelta(days=365)).isoformat()
    vouchers = {"amount": "20.00", "currency": "CHF", "expiresAt": expires, "count": 3, "note": "Workshop"}
    made = house.root.post("/api/vouchers", json=vouchers).raise_for_status().json()["vouchers"]
    mandate.made("vouchers/redeem", {"code": made[0]["code"]})
    house.root.delete(f"/api/vouchers/{made[1]['id']}").raise_for_status()
    house.root.post("/api/verifications", json={}).raise_for_status()
