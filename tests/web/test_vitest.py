"""The tests that stand beside the pages' sources, run by Vitest on the wheel's Node."""

from __future__ import annotations

import pytest

from tests.support.web import need_modules, run_npm


@pytest.mark.timeout(900)
def test_the_pages_own_tests_pass() -> None:
    need_modules()
    done = run_npm("test", timeout_seconds=600)
    assert done.returncode == 0, done.stdout
