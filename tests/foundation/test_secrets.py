"""Secrets at rest, signed links, and the key in the data directory."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from bursar.foundation.secrets import LinkError, Secrets, SecretsError, secret_keys
from tests.support.clock import ManualClock

_OLD, _NEW = "old-key-" * 5, "new-key-" * 5


def test_what_is_encrypted_can_be_read_again_and_does_not_show() -> None:
    secrets = Secrets([_OLD])
    encrypted = secrets.encrypt("smtp password")
    assert "smtp" not in encrypted
    assert secrets.decrypt(encrypted) == "smtp password"
    assert "old" not in repr(secrets)


def test_a_new_first_key_reads_the_old_and_retires_it() -> None:
    encrypted = Secrets([_OLD]).encrypt("x")
    both = Secrets([_NEW, _OLD])
    assert both.decrypt(encrypted) == "x"
    assert Secrets([_NEW]).decrypt(both.encrypt_again(encrypted)) == "x"
    with pytest.raises(SecretsError, match="BURSAR_SECRET_KEY"):
        Secrets([_NEW]).decrypt(encrypted)


@pytest.mark.parametrize("keys", [[], ["short"], [_OLD, "short"]])
def test_weak_keys_are_refused(keys: list[str]) -> None:
    with pytest.raises(ValueError, match="at least 32 characters"):
        Secrets(keys)


def test_a_link_says_what_was_signed_until_it_expires() -> None:
    clock = ManualClock()
    secrets = Secrets([_OLD])
    link = secrets.sign("unsubscribe", {"user": "anna"}, expires_at=clock.now() + timedelta(hours=1))
    assert secrets.verify("unsubscribe", link, now=clock.now()) == {"user": "anna"}
    assert Secrets([_NEW, _OLD]).verify("unsubscribe", link, now=clock.now()) == {"user": "anna"}
    clock.advance(3600)
    with pytest.raises(LinkError) as raised:
        secrets.verify("unsubscribe", link, now=clock.now())
    assert raised.value.expired


def test_a_forged_link_or_one_for_something_else_is_refused() -> None:
    clock = ManualClock()
    secrets = Secrets([_OLD])
    link = secrets.sign("unsubscribe", {"user": "anna"}, expires_at=clock.now() + timedelta(hours=1))
    other = secrets.sign("unsubscribe", {"user": "bob"}, expires_at=clock.now() + timedelta(hours=1))
    mixed = other.partition(".")[0] + "." + link.partition(".")[2]
    for purpose, text in [("sign-in", link), ("unsubscribe", mixed), ("unsubscribe", "x"), ("unsubscribe", "ä.ö.")]:
        with pytest.raises(LinkError) as raised:
            secrets.verify(purpose, text, now=clock.now())
        assert not raised.value.expired
    with pytest.raises(LinkError):
        Secrets([_NEW]).verify("unsubscribe", link, now=clock.now())


def test_a_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: secret_keys((), tmp_path / "data"), range(8)))
    assert len(found) == 1
    path = tmp_path / "data" / "secret.key"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in path.parent.iterdir()] == ["secret.key"]
    assert Secrets(found.pop()).encrypt("x")


def test_configured_keys_leave_the_data_directory_alone(tmp_path: Path) -> None:
    assert secret_keys((_OLD,), tmp_path) == (_OLD,)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_key_file_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "secret.key").write_text("\n")
    with pytest.raises(SecretsError, match="restore it"):
        secret_keys((), tmp_path)
