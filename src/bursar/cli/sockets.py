"""The socket that calls arrive at: one for one worker; for several, one each on the same port.

On Linux the kernel then spreads connections evenly (`SO_REUSEPORT`, socket(7)). On a socket that workers share, whoever
wakes first takes all that wait, and a client's whole pool may end at one worker. A worker that dies takes its socket
with it, so nothing new waits for it. Elsewhere the option spreads nothing, and workers share one socket.
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import Iterator
from typing import Final

BACKLOG: Final = 4096


@contextlib.contextmanager
def bound_socket(host: str, port: int, *, workers: int) -> Iterator[socket.socket]:
    """A socket on the address; with several workers it may only keep the port (`worker_socket`).

    Raises `OSError` where somebody listens there already, also where that is another Bursar.
    """
    spread = workers > 1 and sys.platform == "linux"
    if spread:
        # Who may share a port may also share it with a stranger: so first as somebody who may not.
        with _bound(host, port) as alone:
            port = alone.getsockname()[1]
    with _bound(host, port, shared=spread) as bound:
        if not spread:
            bound.listen(BACKLOG)
        yield bound


def worker_socket(bound: socket.socket) -> socket.socket:
    """What a worker accepts connections at: `bound` itself, or one of its own on the same port."""
    if bound.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return bound
    host, port = bound.getsockname()[:2]
    own = _bound(host, port, shared=True)
    own.listen(BACKLOG)
    return own


def _bound(host: str, port: int, *, shared: bool = False) -> socket.socket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((host, port))
        bound.setblocking(False)
    except BaseException:
        bound.close()
        raise
    return bound
