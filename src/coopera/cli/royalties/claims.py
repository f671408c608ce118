"""Commands about claims: what holders have earned, under a root, and paid by proof."""

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from coopera.cli.books.given import Asked, looks_and_gives
from coopera.cli.books.looking import Look
from coopera.cli.books.options import COUNTS, in_json
from coopera.cli.books.showing import UNITS, plural, progress_bar, show_json
from coopera.cli.files import write_new
from coopera.cli.royalties.reading import Reading, read_store
from coopera.cli.royalties.vaults import by_asset
from coopera.cli.royalties.written import only_one
from coopera.cli.verify import read_claim
from coopera.errors import (
    AlreadyExists,
    Malformed,
    NotEligible,
    UnknownRecord,
    Unreadable,
)

if TYPE_CHECKING:
    from coopera.accounting.claims import ClaimTree
    from coopera.protocol.claims import Claimable, ClaimProof
    from coopera.protocol.vaults import PublishClaims

by_tree = click.option(
    "--tree", metavar="FILE", help="All claims, as royalties publish has saved them."
)


@click.command(short_help="Publish what all holders have earned up to now.")
@click.argument("file")
@click.option("--epoch", type=COUNTS, metavar="N", help="Default: the next one.")
@looks_and_gives
def publish(look: Look, file: str, epoch: int | None) -> object:
    """
    Save what all holders have earned up to now to the new FILE, and publish its root.

    Whoever has the file can prove every claim in it: give it to all who hold units. A
    claim of the epoch before is good only if it leads to the same root; nothing of it
    is lost, since a claim has all that was ever earned. Given again with its --key, it
    is the same.

    By the operator.
    """
    from coopera.protocol.books import CURRENT
    from coopera.protocol.vaults import ClaimRoot, PublishClaims

    last = look.record(ClaimRoot, CURRENT)
    coming = last.epoch + 1 if last else 1
    saved = _saved(file)
    if saved is not None and saved.epoch < coming:
        if saved.epoch != epoch and not (epoch is None and _is_given_again(look)):
            raise AlreadyExists(
                f"{file} has the claims of epoch {saved.epoch}, which are published; "
                "name a new file"
            )
        return saved
    epoch = coming if epoch is None else epoch
    found = read_store(look.store, _earned)
    if not found.claims:
        raise NotEligible(
            "no holder has earned anything so far; revenue counts once it is paid in "
            "and recorded: coopera royalties pay, coopera royalties collect"
        )
    tree = _grown(found.claims, epoch)
    said = (
        f"{plural(len(tree), 'claim')} of epoch {epoch} in {file}, under the root "
        f"{tree.root}"
    )
    for path, amount in found.unrecorded.items():
        said += (
            f"\nNot among them: {_amount(amount, path.rpartition(':')[2])} in {path}"
        )
    if found.unrecorded:
        said += "\nIt counts once it is recorded: coopera royalties collect VAULT"
    told = {"file": file, "epoch": epoch, "claims": len(tree), "root": tree.root}
    command = PublishClaims(epoch, tree.root, len(tree))
    # What was there before, of an epoch that was never published, is no trace of ours.
    undo = partial(Path(file).unlink, missing_ok=True) if saved is None else None
    return Asked(command, said, told, partial(tree.save, Path(file)), undo)


@click.command(short_help="Prove what a member may claim.")
@click.argument("vault")
@click.argument("member")
@by_asset
@click.option(
    "--tree",
    required=True,
    metavar="FILE",
    help="All claims, as royalties publish has saved them.",
)
@click.option("--out", metavar="FILE", help="Write it to a new file.")
@in_json
def proof(
    vault: str, member: str, asset: str, tree: str, out: str | None, *, as_json: bool
) -> None:
    """
    Prove what MEMBER may claim from VAULT: a claim, as JSON that coopera verify reads.

    Nothing but the file of all claims is read; anybody can do it.
    """
    found = _proven(tree, vault, asset, member)
    told = found.told()
    if out is None:
        show_json(told)
        return
    write_new(out, f"{json.dumps(told, indent=1)}\n".encode())
    if as_json:
        show_json({"file": out, **told})
        return
    amount = _amount(found.claim.cumulative, asset)
    click.echo(f"{out} proves that {member} has earned {amount} of {vault} so far")
    click.echo(f"verify it: coopera verify {out} --root {found.root}")


@click.command(short_help="Be paid what a proof says was earned.")
@click.argument("path", metavar="[CLAIM]", required=False)
@by_tree
@click.option("--vault", help="With --tree.")
@click.option("--holder", metavar="WHO", help="With --tree.")
@by_asset
@looks_and_gives
def claim(
    look: Look,
    path: str | None,
    tree: str | None,
    vault: str | None,
    holder: str | None,
    asset: str,
) -> object:
    """
    Be paid what was earned, was published, and was not paid yet.

    CLAIM is a JSON file, as royalties proof writes it; or the claim is found in --tree,
    by --vault, --holder and --asset. By the holder, or the operator.
    """
    from coopera.protocol.vaults import ClaimRoyalty, Vault

    only_one("CLAIM and --tree prove a claim", path, tree)
    if tree is None:
        assert path is not None
        found = read_claim(path)
    elif vault is None or holder is None:
        raise Malformed("--tree has all claims; say which by --vault and --holder")
    else:
        found = _proven(tree, vault, asset, holder)
    which = found.claim
    return ClaimRoyalty(
        which.account,
        look.existing(Vault, which.vault).id,
        which.asset,
        which.cumulative,
        found.epoch,
        tuple(found.path),
    )


class _Earned(NamedTuple):
    """What may be published."""

    claims: "list[Claimable]"
    unrecorded: dict[str, int]
    """Revenue that was paid in and is not recorded, by account."""


def _earned(reading: Reading) -> _Earned:
    from coopera.accounting.shares import claimable, unrecorded

    return _Earned([*claimable(reading.pre)], dict(unrecorded(reading.pre)))


def _grown(claims: "list[Claimable]", epoch: int) -> "ClaimTree":
    from coopera.accounting.claims import ClaimTree

    with progress_bar("growing the tree") as progress:
        return ClaimTree.of(claims, epoch, progress)


def _is_given_again(look: Look) -> bool:
    """Tell whether the key that this command is given under was used before."""
    key = click.get_current_context().params["key"]
    return key is not None and bool(look.store.find([key]))


def _saved(file: str) -> "PublishClaims | None":
    """Read what a file of claims is published by. Refuses another `AlreadyExists`."""
    from coopera.accounting.claims import ClaimTree
    from coopera.protocol.vaults import PublishClaims

    if not Path(file).exists():
        return None
    try:
        with ClaimTree.open(Path(file)) as tree:
            return PublishClaims(tree.epoch, tree.root, len(tree))
    except Unreadable:
        raise AlreadyExists(
            f"{file} is there already, and is no file of claims; name a new file"
        ) from None


def _proven(file: str, vault: str, asset: str, member: str) -> "ClaimProof":
    from coopera.accounting.claims import ClaimTree

    with ClaimTree.open(Path(file)) as tree:
        try:
            return tree.proof(vault, asset, member)
        except UnknownRecord:
            raise UnknownRecord(
                f"{member} has earned no {asset} of the vault {vault} up to epoch "
                f"{tree.epoch}; ask why a round brought it nothing (coopera royalties "
                f"why {vault} ROUND {member}), or name another one"
            ) from None


def _amount(amount: int, asset: str) -> str:
    from coopera.accounting.explain import millionths

    return f"{millionths(amount)} {UNITS[asset]}"
