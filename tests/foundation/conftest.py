"""Data directories with a cluster in them, for tests that run a server of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bursar.foundation.embedded import EmbeddedPostgres
from tests.support.cluster import UNSAFE_BUT_FAST, new_data_directory, remove_data_directory


@pytest.fixture(scope="session")
def initialised() -> Iterator[Path]:
    """A data directory with a cluster in it, for the others to copy: initdb takes most of a second."""
    directory = new_data_directory()
    EmbeddedPostgres.start_or_join(directory, extra_settings=UNSAFE_BUT_FAST).stop()
    yield directory
    remove_data_directory(directory)


@pytest.fixture
def data_dir(initialised: Path) -> Iterator[Path]:
    directory = new_data_directory()
    subprocess.run(["cp", "-a", f"{initialised}/.", str(directory)], check=True)
    yield directory
    remove_data_directory(directory)
