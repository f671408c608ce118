"""
Files of claims in a folder, one for each epoch, as they come, change and go.

The folder is looked at again when something is asked, once a second at most. Every file
in it that is not hidden is taken for one of claims. One that is damaged is told of, in
the log too, and the others are given; so is an epoch of which two files have different
roots, since no one can tell here which of them was published. Files that are something
else altogether are counted, and named in the log alone: whoever is told what there is
need not know what else an operator keeps.
"""

import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Final, TypeAlias, final

from coopera.accounting.claims import ClaimTree, NoClaims
from coopera.errors import Inconsistent, Refusal, UnknownRecord, Unreadable
from coopera.protocol.claims import ClaimProof

LOOK_SECONDS: Final = 1.0
"""Time after which the folder is looked at again."""
OPEN_MAX: Final = 64
"""Files that are kept open."""

log = logging.getLogger(__name__)

_Mark: TypeAlias = tuple[int, ...]
"""What changes when a file does."""


@dataclass(frozen=True, slots=True)
class ClaimEpoch:
    """Claims of an epoch, in a file."""

    epoch: int
    root: str
    claims: int
    """How many there are."""
    size: int
    """Bytes of the file."""
    file: str
    """Its name."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What there is in a folder. As long as nothing changes, it is the same object."""

    epochs: Mapping[int, ClaimEpoch] = field(default_factory=dict)
    """The latest first."""
    damaged: Mapping[str, Refusal] = field(default_factory=dict)
    """Why a file is not given, or not as a whole, by its name."""
    clashing: Mapping[int, Inconsistent] = field(default_factory=dict)
    """Why an epoch is not given."""
    others: int = 0
    """Files that are something else."""


@dataclass(slots=True)
class _Seen:
    """A file as it was when it was looked at."""

    mark: _Mark
    told: ClaimEpoch | None
    refusal: Unreadable | None


@final
class ClaimFiles:
    """
    Claims by epoch, out of the files in a folder, or of one file.

    For one thread; what was opened may be read by others.
    """

    def __init__(self, path: Path, look_seconds: float = LOOK_SECONDS) -> None:
        """Look for the first time. Refuses with `Unreadable` where that is in vain."""
        self._single = None if path.is_dir() else path.name
        self._folder = path if self._single is None else path.parent
        self._look_seconds = look_seconds
        self._next_look = 0.0
        self._seen: dict[str, _Seen] = {}
        self._listing = Listing()
        self._trees: dict[tuple[str, _Mark], ClaimTree] = {}
        """Those that were asked for last, the latest at the end."""
        self._trouble: str | None = None
        """Why the folder cannot be read."""
        if self._single is not None:
            ClaimTree.open(path).close()
        self._look()
        if self._trouble is not None:
            raise Unreadable(f"{path} cannot be read: {self._trouble}; name a folder")

    def check(self) -> None:
        """Refuse with `Unreadable` where the folder cannot be read now."""
        self._look()
        if self._trouble is not None:
            raise Unreadable(
                f"the folder of claims cannot be read: {self._trouble}; put it back"
            )

    def listing(self) -> Listing:
        """Tell what there is; where the folder cannot be read, what there was."""
        self._look()
        return self._listing

    def known(self, epoch: int | None) -> ClaimEpoch:
        """
        Tell of an epoch, or of the latest.

        Refuses with `UnknownRecord`, and with `Inconsistent` where files contradict.
        """
        listing = self.listing()
        if epoch is None:
            for latest in listing.epochs.values():
                return latest
            raise UnknownRecord("no claims are published here so far; ask again later")
        if epoch in listing.clashing:
            raise listing.clashing[epoch]
        if epoch not in listing.epochs:
            raise UnknownRecord(
                f"there are no claims of epoch {epoch} here; ask for one that is listed"
            )
        return listing.epochs[epoch]

    def opened(self, epoch: int | None) -> tuple[ClaimEpoch, ClaimTree]:
        """
        Open the claims of an epoch, or of the latest; whoever has them need not close.

        Refuses as `known`, and with `Unreadable`.
        """
        known = self.known(epoch)
        key = known.file, self._seen[known.file].mark
        tree = self._trees.pop(key, None)
        if tree is None:
            path = self._folder / known.file
            try:
                tree = ClaimTree.open(path)
            except Unreadable as refusal:
                self._next_look = 0.0
                raise self._without_folder(refusal) from None
            if (tree.epoch, tree.root) != (known.epoch, known.root):
                self._next_look = 0.0
                raise Unreadable(f"{known.file} was replaced just now; ask again")
        self._trees[key] = tree
        if len(self._trees) > OPEN_MAX:
            # Not closed here: somebody may be reading it. It closes with its last user.
            del self._trees[next(iter(self._trees))]
        return known, tree

    def proof(
        self, epoch: int | None, vault: str, asset: str, account: str
    ) -> ClaimProof:
        """Prove a claim. Refuses as `opened`, and as `ClaimTree.proof`."""
        known, tree = self.opened(epoch)
        try:
            return tree.proof(vault, asset, account)
        except Unreadable as refusal:
            found = self._without_folder(refusal)
            seen = self._seen[known.file]
            if seen.refusal is None:
                seen.refusal = found
                self._list()
                log.warning("%s", found)
            raise found from None

    def _look(self) -> None:
        """Look at the folder again, if it is time."""
        now = time.monotonic()
        if now < self._next_look:
            return
        self._next_look = now + self._look_seconds
        try:
            marks = dict(self._marks())
        except OSError as error:
            if self._trouble is None:
                log.warning("%s cannot be read: %s", self._folder, error.strerror)
            self._trouble = str(error.strerror)
            return
        self._trouble = None
        changed = self._seen.keys() != marks.keys()
        for name, mark in marks.items():
            before = self._seen.get(name)
            if before is None or before.mark != mark or _may_have_passed(before):
                seen = self._read(name, mark)
                self._tell(before, seen)
                changed |= before is None or (before.told, str(before.refusal)) != (
                    seen.told,
                    str(seen.refusal),
                )
                self._seen[name] = seen
        if changed:
            self._seen = {name: self._seen[name] for name in sorted(marks)}
            self._list()
        current = {(name, seen.mark) for name, seen in self._seen.items()}
        for key in self._trees.keys() - current:
            del self._trees[key]

    def _marks(self) -> Iterator[tuple[str, _Mark]]:
        """Find the files that there are. Raises `OSError`."""
        if self._single is not None:
            names = [self._single]
        else:
            names = [each.name for each in self._folder.iterdir()]
        for name in names:
            # Hidden is what is being written.
            if name.startswith(".") and self._single is None:
                continue
            try:
                found = (self._folder / name).stat()
            except FileNotFoundError:
                continue  # gone again, or a link that leads nowhere
            except OSError:
                yield name, ()  # whoever opens it finds out why
                continue
            if S_ISREG(found.st_mode):
                yield (
                    name,
                    (
                        *(found.st_dev, found.st_ino, found.st_size),
                        *(found.st_mtime_ns, found.st_ctime_ns),
                    ),
                )

    def _read(self, name: str, mark: _Mark) -> _Seen:
        try:
            with ClaimTree.open(self._folder / name) as tree:
                told = ClaimEpoch(tree.epoch, tree.root, len(tree), tree.size, name)
        except Unreadable as refusal:
            return _Seen(mark, None, self._without_folder(refusal))
        return _Seen(mark, told, None)

    def _list(self) -> None:
        """Put together what there is."""
        epochs: dict[int, ClaimEpoch] = {}
        clashing: dict[int, Inconsistent] = {}
        damaged: dict[str, Refusal] = {}
        others = 0
        for name, seen in self._seen.items():
            if isinstance(seen.refusal, NoClaims):
                others += 1
            elif seen.refusal is not None:
                damaged[name] = seen.refusal
            told = seen.told
            if told is None:
                continue
            first = epochs.setdefault(told.epoch, told)
            if first.root != told.root:
                clash = Inconsistent(
                    f"{first.file} and {name} are both of epoch {told.epoch} and have "
                    "different roots; leave the one there whose root was published"
                )
                clashing[told.epoch] = damaged[first.file] = damaged[name] = clash
        for epoch, clash in clashing.items():
            del epochs[epoch]
            if str(clash) != str(self._listing.clashing.get(epoch)):
                log.warning("%s", clash)
        for epoch, told in epochs.items():
            before = self._listing.epochs.get(epoch)
            if before is not None and before.root != told.root:
                log.warning(
                    "the root of epoch %d is %s now and was %s; what was given out "
                    "under the other one is no longer given",
                    epoch,
                    told.root,
                    before.root,
                )
        latest_first = {epoch: epochs[epoch] for epoch in sorted(epochs, reverse=True)}
        self._listing = Listing(latest_first, damaged, clashing, others)

    def _tell(self, before: _Seen | None, seen: _Seen) -> None:
        """Write into the log what a file is, unless that was said before."""
        said = None if before is None else str(before.refusal)
        if seen.refusal is not None and str(seen.refusal) != said:
            log.warning("%s", seen.refusal)

    def _without_folder(self, refusal: Unreadable) -> Unreadable:
        """Name a file as those do who do not know where it is."""
        said = str(refusal).removeprefix(f"{self._folder}{os.sep}")
        return type(refusal)(said)


def _may_have_passed(seen: _Seen) -> bool:
    """Tell whether a file may be good though it did not change: disks recover."""
    return seen.told is None and not isinstance(seen.refusal, NoClaims)
