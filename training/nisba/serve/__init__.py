"""The model behind HTTP: ``nisba serve --model MODEL`` (extra ``serve``). ``server`` is the process, ``app`` what it answers."""

from __future__ import annotations

from collections.abc import Callable

from nisba.serve.limits import Limits
from nisba.serve.queueing import Annotator


class ServeError(RuntimeError):
    """The server cannot start."""


def serve(load: Callable[[], Annotator], *, host: str, port: int, limits: Limits) -> int:
    """Serve until SIGTERM or SIGINT, finish what was taken, and return the exit code: 0, or 130 after a second signal.

    Args:
        load: gives the model, as ``lambda: nisba.load(path)``; called once, in the thread that will own it.
        host: name or address to listen on.
        port: 0 for a free one; the address is printed.
        limits: what the server takes.

    Raises ServeError where the extra is missing or the address is not to be had, and whatever ``load`` raises.
    """
    try:
        from nisba.serve.server import run
    except ModuleNotFoundError as error:
        raise ServeError(f"nisba serve needs {error.name}: pip install 'nisba[serve]'") from error
    return run(load, host=host, port=port, limits=limits)
