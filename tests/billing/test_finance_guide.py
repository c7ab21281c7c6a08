"""docs/finance-guide.md, as a newcomer follows it, down to the sum at its end; and docs/roles.md."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import orjson
import pypdf

from bursar.identity.roles_document import roles_document
from tests.billing.test_routes_statements import this_month
from tests.gateway.world import served
from tests.support.management import SECRETS, Api

DOCS = Path(__file__).parents[2] / "docs"
SNIPPET = re.compile(r"```(sh|python)\n(.*?)```", re.DOTALL)


def snippets() -> list[tuple[str, str]]:
    return SNIPPET.findall((DOCS / "finance-guide.md").read_text())


def run(language: str, code: str, directory: Path, environ: dict[str, str]) -> str:
    command = ["sh", "-ec", code] if language == "sh" else [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=directory, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, f"{code}\n{done.stdout}\n{done.stderr}"
    return done.stdout


async def work(api: Api, mandate: str) -> None:
    """What anna's applications cost, to the last nano."""
    for cost in ("1.234567891", "0.000000007", "2"):
        hold = await api.made(f"{mandate}/holds", {"desired": "2.5", "userId": "anna"})
        assert (await api.post(f"{mandate}/holds/{hold['id']}/settle", {"amount": cost, "model": "m"})).is_success


async def mailed_link(api: Api, mandate: str, url: str) -> str:
    """The link in the mail that invites erika, as the mail says it."""
    assert api.wiring.sign_in is not None
    api.wiring.sign_in.public_url = url
    await api.made(f"{mandate}/invitations", {"email": "erika@example.com", "role": "owner", "language": "en"})
    async with api.database.as_operator() as connection:
        sealed = await connection.fetchval("SELECT sealed FROM sign_in_mail")
    return str(orjson.loads(SECRETS.decrypt(sealed))["values"]["url"])


async def test_a_newcomer_gets_the_same_number_by_hand(api: Api, tmp_path: Path) -> None:
    mandate = await api.mandate()
    await api.user(mandate, "anna")
    expires_at = "2999-01-01T00:00:00Z"
    made = await api.made("/api/vouchers", {"amount": "50", "currency": "CHF", "expiresAt": expires_at})
    outputs: list[str] = []
    async with served(api.app) as url:
        environ = {
            "PATH": os.environ["PATH"],
            "BURSAR_URL": url,
            "LINK": await mailed_link(api, mandate, url),
            "MANDATE": mandate.rsplit("/", 1)[1],
            "VOUCHER": made["vouchers"][0]["code"],
            "MONTH": this_month(),
        }
        for language, code in snippets():
            if "statement=" in code:
                await work(api, mandate)
            outputs.append(await asyncio.to_thread(run, language, code, tmp_path, environ))
    assert len(outputs) == 11
    session = orjson.loads(outputs[0])
    assert (session["person"]["email"], session["mandates"][0]["role"]) == ("erika@example.com", "owner")
    assert session["mandates"][0]["id"] == environ["MANDATE"], "the page takes it from here"
    assert outputs[2].count("beat@example.com") == 2
    assert orjson.loads(outputs[3])["notifyEmails"] == ["finance@example.com", "boss@example.com"]
    assert "4 movements, by hand: 46.765432102 by Bursar: 46.765432102" in outputs[7]
    assert '"number"' in outputs[8]
    assert "voucher.redeemed" in outputs[8]
    assert orjson.loads(outputs[9])["readOnlyBilling"] is True
    document = pypdf.PdfReader(tmp_path / "statement.pdf").pages[0].extract_text()
    assert "46.77" in document
    stated = orjson.loads((tmp_path / "statement.json").read_bytes())
    assert Decimal(stated["usage"]["total"]["amount"]) == Decimal("3.234567898")
    caps = (await api.get(f"{mandate}/limits")).json()["limits"]
    assert {(each["scope"], each["spent"]) for each in caps} == {("mandate", "3.234567898"), ("user", "3.234567898")}
    async with api.database.as_operator() as connection:
        assert await connection.fetchval("SELECT count(*) FROM sign_in_session") == 0, "signed out"


def test_the_page_of_roles_is_the_table() -> None:
    assert (DOCS / "roles.md").read_text() == roles_document(), "make docs"
