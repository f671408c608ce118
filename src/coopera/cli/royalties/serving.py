"""The command that serves proofs of claims over HTTP."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import click

from coopera.cli.books.options import in_json
from coopera.cli.books.showing import plural, show_json

if TYPE_CHECKING:
    from coopera.accounting.claim_files import ClaimFiles

HOST: Final = "127.0.0.1"
PORT: Final = 8000
PORT_MAX: Final = 65_535


@click.command(short_help="Serve proofs of claims over HTTP.")
@click.argument("path", metavar="FOLDER|FILE")
@click.option(
    "--host",
    default=HOST,
    show_default=True,
    help="Address to listen on; 0.0.0.0 for all of this machine.",
)
@click.option(
    "--port",
    type=click.IntRange(0, PORT_MAX),
    default=PORT,
    show_default=True,
    metavar="N",
    help="Port to listen on; 0 for any that is free.",
)
@in_json
def serve(path: str, host: str, port: int, *, as_json: bool) -> None:
    """
    Serve proofs of claims to anybody, until an interrupt.

    FOLDER has files of claims, one for each epoch, as royalties publish saves them; a
    new one is noticed by itself. Nothing is written, and nothing else in FOLDER is
    served.
    """
    import logging

    from coopera.accounting.claim_files import ClaimFiles
    from coopera.api import serving
    from coopera.api.application import application

    logging.basicConfig(format="coopera: %(message)s", level=logging.WARNING)
    files = ClaimFiles(Path(path))
    with serving.listen(host, port) as listening:
        told = _told(files, serving.address(listening))
        show = partial(show_json if as_json else _show, told)
        serving.serve(application(files), listening, show)


def _told(files: "ClaimFiles", url: str) -> dict[str, Any]:
    listing = files.listing()
    example = None
    for latest in listing.epochs:
        claim = next(iter(files.opened(latest)[1]))
        names = (claim.vault, claim.asset, claim.account)
        example = "/".join([f"{url}/v1/claims/latest", *map(_encoded, names)])
        break
    return {
        "url": f"{url}/v1/claims",
        "epochs": list(listing.epochs),
        "damaged": list(listing.damaged),
        "other_files": listing.others,
        "example": example,
    }


def _show(told: dict[str, Any]) -> None:
    epochs = told["epochs"]
    latest = f", the latest {epochs[0]}," if epochs else ""
    click.echo(f"{plural(len(epochs), 'epoch')} of claims{latest} at {told['url']}")
    if told["example"] is not None:
        click.echo(f"for example: curl {told['example']}")
    click.echo("until an interrupt")


def _encoded(name: str) -> str:
    return quote(name, safe=":")
