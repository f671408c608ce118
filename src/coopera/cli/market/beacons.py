"""Commands about the beacon: the operator's chain of hashes, which draws validators."""

from pathlib import Path

import click

from coopera.cli.books.given import Asked, gives, looks_and_gives
from coopera.cli.books.looking import Look
from coopera.cli.books.options import COUNTS, in_json
from coopera.cli.books.showing import show_json
from coopera.errors import UnknownRecord

FEW = 10
"""Links from which on the next chain should be announced."""


@click.group(short_help="Keep the chain of hashes that draws validators.")
def beacon() -> None:
    """Make a chain of hashes, bind the network to it, reveal its links."""


@beacon.command(short_help="Make a new chain, in a new file.")
@click.argument("path", metavar="FILE")
@click.option("--links", type=COUNTS, required=True, help="One for each draw or so.")
@in_json
def make(path: str, links: int, *, as_json: bool) -> None:
    """
    Make a new chain in the new FILE, which its owner alone may read.

    Who has the file can tell who will check what. Keep a copy as safe as the file:
    without it, what waits for its links is drawn for by a chain that was made later.
    """
    from coopera.service import beacon as chains

    chain = chains.make(links)
    chains.save(chain, Path(path))
    if as_json:
        show_json({"file": path, "links": links, "anchor": chain.anchor})
    else:
        click.echo(f"{links:,} links in {path}, with the anchor {chain.anchor}")


@beacon.command("open", short_help="Bind the network to a chain.")
@click.argument("path", metavar="FILE")
@click.option(
    "--abandon", is_flag=True, help="Give up a chain that is lost or used up."
)
@gives
def open_(path: str, *, abandon: bool) -> object:
    """
    Bind the network to the chain in FILE, or announce it as the one that comes next.

    A chain that is announced begins after one more link of the one before.
    """
    from coopera.protocol.validation import OpenBeacon
    from coopera.service import beacon as chains

    return OpenBeacon(chains.load(Path(path)).anchor, abandon)


@beacon.command("next", short_help="Reveal the next link of a chain.")
@click.argument("path", metavar="FILE")
@looks_and_gives
def next_(look: Look, path: str) -> object:
    """Reveal the next link of the chain in FILE: delivered work can be drawn for."""
    from coopera.protocol.books import CURRENT
    from coopera.protocol.orders import Beacon
    from coopera.protocol.validation import RevealLink
    from coopera.service import beacon as chains

    chain = chains.load(Path(path))
    stands = look.record(Beacon, CURRENT)
    if stands is None:
        raise UnknownRecord(
            f"the network is bound to no chain yet; run: coopera beacon open {path}"
        )
    number, link = chains.next_link(chain, stands)
    left = chain.length - number
    said = f"link {number:,} of {chain.length:,}"
    if left < FEW and stands.anchor in ("", chain.anchor):
        said += (
            f"\n{left} are left: make the next chain, and announce it before the last "
            "one is revealed, with coopera beacon open."
        )
    return Asked(RevealLink(link), said, {"number": number, "left": left})
