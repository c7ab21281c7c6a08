"""A server on loopback that behaves as the contract says, or is told to fail, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bursar.client import Bursar, exchange
from tests.support.fake_bursar import KEY, FakeBursar


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeBursar]:
    monkeypatch.setattr(exchange, "_FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(exchange, "LONGEST_PAUSE_SECONDS", 0.01)
    server = FakeBursar()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bursar(server: FakeBursar) -> Iterator[Bursar]:
    with Bursar(base_url=server.url, key=KEY) as bursar:
        yield bursar
