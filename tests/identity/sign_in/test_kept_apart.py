"""Tokens of sign-in are neither stored nor logged, and the schema has no place to put one."""

from __future__ import annotations

import pytest

from bursar.foundation.database import Database
from tests.identity.sign_in.house import House
from tests.identity.sign_in.issuer_host import Issuer

OF_SIGN_IN = {
    "identity", "membership", "platform_operator", "sign_in_session", "sign_in_attempt", "sign_in_rate",
    "one_time_link", "sign_in_mail", "invitation",
}  # fmt: skip
_COLUMNS = """
    SELECT table_name, column_name FROM information_schema.columns
     WHERE table_schema = 'public' ORDER BY table_name, column_name"""
_REFERENCES = """
    SELECT conrelid::regclass::text AS of, confrelid::regclass::text AS target
      FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"""


async def test_no_column_holds_a_token_of_anybody_s_provider(database: Database) -> None:
    async with database.as_operator() as connection:
        columns = [(row["table_name"], row["column_name"]) for row in await connection.fetch(_COLUMNS)]
    assert {table for table, _ in columns} >= OF_SIGN_IN
    about_tokens = [each for each in columns if "token" in each[1] and "tokens" not in each[1]]
    assert about_tokens == [("invitation", "token_hash")], "our own links' hashes, and nothing else"
    for word in ("access_token", "refresh_token", "id_token", "grant", "scope_granted", "consent"):
        assert [each for each in columns if each[1] == word or each[1].startswith(f"{word}s")] == []


async def test_nothing_but_sign_in_refers_to_an_identity(database: Database) -> None:
    """A connection to somebody's data would belong to a user of one mandate, with tokens of its own."""
    async with database.as_operator() as connection:
        references = {(row["of"], row["target"]) for row in await connection.fetch(_REFERENCES)}
    assert {of for of, target in references if target == "identity"} == {
        "membership", "platform_operator", "sign_in_session",
    }  # fmt: skip
    assert {target for of, target in references if of == "identity"} == set()


async def test_no_log_and_no_row_has_seen_one(house: House, issuer: Issuer, capsys: pytest.CaptureFixture[str]) -> None:
    await house.api.made("/api/operators", {"issuer": issuer.issuer, "subject": "anna-at-the-issuer"})
    browser = house.browser()
    assert (await browser.sign_in()).status_code == 303
    assert issuer.tokens, "the issuer notes what it gave away"
    printed = capsys.readouterr()
    seen = await house.everything() + printed.out + printed.err
    for token in issuer.tokens:
        assert str(token) not in seen
        for part in str(token).split("."):
            assert len(part) < 8 or part not in seen
