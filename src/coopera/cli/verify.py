"""The command that verifies a claim, without books and without a network."""

import json
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.options import in_json
from coopera.cli.books.showing import UNITS, plural, show_json, show_table
from coopera.cli.files import read_whole
from coopera.errors import Refusal, Unreadable

if TYPE_CHECKING:
    from coopera.protocol.claims import ClaimProof

NOT_PROVEN: Final = 1
"""Exit code where a claim is not under the root."""


@click.command(short_help="Verify a claim to royalties, offline.")
@click.argument("path", metavar="CLAIM")
@click.option(
    "--root", metavar="HASH", help="As it was published. Default: the file's."
)
@in_json
def verify(path: str, root: str | None, *, as_json: bool) -> None:
    """
    Verify a claim to royalties: that it is under the root that was published.

    CLAIM is a JSON file with vault, asset, account, cumulative, epoch, root and path.
    Nothing else is read, and nobody is asked. Exit code 1 where it does not hold.

    \b
    Example:
      coopera verify claim.json --root 0xd4dee0be...
    """  # noqa: D301 - click reads the backspace
    from coopera.protocol.claims import hash_bytes, proves

    found = read_claim(path)
    against = found.root if root is None else root
    hash_bytes("--root", against)
    holds = proves(against, found.claim, found.path)
    if as_json:
        show_json(
            {
                "verified": holds,
                **found.told(),
                "root": against,
                "root_from": "file" if root is None else "option",
                "leaf": found.claim.leaf,
            }
        )
    elif holds:
        _show(path, found, against, published=root is not None)
    else:
        click.echo(click.style(_why_not(path, found, root), fg="red"))
    if not holds:
        click.get_current_context().exit(NOT_PROVEN)


def read_claim(path: str) -> "ClaimProof":
    """Read a claim out of a file. Refuses with `Unreadable`, and as `read_proof`."""
    from coopera.protocol.claims import read_proof

    try:
        told: Any = json.loads(read_whole(path, "a claim"))
    except (ValueError, RecursionError):
        raise Unreadable(
            f"{path} is no JSON; name the file of a claim, as it was given to you"
        ) from None
    try:
        return read_proof(told)
    except Refusal as refusal:
        raise type(refusal)(f"{path}: {refusal}") from None


def _show(path: str, found: "ClaimProof", root: str, *, published: bool) -> None:
    """Tell what a claim that holds proves."""
    claim = found.claim
    holds = "holds: under the root that you gave"
    if not published:
        holds = "agrees with itself: under the root in it"
    click.echo(
        f"{path} {holds}, {claim.account} may claim {_amount(found)} of the vault "
        f"{claim.vault} in all, less what was paid before"
    )
    show_table(
        [
            ("vault", claim.vault),
            ("asset", claim.asset),
            ("account", claim.account),
            ("so far", _amount(found)),
            ("epoch", f"{found.epoch}, as the file says"),
            ("leaf", claim.leaf),
            ("path", plural(len(found.path), "node")),
            ("root", root),
        ]
    )
    if not published:
        click.echo(
            f"\nThis proves nothing until you compare that root with the one that was "
            f"published for epoch {found.epoch}; better, give that one as --root."
        )


def _why_not(path: str, found: "ClaimProof", root: str | None) -> str:
    claim = found.claim
    said = (
        f"{path} does NOT hold: that {claim.account} may claim {_amount(found)} of the "
        f"vault {claim.vault} is not under the root"
    )
    if root is None:
        return f"{said} in the file itself; claim, path or root was altered"
    if found.holds:
        return (
            f"{said} that you gave, but under the one in the file, {found.root}; is "
            f"the one that you gave that of epoch {found.epoch}?"
        )
    return f"{said} that you gave, nor under the one in the file; it was altered"


def _amount(found: "ClaimProof") -> str:
    from coopera.accounting.explain import millionths

    asset = found.claim.asset
    return f"{millionths(found.claim.cumulative)} {UNITS.get(asset, asset)}"
