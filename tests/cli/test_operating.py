"""`bursar backup` and `restore`, what a start prints, and `/metrics` over two workers."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import orjson
import pytest

from bursar.foundation.addresses import DatabaseAddresses
from tests.support.cluster import PostgresCluster
from tests.support.serving import SECRET_KEY, bursar, serving

CALL = {"model": "demo-1", "messages": [{"role": "user", "content": "Hello"}]}


@pytest.fixture
def environ(tmp_path: Path, database_addresses: DatabaseAddresses) -> dict[str, str]:
    return {
        "BURSAR_DATABASE_URL": database_addresses.owner.dsn,
        "BURSAR_SECRET_KEY": SECRET_KEY,
        "BURSAR_DATA_DIR": str(tmp_path / "data"),
    }


def test_two_workers_count_together_and_a_start_prints_a_way_in(environ: dict[str, str]) -> None:
    with serving("--workers", "2", "--demo", environ=environ) as served:
        (link,) = [line for line in served.lines if line.startswith("Sign in as operator")]
        assert link.split()[-1].startswith(f"{served.url}/")
        headers = {"authorization": f"Bearer {served.demo_keys[0]}"}
        for _ in range(20):
            with httpx.Client(base_url=served.url, headers=headers, timeout=30) as http:
                http.post("/v1/chat/completions", json=CALL).raise_for_status()
        counted, tries = 0.0, 0
        while counted < 20 and tries < 40:
            tries += 1
            text = httpx.get(f"{served.url}/metrics", timeout=30).raise_for_status().text
            counted = sum(
                float(line.split()[-1]) for line in text.splitlines() if line.startswith("bursar_calls_total")
            )
            time.sleep(0.1)
        assert counted == 20
        assert "bursar_workers 2.0" in text


def test_a_backup_fills_an_empty_database_and_its_books_hold(
    environ: dict[str, str], tmp_path: Path, cluster: PostgresCluster
) -> None:
    bursar("mandate", "create", "Sicher AG", environ=environ)
    bursar("top-up", "Sicher AG", "12.50", environ=environ)
    file = tmp_path / "books.bursar"
    bursar("backup", str(file), environ=environ)
    assert file.stat().st_mode & 0o077 == 0
    name, empty = cluster.create_database(migrated=False)
    try:
        elsewhere = {**environ, "BURSAR_DATABASE_URL": empty.owner.dsn}
        assert "every invariant holds" in bursar("restore", str(file), environ=elsewhere)
        (pool, *_) = orjson.loads(bursar("balance", "Sicher AG", "--json", environ=elsewhere))
        assert pool["available"] == "12.500000000"
    finally:
        cluster.drop_database(name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["top-up", "Nobody AG", "1.00"], "no mandate with the id or name 'Nobody AG'"),
        (["mandate", "create", "X AG", "--billing-model", "POSTPAY"], "creditLimit: is required with POSTPAY"),
        (["top-up", "Nobody AG", "0.0000000001"], "amount: must be a decimal string"),
        (["serve", "--demo", "--host", "0.0.0.0"], "BURSAR_HOST: --demo listens on this machine only"),
        (["serve", "--port", "99999"], "--port: must be a whole number from 0 to 65535"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(environ: dict[str, str], arguments: list[str], said: str) -> None:
    out = bursar(*arguments, environ=environ, status=2)
    assert said in out
    assert out.count("\n") == 1


def test_a_top_up_with_a_key_counts_once(environ: dict[str, str]) -> None:
    bursar("mandate", "create", "Einmal AG", environ=environ)
    for _ in range(2):
        bursar("top-up", "Einmal AG", "5.00", "--once", "invoice-17", environ=environ)
    (pool, *_) = orjson.loads(bursar("balance", "Einmal AG", "--json", environ=environ))
    assert pool["available"] == "5.000000000"
    bursar("top-up", "Einmal AG", "6.00", "--once", "invoice-17", environ=environ, status=2)


def test_operators_are_listed_added_and_removed(environ: dict[str, str]) -> None:
    added = orjson.loads(bursar("operator", "add", "https://issuer.example", "anna", "--json", environ=environ))
    listed = orjson.loads(bursar("operator", "list", "--json", environ=environ))
    assert [(each["id"], each["subject"], each["grantedBy"]) for each in listed] == [(added["id"], "anna", "operator")]
    assert "removed" in bursar("operator", "remove", added["id"], environ=environ)
    assert orjson.loads(bursar("operator", "list", "--json", environ=environ)) == []
    assert "/auth/link?token=lnk_" in bursar("operator", "link", environ=environ)
