"""Documents: what can be read, what cannot and why, how they are found in, and who has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fpdf import FPDF

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.identity import mandates, users
from bursar.workspace import document_store, reading, threads
from bursar.workspace.reading import ReadDocument, Unreadable, read_document
from bursar.workspace.tools import Toolbox
from tests.support.management import assert_problem
from tests.workspace.conftest import Installation
from tests.workspace.world import LEASE, new_person


def a_pdf(*pages: str) -> bytes:
    pdf = FPDF()
    pdf.set_font("helvetica")
    for page in pages:
        pdf.add_page()
        pdf.multi_cell(0, 8, page)
    return bytes(pdf.output())


@pytest.mark.parametrize(
    ("name", "content", "media_type", "pages"),
    [
        ("a.md", LEASE, "text/markdown", 1),
        ("notes", "Grüezi".encode("utf-16"), "text/plain", 1),
        ("old.txt", "Zürich".encode("cp1252"), "text/plain", 1),
        ("rates.csv", b"name;rate\nA;1\nB;2\n", "text/csv", 1),
        ("long.txt", b"word " * 2000, "text/plain", 4),
        ("lease.pdf", a_pdf("The rent is 1250.", "The notice period is three months."), "application/pdf", 2),
        ("named-wrongly.txt", a_pdf("Still a PDF."), "application/pdf", 1),
    ],
)
async def test_what_can_be_read(name: str, content: bytes, media_type: str, pages: int) -> None:
    read = await read_document(name, "text/plain", content)
    assert (read.name, read.media_type, len(read.pages)) == (name, media_type, pages)
    assert read.size_bytes == len(content)


async def test_text_is_whole_in_its_pieces_and_a_table_keeps_its_head() -> None:
    text = "\n\n".join(f"Paragraph {number}. " + "word " * 60 for number in range(60))
    read = await read_document("a.txt", None, text.encode())
    assert "".join(read.pages) == text
    assert all(len(page) <= reading.PIECE_CHARACTERS for page in read.pages)
    rows = "name,rate\n" + "".join(f"row {number},{number}\n" for number in range(1000))
    table = await read_document("a.csv", None, rows.encode())
    assert len(table.pages) > 3
    assert all(page.startswith("name | rate\n") for page in table.pages)


@pytest.mark.parametrize(
    ("name", "content", "trouble"),
    [
        ("picture.png", b"\x89PNG\r\n", "document_type"),
        ("a.txt", b"\x00\x01\x02", "document_unreadable"),
        ("a.txt", b"  \n ", "document_empty"),
        ("a.pdf", b"%PDF-1.7 but no more", "document_unreadable"),
        ("a.pdf", b"no PDF at all", "document_unreadable"),
        ("a.pdf", a_pdf(""), "document_empty"),
        ("a.txt", b"x" * (reading.MOST_BYTES + 1), "document_too_large"),
        ("a.txt", b"word " * 500_000, "document_too_large"),
    ],
)
async def test_what_cannot_be_read_says_why(name: str, content: bytes, trouble: str) -> None:
    with pytest.raises(Unreadable) as caught:
        await read_document(name, None, content)
    assert caught.value.trouble == trouble


def test_names_are_made_harmless() -> None:
    assert reading._clean_name("../../etc/pass\x00wd.txt") == "passwd.txt"
    assert reading._clean_name("C:\\docs\\a.txt") == "a.txt"
    assert reading._clean_name("\n") == "document"


def test_documents_are_uploaded_listed_and_deleted(house: Installation) -> None:
    anna = house.person(language="de")
    thread = anna.thread()
    first = anna.upload(thread, "lease.md", LEASE)
    assert first.status_code == 201, first.text
    second = anna.upload(thread, "lease.md", a_pdf("One", "Two")).json()
    assert (second["name"], second["mediaType"], second["pages"]) == ("lease (2).md", "application/pdf", 2)
    path = f"{anna.threads}/{thread}/documents"
    assert [each["name"] for each in anna.http.get(path).json()["documents"]] == ["lease.md", "lease (2).md"]
    assert anna.get(thread)["documents"] == anna.http.get(path).json()["documents"]

    problem = assert_problem(anna.upload(thread, "a.png", b"\x89PNG"), 415, "document_type", "file")
    assert problem["detail"].startswith("Nur Text, Markdown")
    assert_problem(anna.upload(thread, "a.txt", b"\x00"), 422, "document_unreadable", "file")
    assert_problem(anna.upload(thread, "a.txt", b"x" * (reading.MOST_BYTES + 1)), 413, "document_too_large", "file")
    assert anna.upload(thread, "big.txt", b"word " * 300_000).status_code == 201, "larger than other requests may be"
    assert_problem(anna.http.post(path, json={}), 422, "invalid_request", "file")

    stranger = new_person(anna.mandate, house.first)
    assert_problem(stranger.http.get(path), 404, "not_found")
    assert_problem(stranger.upload(thread, "a.txt", b"text"), 404, "not_found")
    assert anna.http.delete(f"{path}/{second['id']}").status_code == 204
    assert_problem(anna.http.delete(f"{path}/{second['id']}"), 404, "not_found")


@pytest.fixture
async def toolbox(database: Database) -> Toolbox:
    mandate_id = (await mandates.create_mandate(database, name="Werkstatt")).mandate_id
    user = await users.add_user(database, mandate_id, email="anna@example.com")
    thread = await threads.add_thread(database, mandate_id, user.user_id, title="", kind="agent", model="demo-1")

    async def balance() -> Any:
        return {"payer": "pool"}

    pages = [f"Page {number} speaks of numbers." for number in range(1, 8)]
    pages[4] = "Die Kündigungsfrist beträgt drei Monate. O'Hara & Söhne."
    async with database.as_mandate(mandate_id) as connection:
        for name in ("lease.txt", "other.txt"):
            text = pages if name == "lease.txt" else ["Nothing here."]
            read = ReadDocument(name, "text/plain", 1, text)
            await document_store.add_document(connection, mandate_id, thread.thread_id, read)
    return Toolbox(database, mandate_id, thread.thread_id, balance)


async def test_tools_list_find_and_read(toolbox: Toolbox) -> None:
    assert [each["name"] for each in json.loads(await toolbox.list_documents())] == ["lease.txt", "other.txt"]
    hits = json.loads(await toolbox.search_documents("wie lange ist die kündigungs frist?"))
    assert (hits[0]["document"], hits[0]["page"]) == ("lease.txt", 5)
    assert "drei Monate" in hits[0]["passage"]
    for awkward in ("", "!!!", "' OR 1=1 --", "O'Hara & | ! ( : *"):
        assert isinstance(json.loads(await toolbox.search_documents(awkward)), list)
    read = json.loads(await toolbox.read_document("LEASE.txt", 2, 99))
    assert [page["page"] for page in read["pages"]] == [2, 3, 4, 5, 6], "five at most"
    assert json.loads(await toolbox.read_document("nothing.txt"))["documents"] == ["lease.txt", "other.txt"]
    assert "1 to 7" in json.loads(await toolbox.read_document("lease.txt", 8))["error"]
    assert json.loads(await toolbox.compute("1250 * 3"))["value"] == "3750"
    assert json.loads(await toolbox.compute("__import__('os')"))["error"]
    assert json.loads(await toolbox.tell_budget()) == {"payer": "pool"}


async def test_a_neighbour_s_documents_are_not_there(toolbox: Toolbox, database: Database) -> None:
    for mandate_id, thread_id in ((new_id(), toolbox.thread_id), (toolbox.mandate_id, new_id())):
        there = Toolbox(database, mandate_id, thread_id, toolbox.balance)
        assert json.loads(await there.list_documents()) == []
        assert json.loads(await there.search_documents("Kündigungsfrist")) == []


async def test_threads_go_with_their_person(toolbox: Toolbox, database: Database) -> None:
    await users.add_user(database, toolbox.mandate_id, email="owner@example.com", role="owner")
    async with database.as_mandate(toolbox.mandate_id) as connection:
        user_id = await connection.fetchval("SELECT user_id FROM workspace_thread")
    await users.erase_user(database, toolbox.mandate_id, user_id)
    async with database.as_mandate(toolbox.mandate_id) as connection:
        for table in ("thread", "document", "page"):
            assert await connection.fetchval(f"SELECT count(*) FROM workspace_{table}") == 0  # noqa: S608


def test_a_pdf_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    import subprocess
    import sys

    for content, status in ((a_pdf("One"), 0), (b"nothing", 1)):
        done = subprocess.run(
            [sys.executable, "-m", "bursar.workspace.pdf_text"], input=content, capture_output=True, check=False
        )
        assert done.returncode == status, done.stderr
        assert (json.loads(done.stdout) if status == 0 else []) == (["One"] if status == 0 else [])
