"""Where calls arrive: every worker gets its share of connections, and nobody shares a port by accident."""

from __future__ import annotations

import contextlib
import select
import socket
import sys

import pytest

from bursar.cli.sockets import bound_socket, worker_socket

PATIENCE_SECONDS = 30.0


def accepted(workers: list[socket.socket], connections: int) -> list[int]:
    """How many of so many connections each worker gets."""
    counts = [0] * len(workers)
    while sum(counts) < connections:
        ready = select.select(workers, [], [], PATIENCE_SECONDS)[0]
        assert ready, f"{counts} of {connections}"
        for worker in ready:
            worker.accept()[0].close()
            counts[workers.index(worker)] += 1
    return counts


def test_one_worker_listens_at_the_socket_itself() -> None:
    with bound_socket("127.0.0.1", 0, workers=1) as bound:
        assert worker_socket(bound) is bound
        with socket.create_connection(bound.getsockname()):
            assert accepted([bound], 1) == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="only there the kernel spreads connections")
def test_each_of_several_workers_gets_connections() -> None:
    with contextlib.ExitStack() as life:
        bound = life.enter_context(bound_socket("127.0.0.1", 0, workers=2))
        workers = [life.enter_context(contextlib.closing(worker_socket(bound))) for _ in range(2)]
        for _ in range(64):
            life.enter_context(socket.create_connection(bound.getsockname()))
        assert min(accepted(workers, 64)) > 8  # All but surely: at most so few have a chance of one in 10¹⁰.

        # A worker that has died is offered nothing any more.
        workers.pop(0).close()
        for _ in range(8):
            life.enter_context(socket.create_connection(bound.getsockname()))
        assert accepted(workers, 8) == [8]


@pytest.mark.parametrize("first", [1, 2])
@pytest.mark.parametrize("second", [1, 2])
def test_a_port_that_is_taken_is_refused(first: int, second: int) -> None:
    with contextlib.ExitStack() as life:
        bound = life.enter_context(bound_socket("127.0.0.1", 0, workers=first))
        life.enter_context(contextlib.closing(worker_socket(bound)))
        with pytest.raises(OSError, match="in use"):
            life.enter_context(bound_socket("127.0.0.1", bound.getsockname()[1], workers=second))
