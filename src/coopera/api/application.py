"""
All routes, as one ASGI application, which reads and changes nothing.

By Starlette, for its routes, refusals, streams, and callers who leave; a bare
application would save some tens of microseconds of the hundreds that a proof takes.
"""

import logging
from asyncio import CancelledError
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from coopera.accounting.claim_files import ClaimFiles
from coopera.api.answers import NEVER, failed, refused
from coopera.api.claims import Claims
from coopera.errors import NotAllowed, Refusal, UnknownRecord

METHODS: Final = "GET, HEAD, OPTIONS"
ALWAYS: Final = (
    # In all answers, and not just to browsers: caches keep an answer for both.
    (b"access-control-allow-origin", b"*"),
    (b"access-control-expose-headers", b"ETag, Content-Range, Retry-After"),
    (b"x-content-type-options", b"nosniff"),
)
PREFLIGHT: Final = {
    "allow": METHODS,
    "access-control-allow-methods": METHODS,
    "access-control-allow-headers": "*",
    "access-control-max-age": "86400",
}

log = logging.getLogger(__name__)


def application(files: ClaimFiles) -> ASGIApp:
    """Serve claims. What is not one of the routes is not there."""
    inner = Starlette(
        routes=Claims(files).routes(),
        exception_handlers={
            HTTPException: _not_served,
            Refusal: _refused,
            Exception: _failed,
        },
    )
    inner.router.redirect_slashes = False

    async def outer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await inner(scope, receive, send)
            return

        async def send_open(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *ALWAYS]
            await send(message)

        # By the path as it was sent: once it is decoded, nobody knows any more which of
        # its slashes are within a name.
        path = scope["raw_path"].decode("latin-1")
        try:
            await inner({**scope, "path": path}, receive, send_open)
        except CancelledError:
            # By the server, which closes the connection of an answer that has no end.
            log.warning("an answer was broken off: the server ends")
        except RuntimeError as error:
            if not isinstance(error.__cause__, Refusal):
                raise
            # Too late to refuse: the answer has begun.
            log.warning("an answer was broken off: %s", error.__cause__)

    return outer


async def _not_served(request: Request, error: Exception) -> Response:
    """Answer whoever asks for what is not there, or otherwise than by reading."""
    assert isinstance(error, HTTPException)
    if error.status_code == 405:  # noqa: PLR2004 - what HTTP calls it
        if request.method == "OPTIONS":
            return Response(None, 204, PREFLIGHT)
        said = NotAllowed(
            f"{request.method[:80]} is not for this; nothing can be changed here: use "
            "GET or HEAD"
        )
        return refused(said, 405, {"allow": METHODS})
    path = request.scope["path"]
    return refused(
        UnknownRecord(f"there is nothing at {path[:80]!r}; begin with /v1/claims")
    )


async def _refused(request: Request, refusal: Exception) -> Response:
    del request
    assert isinstance(refusal, Refusal)
    return refused(refusal)


async def _failed(request: Request, error: Exception) -> Response:
    """Answer where this program is wrong; what is wrong stands in the log alone."""
    del request, error
    said = "this program has an error, and the operator can read which; ask again later"
    return failed("failed", said, 500, {"cache-control": NEVER})
