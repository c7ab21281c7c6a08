"""One demo upstream for a whole module of tests, started outside of any test's event loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

from bursar.gateway.demo_upstream import running_demo_upstream


@contextlib.contextmanager
def shared_demo_upstream(*, faults: bool) -> Iterator[str]:
    """Yield its base URL; for a plain fixture with `scope="module"`."""
    with asyncio.Runner() as runner:
        started = running_demo_upstream(faults=faults)
        base_url = runner.run(started.__aenter__())
        try:
            yield base_url
        finally:
            runner.run(started.__aexit__(None, None, None))
