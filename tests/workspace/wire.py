"""A network between a client and a server that a test can cut: real connections that really break."""

from __future__ import annotations

import re
import socket
import struct
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

_REQUEST: Final = re.compile(rb"^(GET|POST) (\S+) HTTP/1\.1\r\n((?:[^\r\n]+\r\n)*)", re.MULTILINE)
# Closing a socket that lingers for no time resets the connection.
_RESET: Final = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Request:
    line: str
    headers: dict[str, str]


@dataclass
class Wire:
    """Hands connections on to `target`; what clients sent is in `requests`."""

    target: str
    is_cut: bool = False
    swallows: str | None = None
    """The next request that begins so is handed on, and its answer is not."""
    cuts_after: tuple[str, int] | None = None
    """Everything breaks after so many bytes of the answer to a request that begins so; what came before arrives."""
    _sent: list[bytearray] = field(default_factory=list)
    _open: set[socket.socket] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def requests(self) -> list[Request]:
        with self._lock:
            sent = [bytes(each) for each in self._sent]
        return [_request(found) for each in sent for found in _REQUEST.finditer(each)]

    def cut(self) -> None:
        """Everything that is connected breaks now, and whatever tries meanwhile."""
        self._cut_all_but()

    def mend(self, target: str | None = None) -> None:
        """From now on there is a way again; perhaps to somewhere else."""
        self.target = target or self.target
        self.is_cut = False

    def _cut_all_but(self, *kept: socket.socket) -> None:
        self.is_cut = True
        with self._lock:
            sockets = self._open.difference(kept)
            self._open -= sockets
        for each in sockets:
            _reset(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                _reset(client)
                continue
            address = urlsplit(self.target)
            assert address.hostname is not None
            assert address.port is not None
            server = socket.create_connection((address.hostname, address.port))
            sent = bytearray()
            with self._lock:
                self._open |= {client, server}
                self._sent.append(sent)
            threading.Thread(target=self._ask, args=(client, server, sent), daemon=True).start()
            threading.Thread(target=self._answer, args=(client, server, sent), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, sent: bytearray) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                with self._lock:
                    sent += data
                server.sendall(data)
        self._end(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, sent: bytearray) -> None:
        answered = 0
        with suppress(OSError):
            while data := server.recv(65_536):
                with self._lock:
                    line = [_request(found) for found in _REQUEST.finditer(bytes(sent))][-1].line
                if self.swallows is not None and line.startswith(self.swallows):
                    self.swallows = None
                    break
                if self.cuts_after is not None and line.startswith(self.cuts_after[0]):
                    answered += len(data)
                    if answered > self.cuts_after[1]:
                        rest, self.cuts_after = data[: self.cuts_after[1] - answered], None
                        self._cut_all_but(client, server)
                        client.sendall(rest)
                        # The client closes its side when it has read that: a reset could take away what it has not.
                        client.shutdown(socket.SHUT_WR)
                        _reset(server)
                        return
                client.sendall(data)
        self._end(client, server)

    def _end(self, client: socket.socket, server: socket.socket) -> None:
        with self._lock:
            self._open -= {client, server}
        _reset(client)
        _reset(server)


def _request(found: re.Match[bytes]) -> Request:
    method, path, head = (part.decode() for part in found.groups())
    headers = dict(line.split(": ", 1) for line in head.splitlines())
    return Request(f"{method} {path}", {name.lower(): value for name, value in headers.items()})


def _reset(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
