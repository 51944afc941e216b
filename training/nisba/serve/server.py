"""The process that serves: its socket, its signals, its end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn

from nisba.serve import ServeError
from nisba.serve.app import application
from nisba.serve.limits import Limits
from nisba.serve.log import alone, log
from nisba.serve.meters import Meters
from nisba.serve.queueing import Annotator, Batcher

GRACE = 5  # seconds, beyond the time that requests have, until a stopping server gives up on them
INTERRUPTED = 130


class Server(uvicorn.Server):
    """Stops for a signal by finishing what it has taken, at once for a second one, and where the model cannot be loaded."""

    def __init__(self, config: uvicorn.Config, batcher: Batcher):
        super().__init__(config)
        self.batcher = batcher

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn's own would raise the signal again in the end, and the process would not exit with 0.
        self.batcher.refuse()
        self.force_exit = self.should_exit
        self.should_exit = True

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self.batcher.failure is not None


def run(load: Callable[[], Annotator], *, host: str, port: int, limits: Limits) -> int:
    """``nisba.serve.serve``."""
    listener = listen(host, port)
    server = build(load, limits)
    with alone():
        print(f"nisba serve: {address(listener)} (Ctrl-C ends it)", flush=True)
        server.run(sockets=[listener])
        if server.batcher.failure is not None:
            raise server.batcher.failure
        log.info("interrupted" if server.force_exit else "stopped")
        code = INTERRUPTED if server.force_exit else 0
        if server.batcher.alive:  # amid a batch, which nothing stops: were Python to end in order, torch would abort it
            os._exit(code)
    return code


def build(load: Callable[[], Annotator], limits: Limits) -> Server:
    """A server that does not listen yet."""
    meters = Meters()
    batcher = Batcher(load, limits=limits, observe=meters.batch)
    config = uvicorn.Config(
        application(batcher, meters, limits),
        http="h11",  # whatever else is installed: this is the one that the tests know
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=limits.timeout + GRACE,
    )
    return Server(config, batcher)


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Raises ServeError."""
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ServeError(f"{host}, port {port}: cannot listen there: {reason}") from None


def address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
