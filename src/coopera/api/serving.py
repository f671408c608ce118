"""The process that serves: its socket, and how it ends."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from coopera.errors import Unavailable

END_SECONDS: Final = 3
"""That answers may take which have begun when it is to end."""
WAITING_MAX: Final = 2048
"""Callers that wait until they are taken."""


def listen(host: str, port: int) -> socket.socket:
    """Listen for callers. Refuses with `Unavailable`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        made = socket.create_server((host, port), family=family, backlog=WAITING_MAX)
    except OSError as error:
        why = str(error.strerror).partition(" (")[0]
        raise Unavailable(
            f"cannot listen on port {port} of {host}: {why}; name another one by "
            "--port or --host, or stop who listens there"
        ) from None
    # Said to be TCP, without which asyncio leaves the system to wait with the end of an
    # answer, 40 ms, for more to come.
    return socket.socket(
        made.family, made.type, socket.IPPROTO_TCP, fileno=made.detach()
    )


def address(listening: socket.socket) -> str:
    """Tell where callers find it."""
    host, port, *_ = listening.getsockname()
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(
    application: ASGIApp, listening: socket.socket, ready: Callable[[], object]
) -> None:
    """Say that it is ready, and serve until an interrupt; finish what has begun."""
    serving = server(application)
    with _ending(serving):
        ready()
        serving.run(sockets=[listening])


def server(application: ASGIApp) -> uvicorn.Server:
    """Make the server, with limits on what callers send."""
    config = uvicorn.Config(
        application,
        # Not the faster parser, which takes heads of any length, until memory is full.
        http="h11",
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",  # what strangers send is not worth a line each
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=WAITING_MAX,
        timeout_graceful_shutdown=END_SECONDS,
    )
    return uvicorn.Server(config)


@contextmanager
def _ending(serving: uvicorn.Server) -> Iterator[None]:
    """End on an interrupt also before it serves, and without dying of it afterwards."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        serving.should_exit = True

    names = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(each, end) for each in names]
    try:
        yield
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)
