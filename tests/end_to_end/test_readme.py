"""The README's commands and snippets, run as they stand against `bursar serve --demo`."""

from __future__ import annotations

import mailbox
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import openai
import orjson
import pytest

from tests.support.serving import Served, bursar, data_directory, serving

README = Path(__file__).parents[2] / "README.md"
DOCUMENTED_URL = "http://127.0.0.1:8402"


def blocks(language: str, containing: str) -> list[str]:
    found = re.findall(rf"```{language}\n(.*?)```", README.read_text(), re.DOTALL)
    wanted = [block for block in found if containing in block]
    assert wanted, f"no {language} block with {containing!r} in the README"
    return wanted


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    with data_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def served(directory: Path) -> Iterator[Served]:
    """The embedded database in a directory of its own: what `make run` starts."""
    with serving("--demo", environ={"BURSAR_DATA_DIR": str(directory)}) as served:
        yield served


def shell(served: Served, block: str) -> str:
    script = block.replace(DOCUMENTED_URL, served.url)
    environ = {**os.environ, "BURSAR_KEY": served.demo_keys[0]}
    done = subprocess.run(["sh", "-ec", script], capture_output=True, text=True, env=environ, timeout=60, check=True)
    return done.stdout


def python(served: Served, block: str, monkeypatch: pytest.MonkeyPatch, **names: Any) -> dict[str, Any]:
    monkeypatch.setenv("BURSAR_KEY", served.demo_keys[0])
    namespace: dict[str, Any] = {"os": os, **names}
    exec(compile(block.replace(DOCUMENTED_URL, served.url), "README.md", "exec"), namespace)
    return namespace


def call(served: Served, person: int = 0, **body: Any) -> httpx.Response:
    key = served.demo_keys[person]
    body = {"model": "demo-1", "messages": [{"role": "user", "content": "Hello"}], **body}
    return httpx.post(
        f"{served.url}/v1/chat/completions", json=body, headers={"authorization": f"Bearer {key}"}, timeout=30
    )


class TestStory:
    """In this order: the pool is spent on the way."""

    def test_a_link_each_lets_the_people_in_once(self, served: Served) -> None:
        people = [("Anna Muster", "owner"), ("Beat Beispiel", "member")]
        for link, (name, role) in zip(served.demo_links, people, strict=True):
            with httpx.Client(base_url=served.url, timeout=30) as browser:
                assert browser.get(link).status_code == 200
                used = {"token": link.rpartition("=")[2]}
                assert browser.post("/auth/link", data=used).headers["location"] == "/"
                session = browser.get("/api/session").raise_for_status().json()
                (mandate,) = session["mandates"]
                assert (session["person"]["displayName"], mandate["name"], mandate["role"]) == (name, "Demo AG", role)
                assert browser.post("/auth/link", data=used).status_code == 410

    def test_the_first_call_is_billed(self, served: Served) -> None:
        (curl,) = blocks("sh", '"content": "Hello"')
        answer = orjson.loads(shell(served, curl))
        assert "demo model" in answer["choices"][0]["message"]["content"]
        headers = call(served).headers
        readme = README.read_text()
        for name in ("x-bursar-cost", "x-bursar-currency"):
            assert f"{name}: {headers[name]}" in readme
        assert "x-bursar-available" in headers

    def test_the_official_client_works_as_it_is(
        self, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (snippet,) = blocks("python", "client = OpenAI(")
        python(served, snippet, monkeypatch)
        assert "demo model" in capsys.readouterr().out

    def test_own_work_is_charged_by_the_python_client(
        self, served: Served, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        environ = {"BURSAR_DATA_DIR": str(directory)}
        made = bursar("key", "create", "Demo AG", "--kind", "service", "--json", environ=environ)
        monkeypatch.setenv("BURSAR_SERVICE_KEY", orjson.loads(made)["key"])
        bursar("user", "add", "Demo AG", "a@anna.example", "--external-id", "anna", "--role", "owner", environ=environ)
        (snippet,) = blocks("python", "bursar.hold(")
        python(served, snippet.replace('"0.20"', '"0.002"').replace('"0.13"', '"0.001"'), monkeypatch, run_my_model=int)
        assert capsys.readouterr().out == ""
        journal = orjson.loads(bursar("transfers", "Demo AG", "--json", environ=environ))
        assert (journal[0]["kind"], journal[0]["amount"], journal[0]["model"]) == ("CHARGE", "0.001000000", "my-model")
        python(served, snippet, monkeypatch, run_my_model=int)
        assert "INSUFFICIENT_BALANCE" in capsys.readouterr().out

    def test_a_stream_that_runs_out_keeps_what_it_delivered_and_raises(
        self, served: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        client = openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.demo_keys[0])
        messages = [{"role": "user", "content": "A story [[tokens=14000]]"}]
        (snippet,) = blocks("python", 'error.body["billing"]')
        python(served, snippet, monkeypatch, client=client, messages=messages)
        printed = capsys.readouterr().out
        assert printed.startswith("I am the demo model")
        assert printed.endswith("The finance contacts are being notified.\n")

    def test_the_loop_ends_in_402(self, served: Served) -> None:
        (loop,) = blocks("sh", "for i in")
        assert shell(served, loop).split()[-1] == "402"

    def test_the_402_is_as_shown(self, served: Served) -> None:
        (shown,) = blocks("json", '"billing"')
        refused = call(served)
        assert refused.status_code == 402
        assert refused.headers["x-should-retry"] == "false"
        assert "retry-after" not in refused.headers
        ours, documented = refused.json()["error"], orjson.loads(shown)["error"]
        assert list(ours) == list(documented)
        assert list(ours["billing"]) == list(documented["billing"])
        for name in ("code", "reason", "billingModel", "userAction", "payer", "mandateName", "currency"):
            assert ours["billing"][name] == documented["billing"][name]

    def test_who_may_not_top_up_sees_no_amounts(self, served: Served) -> None:
        billing = call(served, person=1).json()["error"]["billing"]
        assert billing["userAction"] == "CONTACT_MANDATE_ADMIN"
        assert (billing["currentBalance"], billing["billingUrl"]) == (None, None)

    def test_finance_got_one_mail(self, directory: Path) -> None:
        deadline = time.monotonic() + 20
        while not list((directory / "mail").glob("new/*")) and time.monotonic() < deadline:
            time.sleep(0.1)
        box = mailbox.Maildir(directory / "mail", create=False)
        (mail,) = list(box)
        assert mail["To"] == "finance@demo.example"
        assert "Demo AG" in str(mail["Subject"])

    def test_a_top_up_lets_the_next_call_pass(self, served: Served, directory: Path) -> None:
        (block,) = blocks("sh", 'bursar top-up "Demo AG"')
        arguments = shlex.split(block)[1:]
        bursar(*arguments, environ={"BURSAR_DATA_DIR": str(directory)})
        client = openai.OpenAI(base_url=f"{served.url}/v1", api_key=served.demo_keys[0], max_retries=0)
        answer = client.chat.completions.create(model="demo-1", messages=[{"role": "user", "content": "Hello"}])
        assert answer.choices[0].finish_reason == "stop"

    def test_the_books_hold(self, served: Served, directory: Path) -> None:
        assert "every invariant holds" in bursar("verify", environ={"BURSAR_DATA_DIR": str(directory)})
