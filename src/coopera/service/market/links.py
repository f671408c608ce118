"""The beacon's links, out of chains that are kept in files."""

import logging
from pathlib import Path
from typing import Final, final

from coopera.errors import UnknownRecord
from coopera.protocol.orders import Beacon
from coopera.service import beacon as chains
from coopera.service.beacon import Chain

FEW: Final = 1_000
"""Links that are left when the next chain is announced; of a short one, half."""

log = logging.getLogger(__name__)


@final
class Links:
    """
    Links of the chain in a file, and of those that were made to follow it.

    The second chain is in the file of that name and `.2`, and so on. Each is on the
    disk before it is announced, so that no start can lose it.
    """

    def __init__(self, path: Path, *, few: int = FEW) -> None:
        """Read the chain of a file. Refuses with `Unreadable`."""
        self._path, self._few = path, few
        self._chains: dict[int, Chain] = {1: chains.load(path)}
        self._count = 1
        while self._file(self._count + 1).exists():
            self._count += 1
        self._known: tuple[str, int, int] | None = None
        """A link, its chain, and its place in that."""

    def after(self, beacon: Beacon) -> str | None:
        """Return the link that comes next, if it is in one of the files."""
        if beacon.anchor and beacon.number > beacon.announced:
            begun = self._find(beacon.anchor)
            if begun is None or begun[1]:
                return None
            number, place = begun
        else:
            found = self._find(beacon.link)
            if found is None:
                return None
            number, place = found
        chain = self._chain(number)
        if place == chain.length:
            return None
        link = chain.link(place + 1)
        self._known = (link, number, place + 1)
        return link

    def successor(self, beacon: Beacon | None) -> str | None:
        """
        Return the anchor of the chain to announce, where few links are left.

        Makes one if there is none yet. Once a chain is used up it is too late: what was
        delivered is then decided by a chain that was made later, which only its owner
        may want. Refusals: those of `beacon.save`.
        """
        if beacon is None:
            return self._chain(1).anchor
        found = None if beacon.anchor else self._find(beacon.link)
        if found is None:
            return None
        number, place = found
        chain = self._chain(number)
        left = chain.length - place
        if not left:
            log.warning(
                "all links of %s are revealed, and no chain was announced; open one "
                "with: coopera beacon open --abandon",
                self._file(number),
            )
        if not 0 < left <= max(1, min(self._few, chain.length // 2)):
            return None
        if number == self._count:
            made = chains.make(chain.length)
            chains.save(made, self._file(number + 1))
            self._count = number + 1
            self._chains[self._count] = made
        return self._chain(number + 1).anchor

    def _find(self, link: str) -> tuple[int, int] | None:
        """Find the chain of a link, the latest first, and its place in that."""
        if self._known is not None and self._known[0] == link:
            return self._known[1:]
        for number in range(self._count, 0, -1):
            try:
                return number, self._chain(number).position(link)
            except UnknownRecord:
                continue
        return None

    def _chain(self, number: int) -> Chain:
        found = self._chains.get(number)
        if found is None:
            found = self._chains[number] = chains.load(self._file(number))
        return found

    def _file(self, number: int) -> Path:
        if number == 1:
            return self._path
        return self._path.with_name(f"{self._path.name}.{number}")
