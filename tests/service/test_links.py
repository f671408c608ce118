"""The beacon never runs out of links, and what is secret is on the disk before."""

import pytest
from tests.protocol.conftest import IN_ORDER
from tests.service.network import SECOND, Network

from coopera.errors import AlreadyExists, Unreadable
from coopera.protocol.memory import MemoryState
from coopera.protocol.orders import Beacon
from coopera.protocol.state import Economy, Epoch
from coopera.protocol.validation import (
    OpenBeacon,
    RevealLink,
    open_beacon,
    reveal_link,
)
from coopera.service import beacon as chains
from coopera.service.market import Market
from coopera.service.market.links import Links
from coopera.store import MemoryStore

NOTHING = MemoryState({}, Economy(0, (), (), ()), Epoch(0))


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "chain.json"
    chains.save(chains.make(10), path)
    return path


class Books:
    """A beacon, and nothing else."""

    def __init__(self):
        self.state = NOTHING

    @property
    def beacon(self):
        return self.state.record(Beacon, "current")

    def does(self, transition, command):
        self.state = self.state.after(transition(self.state, IN_ORDER.params, command))

    def goes_on(self, links):
        """Do what the market does: whether a link was revealed."""
        anchor = links.successor(self.beacon)
        if anchor is not None:
            self.does(open_beacon, OpenBeacon(anchor))
        link = links.after(self.beacon)
        if link is not None:
            self.does(reveal_link, RevealLink(link))
        return link is not None


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("few", [1, 3, 10, 50])
def test_chain_is_followed_by_another_before_it_ends(path, few, restarts):
    books, links = Books(), Links(path, few=few)
    for n in range(35):
        if restarts:
            links = Links(path, few=few)
        assert books.goes_on(links), n
    assert books.beacon.number == 35
    # Each of ten links gives six of them at least.
    assert 4 <= len(list(path.parent.iterdir())) <= 7
    assert all(each.stat().st_mode & 0o77 == 0 for each in path.parent.iterdir())


def test_chain_that_was_made_and_not_announced_is_used(path):
    books, links = Books(), Links(path, few=5)
    for _ in range(5):
        assert books.goes_on(links)
    anchor = links.successor(books.beacon)
    assert anchor is not None
    # The process is killed: nobody was told of it.
    assert Links(path, few=5).successor(books.beacon) == anchor
    assert not path.with_name("chain.json.3").exists()


def test_nothing_is_announced_that_is_not_on_the_disk(path, monkeypatch):
    books, links = Books(), Links(path, few=5)
    for _ in range(5):
        assert books.goes_on(links)

    def full(*_):
        raise Unreadable("the disk is full")

    monkeypatch.setattr(chains, "save", full)
    with pytest.raises(Unreadable):
        links.successor(books.beacon)
    monkeypatch.undo()
    anchor = links.successor(books.beacon)
    assert chains.load(path.with_name("chain.json.2")).anchor == anchor


def test_beacon_of_another_chain_has_no_next_link(path):
    links = Links(path)
    assert links.after(Beacon("current", link="ab" * 32)) is None
    assert links.successor(Beacon("current", link="ab" * 32)) is None
    announced = Beacon("current", 3, "ab" * 32, "cd" * 32, 1)
    assert links.after(announced) is None


def test_chain_that_is_used_up_is_not_followed_secretly(path, caplog):
    chain = chains.load(path)
    links = Links(path)
    used_up = Beacon("current", 10, chain.link(10))
    assert links.after(used_up) is None
    assert links.successor(used_up) is None
    assert "--abandon" in caplog.text
    assert not path.with_name("chain.json.2").exists()


def test_file_that_holds_no_chain_is_refused(path):
    path.write_text("{}")
    with pytest.raises(Unreadable):
        Links(path)
    with pytest.raises(AlreadyExists):
        chains.save(chains.make(1), path)


def test_market_goes_from_chain_to_chain(path):
    links = Links(path, few=4)
    network = Network(MemoryStore(), Market(links, random=lambda: 1.0))
    try:
        network.opens("consumer:alice", "supplier:gpu")
        network.checks()
        network.offers("r1", slots=100)
        for n in range(24):
            network.orders(f"j{n}")
            network.delivers(f"j{n}")
            network.passes(SECOND)
            assert network.audit(f"j{n}").panel, n
            network.judges(f"j{n}")
        assert network.record(Beacon, "current").number == 24
        kinds = [kind for kind, _ in network.kinds()]
        assert kinds.count("open_beacon") == 4
        network.ended()
    finally:
        network.close()
