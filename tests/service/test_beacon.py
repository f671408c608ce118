"""The operator's chain: its links, their places, and the file that it is kept in."""

import json
import stat
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import (
    AlreadyExists,
    Malformed,
    UnknownRecord,
    Unreadable,
    WrongStage,
)
from coopera.protocol.books import CURRENT
from coopera.protocol.memory import MemoryState
from coopera.protocol.orders import Beacon
from coopera.protocol.state import Economy, Epoch
from coopera.protocol.validation import (
    OpenBeacon,
    RevealLink,
    open_beacon,
    reveal_link,
)
from coopera.service.beacon import LINKS_MAX, Chain, load, make, next_link, save

SEED = bytes(range(32))
UNUSED: Any = None
"""Parameters, which beacons do not look at."""
NOWHERE = Economy(0, (), (), ())
LENGTHS = st.integers(1, 300)


def hashed(link):
    return sha256(bytes.fromhex(link)).hexdigest()


@given(LENGTHS)
def test_every_link_hashes_to_the_one_before_and_knows_its_place(length):
    chain = Chain(SEED, length)

    assert chain.link(0) == chain.anchor
    assert chain.link(length) == SEED.hex()
    for number in range(1, length + 1):
        assert hashed(chain.link(number)) == chain.link(number - 1)
        assert chain.position(chain.link(number)) == number
    assert chain.position(chain.anchor) == 0


@given(LENGTHS, st.binary(min_size=32, max_size=32))
def test_link_of_another_chain_has_no_place(length, other):
    chain = Chain(SEED, length)
    links = {chain.link(number) for number in range(length + 1)}
    if other.hex() not in links:
        with pytest.raises(UnknownRecord, match="name the file"):
            chain.position(other.hex())


def test_what_comes_after_the_anchor_or_before_the_seed_has_no_place():
    chain = Chain(sha256(SEED).digest(), 9)

    for outside in (hashed(chain.anchor), "00" * 32):
        with pytest.raises(UnknownRecord):
            chain.position(outside)


@pytest.mark.parametrize("link", ["", "ab", "AB" * 32, "zz" * 32, 7])
def test_what_is_no_link_is_refused(link):
    with pytest.raises(Malformed):
        Chain(SEED, 3).position(link)


def test_chain_that_is_used_up_says_so():
    with pytest.raises(WrongStage, match="all 3 links"):
        Chain(SEED, 3).link(4)


def test_long_chain_keeps_few_hashes():
    chain = Chain(SEED, 100_000)

    assert len(chain._kept) < 400
    assert chain.position(chain.link(77_777)) == 77_777
    assert hashed(chain.link(77_777)) == chain.link(77_776)


def test_chain_is_made_of_a_seed_that_nobody_knows():
    chains = [make(2) for _ in range(3)]

    assert len({chain.seed for chain in chains}) == 3
    assert all(len(chain.seed) == 32 for chain in chains)


@pytest.mark.parametrize("length", [0, -1, LINKS_MAX + 1])
def test_chain_has_some_links_and_not_too_many(length):
    with pytest.raises(Malformed, match=str(LINKS_MAX)):
        make(length)


def test_file_is_its_owners_alone_and_gives_the_chain_back(tmp_path):
    path = tmp_path / "links"
    chain = make(5)

    save(chain, path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == {
        "version": 1,
        "seed": chain.seed.hex(),
        "links": 5,
    }
    assert load(path).anchor == chain.anchor


def test_file_that_is_there_is_never_overwritten(tmp_path):
    path = tmp_path / "links"
    save(make(5), path)
    before = path.read_bytes()

    with pytest.raises(AlreadyExists, match="may be in use"):
        save(make(5), path)

    assert path.read_bytes() == before


def test_file_that_cannot_be_made_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="No such file"):
        save(make(1), tmp_path / "nowhere" / "links")


def test_disk_that_is_full_leaves_no_half_a_chain(tmp_path, monkeypatch):
    def full(_number):
        raise OSError(28, "No space left on device")

    path = tmp_path / "links"
    monkeypatch.setattr("coopera.service.beacon.os.fsync", full)

    with pytest.raises(Unreadable, match="No space left"):
        save(make(1), path)

    assert not path.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o777])
def test_file_that_others_may_read_or_change_is_refused(tmp_path, mode):
    path = tmp_path / "links"
    save(make(1), path)
    path.chmod(mode)

    with pytest.raises(Unreadable, match=f"mode {mode:o}.*chmod 600"):
        load(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"{}",
        b'{"version": 2, "seed": "' + b"00" * 32 + b'", "links": 3}',
        b'{"version": 1, "seed": "' + b"00" * 31 + b'", "links": 3}',
        b'{"version": 1, "seed": 7, "links": 3}',
        b'{"version": 1, "seed": "' + b"00" * 32 + b'", "links": 0}',
        b'{"version": 1, "seed": "' + b"00" * 32 + b'", "links": true}',
        b'{"version": 1, "seed": "' + b"00" * 32 + b'", "links": 1e3}',
        b'{"version": 1, "seed": "' + b"00" * 32 + b'", "links": 99999999999}',
        b'{"version": 1, "seed": "' + b"00" * 32,
        b"[" * 4000,
    ],
)
def test_damaged_file_is_refused(tmp_path, content):
    path = tmp_path / "links"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(Unreadable, match="damaged"):
        load(path)


def test_file_that_is_missing_or_a_folder_is_refused(tmp_path):
    for path in (tmp_path / "links", tmp_path):
        with pytest.raises(Unreadable):
            load(path)


class Following:
    """Books that follow a beacon, by the protocol's own rules."""

    def __init__(self):
        self.state = MemoryState({}, NOWHERE, Epoch(-1))

    @property
    def beacon(self):
        return self.state.record(Beacon, CURRENT)

    def opens(self, chain, *, abandon=False):
        command = OpenBeacon(chain.anchor, abandon)
        self.state = self.state.after(open_beacon(self.state, UNUSED, command))

    def reveals(self, chain):
        number, link = next_link(chain, self.beacon)
        command = RevealLink(link)
        self.state = self.state.after(reveal_link(self.state, UNUSED, command))
        return number


def test_links_are_revealed_one_after_the_other_to_the_end():
    books, chain = Following(), make(4)
    books.opens(chain)

    assert [books.reveals(chain) for _ in range(4)] == [1, 2, 3, 4]
    with pytest.raises(WrongStage, match="all 4 links"):
        books.reveals(chain)


def test_chain_that_is_announced_begins_after_one_more_link():
    books, old, new = Following(), make(5), make(5)
    books.opens(old)
    books.reveals(old)
    books.opens(new)

    with pytest.raises(WrongStage, match="one more link"):
        books.reveals(new)
    assert books.reveals(old) == 2
    with pytest.raises(WrongStage, match=new.anchor[:16]):
        books.reveals(old)
    assert [books.reveals(new), books.reveals(new)] == [1, 2]


def test_chain_that_follows_an_abandoned_one_begins_at_once():
    books, old, new = Following(), make(2), make(2)
    books.opens(old)
    books.reveals(old)
    books.opens(new, abandon=True)

    assert books.reveals(new) == 1
    with pytest.raises(UnknownRecord):
        books.reveals(old)


def test_chain_of_other_books_is_refused():
    books = Following()
    books.opens(make(3))

    with pytest.raises(UnknownRecord, match="name the file"):
        books.reveals(make(3))
    with pytest.raises(UnknownRecord):
        next_link(make(3), replace(books.beacon, link="0" * 64))
