"""`python -m bursar.gateway.demo_upstream --port 0 --print-port`."""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import socket
import sys

import uvicorn

from bursar.gateway.demo_upstream.directives import FAULTS
from bursar.gateway.demo_upstream.server import CuttableProtocol, DemoUpstream


class AnnouncingServer(uvicorn.Server):
    """Prints its port once it listens."""

    def __init__(self, config: uvicorn.Config, *, announce: bool) -> None:
        super().__init__(config)
        self.announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.announce and self.started:
            print(self.servers[0].sockets[0].getsockname()[1], flush=True)


def end_with_stdin(server: uvicorn.Server) -> None:
    """Whoever started us holds the other end; when it is gone, so are we."""

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            server.should_exit = True

    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), read)


async def serve(options: argparse.Namespace) -> None:
    config = uvicorn.Config(
        DemoUpstream(faults=options.faults),
        host=options.host,
        port=options.port,
        http=CuttableProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        backlog=4096,
        timeout_graceful_shutdown=1,
    )
    server = AnnouncingServer(config, announce=options.print_port)
    if options.until_stdin_closes:
        end_with_stdin(server)
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    await server.serve()


def main() -> None:
    faults = "; ".join(f"{name}: {text}" for name, text in FAULTS.items())
    parser = argparse.ArgumentParser(prog="bursar.gateway.demo_upstream", description="A model server without a model.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8403, help="0 takes a free one")
    parser.add_argument("--print-port", action="store_true", help="print the port once it listens")
    parser.add_argument("--faults", action="store_true", help=f"let prompts ask for failures ({faults})")
    parser.add_argument("--until-stdin-closes", action="store_true", help="end when standard input ends")
    options = parser.parse_args()
    try:
        import uvloop
    except ImportError:
        asyncio.run(serve(options))
    else:
        uvloop.run(serve(options))


if __name__ == "__main__":
    main()
