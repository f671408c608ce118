"""How things are answered: as JSON, with what caches may do, and refusals by code."""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from coopera.errors import ProtocolError, Refusal, UnknownRecord

FOREVER: Final = "public, max-age=31536000, immutable"
"""For what never changes."""
BRIEFLY: Final = "public, max-age=5"
"""For what may change at any time."""
NEVER: Final = "no-store"
"""For what should be asked again."""
AGAIN_SECONDS: Final = 1
"""After which it may go better, where the caller did nothing wrong."""


def answered(request: Request, content: bytes, etag: str, keep: str) -> Response:
    """Answer with JSON, or that the caller has it already."""
    headers = {"etag": etag, "cache-control": keep}
    if has_already(request, etag):
        return Response(None, 304, headers)
    return Response(content, 200, headers, "application/json")


def has_already(request: Request, etag: str) -> bool:
    """Tell whether the caller has something already, as it says."""
    known = request.headers.get("if-none-match")
    return known is not None and any(
        each.strip().removeprefix("W/") in (etag, "*") for each in known.split(",")
    )


def refused(
    refusal: Refusal,
    status: int | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Answer with a refusal, and its own status unless another one is given."""
    said = {"cache-control": NEVER, **(headers or {})}
    if status is None:
        status = _status(refusal)
        if status == 503:  # noqa: PLR2004 - what HTTP calls it
            said["retry-after"] = str(AGAIN_SECONDS)
    return failed(refusal.code, str(refusal), status, said)


def failed(
    code: str, message: str, status: int, headers: Mapping[str, str]
) -> Response:
    """Answer that something went wrong."""
    said = " ".join(message.splitlines())
    told = {"error": {"code": code, "message": said}}
    return JSONResponse(told, status, headers)


def _status(refusal: Refusal) -> int:
    """Find out who should do something about it: the caller, or the operator."""
    if isinstance(refusal, UnknownRecord):
        return 404
    return 400 if isinstance(refusal, ProtocolError) else 503
