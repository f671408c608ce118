"""
Claims: what epochs there are, and the proof of any claim in them.

Who may ask: anybody. The file of all claims is meant to be published as a whole, so
that no part of it can be a secret, and a claim pays whom it names, whoever shows it.

Names are decoded from the path as it was sent: a name may have a slash, as `%2F`.
"""

import hashlib
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, Final, NamedTuple, final
from urllib.parse import unquote_to_bytes

from anyio.to_thread import run_sync
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from coopera.accounting.claim_files import ClaimEpoch, ClaimFiles, Listing
from coopera.accounting.claims import ClaimTree
from coopera.api.answers import (
    BRIEFLY,
    FOREVER,
    NEVER,
    answered,
    has_already,
    refused,
)
from coopera.errors import Malformed

LATEST: Final = "latest"
EPOCH: Final = re.compile(r"0|[1-9][0-9]{0,15}")
NOT_ENCODED: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
AT_ONCE: Final = 1 << 18
"""Bytes of a file that are read at once."""


@final
class Claims:
    """Claims as they are served."""

    def __init__(self, files: ClaimFiles) -> None:
        self._files = files
        self._listed: tuple[Listing, bytes, str] | None = None

    def routes(self) -> list[Route]:
        """List what can be asked for."""
        return [
            Route("/healthz", self.health),
            Route("/v1/claims", self.listing),
            Route("/v1/claims/{epoch}", self.epoch),
            Route("/v1/claims/{epoch}/file", self.file),
            Route("/v1/claims/{epoch}/{vault}/{asset}/{account}", self.proof),
        ]

    async def health(self, request: Request) -> Response:
        """Tell that it serves; refuses where the folder cannot be read."""
        del request
        self._files.check()
        listing = self._files.listing()
        told = {
            "status": "ok",
            "epochs": len(listing.epochs),
            "latest": next(iter(listing.epochs), None),
            "damaged": len(listing.damaged),
        }
        headers = {"cache-control": NEVER}
        return Response(_json(told), 200, headers, "application/json")

    async def listing(self, request: Request) -> Response:
        """Tell which epochs there are, and which files are damaged."""
        listing = self._files.listing()
        if self._listed is None or self._listed[0] is not listing:
            content = _json(_listed(listing))
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            self._listed = listing, content, etag
        _, content, etag = self._listed
        return answered(request, content, etag, BRIEFLY)

    async def epoch(self, request: Request) -> Response:
        """Tell of an epoch."""
        number = _epoch(request)
        known = self._files.known(number)
        return answered(request, _json(_told(known)), _etag(known), _keep(number))

    async def proof(self, request: Request) -> Response:
        """Prove a claim: the JSON that `coopera verify` reads."""
        number = _epoch(request)
        names = (_name(request, each) for each in ("vault", "asset", "account"))
        proof = self._files.proof(number, *names)
        etag = f'"{proof.epoch}-{proof.root}"'
        return answered(request, _json(proof.told()), etag, _keep(number))

    async def file(self, request: Request) -> Response:
        """Give the file of all claims, or a part of it."""
        number = _epoch(request)
        known, tree = self._files.opened(number)
        headers = {
            "etag": _etag(known),
            "cache-control": _keep(number),
            "accept-ranges": "bytes",
            "content-disposition": f'attachment; filename="claims-{known.epoch}"',
        }
        if has_already(request, _etag(known)):
            return Response(None, 304, headers)
        part = _part(request, known)
        if part is not None and part.start >= known.size:
            refusal = Malformed(
                f"the range starts at byte {part.start} and the file has {known.size} "
                "bytes; ask for an earlier part, or for all of it"
            )
            return refused(refusal, 416, {"content-range": f"bytes */{known.size}"})
        status, start, stop = 200, 0, known.size
        if part is not None:
            status, (start, stop) = 206, part
            headers["content-range"] = f"bytes {start}-{stop - 1}/{known.size}"
        headers["content-length"] = str(stop - start)
        kind = "application/octet-stream"
        if request.method == "HEAD":
            return Response(None, status, headers, kind)
        return StreamingResponse(_parts(tree, start, stop), status, headers, kind)


class _Part(NamedTuple):
    """Bytes of a file."""

    start: int
    stop: int


def _part(request: Request, known: ClaimEpoch) -> _Part | None:
    """Read which part is asked for; what is no single range means all, as HTTP says."""
    found = RANGE.fullmatch(request.headers.get("range", ""))
    same = request.headers.get("if-range", _etag(known)) == _etag(known)
    if found is None or not same or request.method != "GET":
        return None
    first, last = found.groups()
    if first:
        start, stop = int(first), int(last) + 1 if last else known.size
        return _Part(start, min(stop, known.size)) if start < stop or not last else None
    return _Part(max(known.size - int(last), 0), known.size) if last else None


async def _parts(tree: ClaimTree, start: int, stop: int) -> AsyncIterator[bytes]:
    for at in range(start, stop, AT_ONCE):
        yield await run_sync(tree.content, at, min(at + AT_ONCE, stop))


def _epoch(request: Request) -> int | None:
    """Read which epoch is asked for: `None` for the latest. Refuses `Malformed`."""
    given: str = request.path_params["epoch"]
    if given == LATEST:
        return None
    if not EPOCH.fullmatch(given):
        raise Malformed(
            f"epoch is {given[:80]!r}; it must be a whole number as 7, or {LATEST}"
        )
    return int(given)


def _name(request: Request, what: str) -> str:
    """Decode a name, exactly. Refuses with `Malformed`."""
    given: str = request.path_params[what]
    name = unquote_to_bytes(given)
    with suppress(UnicodeDecodeError):
        if not NOT_ENCODED.search(given):
            return name.decode()
    raise Malformed(
        f"{what} is {given[:80]!r}; write it in UTF-8, with each byte but those of "
        "letters, digits and -._~ as a slash is: %2F"
    )


def _etag(known: ClaimEpoch) -> str:
    return f'"{known.epoch}-{known.root}"'


def _keep(epoch: int | None) -> str:
    """Tell caches how long the claims of an epoch are what was asked for."""
    return BRIEFLY if epoch is None else FOREVER


def _listed(listing: Listing) -> dict[str, Any]:
    return {
        "latest": next(iter(listing.epochs), None),
        "epochs": [_told(each) for each in listing.epochs.values()],
        "damaged": [
            {"file": name, "error": {"code": each.code, "message": str(each)}}
            for name, each in listing.damaged.items()
        ],
        "other_files": listing.others,
    }


def _told(known: ClaimEpoch) -> dict[str, Any]:
    return {
        "epoch": known.epoch,
        "root": known.root,
        "claims": known.claims,
        "bytes": known.size,
    }


def _json(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
