"""The form of keys."""

from __future__ import annotations

import hashlib
from uuid import UUID, uuid4

import pytest

from bursar.identity.keys import key_hash, make_key, make_root_key, parse_key

MANDATE = UUID("0198c0de-0000-4000-8000-00000000beef")


def test_a_key_carries_its_mandate_and_is_known_by_its_hash() -> None:
    key = make_key(MANDATE)
    assert key.text.startswith("bur_0198c0de00004000800000000000beef_")
    assert parse_key(key.text) == (MANDATE, hashlib.sha256(key.text.encode()).digest())
    assert key.secret_hash == key_hash(key.text)


def test_a_prefix_recognises_a_key_without_giving_it_away() -> None:
    key = make_key(MANDATE)
    assert key.text.startswith(key.prefix)
    hidden = len(key.text) - len(key.prefix)
    assert hidden >= 43, "at least 220 random bits and the checksum stay hidden"


def test_no_two_keys_are_the_same() -> None:
    assert len({make_key(MANDATE).text for _ in range(200)}) == 200


@pytest.mark.parametrize("place", range(0, 86, 5))
def test_one_wrong_character_is_noticed_without_asking_anybody(place: int) -> None:
    text = make_key(uuid4()).text
    wrong = "b" if text[place] == "a" else "a"
    assert parse_key(text[:place] + wrong + text[place + 1 :]) is None


def test_what_is_no_key_is_no_key() -> None:
    text = make_key(MANDATE).text
    wrong = ["", "bur_", "sk-abcdef", "bur_é" + "a" * 80, "\ud800" * 86, make_root_key()]
    for each in (*wrong, text + "0", text[:-1], " " + text, text + "\n", text.upper()):
        assert parse_key(each) is None, each


def test_a_root_key_belongs_to_no_mandate() -> None:
    assert make_root_key().startswith("burroot_")
    assert make_root_key() != make_root_key()
