"""From order to pay with nobody giving the network's own commands."""

import json
import time
from contextlib import contextmanager
from typing import Any

import pytest
from tests.service.network import (
    DAY,
    DOLLAR,
    HOUR,
    MINUTE,
    SALT,
    SECOND,
    Hashes,
    Network,
    by_the_network,
)

from coopera.errors import Unavailable, UnknownRecord, WrongStage
from coopera.protocol import jobs, supply, validation
from coopera.protocol.live import CloseDay
from coopera.protocol.money import OpenAccounts
from coopera.protocol.orders import Beacon, JobStage, Need, TaskStage
from coopera.service import Request, Writer
from coopera.service.market import Market, matching
from coopera.service.market.bulk import load_many
from coopera.service.market.reading import load_few
from coopera.store import MemoryStore, StoreFailed


def never():
    """Leave nothing to chance: no newcomer before others, no canary."""
    return 1.0


@contextmanager
def opened(store=None, *, validators=3, market=None, settings=None):
    """Open a network with a consumer, and validators."""
    network = Network(store or MemoryStore(), market or Market(Hashes(), random=never))
    try:
        network.opens("consumer:alice", "supplier:gpu", **(settings or {}))
        network.checks(validators)
        yield network
    finally:
        network.close()


@pytest.fixture
def network():
    with opened() as network:
        yield network


# One job


def test_order_ends_in_pay_by_itself(store):
    with opened(store) as network:
        network.offers("r1")
        network.orders()
        # The receipt of an order and its match are durable together.
        assert network.task().stage is TaskStage.MATCHED
        network.delivers()
        network.rests()
        assert len(network.audit().panel) == 3
        network.judges()

        assert network.job().stage is JobStage.SETTLED
        kinds = network.kinds()
        assert by_the_network(kinds)
        assert {"match_task", "reveal_link", "draw_validators", "conclude_audit"} <= {
            kind for kind, _ in kinds
        }
        network.ended()


@pytest.mark.parametrize("load", [load_few, load_many])
def test_order_that_came_first_is_matched_when_a_resource_comes(load):
    market = Market(Hashes(), load=load, random=never)
    with opened(market=market) as network:
        network.orders()
        assert network.task().stage is TaskStage.CREATED
        network.offers("r1")
        assert network.task().resource == "r1"
        network.ended()


def test_every_task_of_a_job_finds_a_resource(network):
    network.offers("r1")
    network.offers("r2", slots=2)
    network.orders(needs=(Need("training"),) * 3)
    resources = [task.resource for task in network.job().tasks]
    assert sorted(resources) == ["r1", "r2", "r2"]
    for index in range(3):
        network.delivers("j1", index)
    network.passes(SECOND)
    for index in range(3):
        network.judges("j1", index)
    assert network.job().stage is JobStage.SETTLED
    network.ended()


def test_nobody_serves_himself(network):
    network.joins("consumer:gpu")
    network.offers("r1")
    network.orders(consumer="consumer:gpu")
    assert network.task().stage is TaskStage.CREATED
    network.orders("j2")
    assert network.task("j2").resource == "r1"
    network.ended()


def test_certificate_is_tested_by_itself(network):
    network.give(
        supply.RegisterResource(
            *("r1", "supplier:gpu", "training", "h100", 1, 8, "eu", 9, 0)
        ),
        jobs.RequestCertification("r1", "supplier:gpu"),
    )
    network.delivers("certify:r1:1")
    network.rests()
    network.judges("certify:r1:1")
    assert network.record(supply.Resource, "r1").stage is supply.Stage.CERTIFIED
    network.ended()


# Who is served first


def served(network, resource="r1"):
    """Let a resource finish what it has, again and again: the jobs in their order."""
    names: list[str] = []
    while True:
        doing = [
            name
            for name, body in network.store.open_records("job").items()
            if json.loads(body)["tasks"][0]["resource"] == resource
        ]
        if not doing:
            return names
        (name,) = doing
        names.append(name)
        network.delivers(name)
        network.passes(SECOND)
        network.judges(name)


def test_greater_incentive_is_served_first(network):
    network.offers("r1")
    network.orders("first")
    for name, incentive in ("a", 0), ("b", 2 * DOLLAR), ("c", DOLLAR), ("d", DOLLAR):
        network.orders(name, incentive=incentive)
    assert served(network) == ["first", "b", "c", "d", "a"]
    network.ended()


def test_waiting_adds_to_the_incentive(network):
    network.offers("r1")
    network.orders("first", deadline=network.now + DAY)
    network.orders("old")
    network.accepts("first")
    network.passes(3 * HOUR)
    network.orders("bids", incentive=2 * DOLLAR)
    network.orders("bids-more", incentive=4 * DOLLAR)
    assert served(network) == ["first", "bids-more", "old", "bids"]


def test_many_that_wait_and_many_that_come_are_matched_in_one_order(network):
    for n in range(6):
        network.orders(f"j{n}", incentive=n * DOLLAR // 10, unit_price=2 * DOLLAR + n)
    for n in range(4):
        network.send(
            supply.RegisterResource(
                *(f"r{n}", "supplier:gpu", "training", "h100", 1, 8, "eu", 9, 0)
            )
        )
        network.send(supply.CertifyResource(f"r{n}", "seen"))
    network.rests()
    network.give(*(supply.StakeCertificate(f"r{n}", "supplier:gpu") for n in range(4)))
    got = {f"j{n}": network.task(f"j{n}").resource for n in range(6)}
    assert [name for name, resource in got.items() if not resource] == ["j0", "j1"]
    network.ended()


@pytest.mark.parametrize(
    ("chance", "winner"), [(0.0, "new"), (0.049, "new"), (0.05, "old")]
)
def test_newcomers_get_a_part_of_the_jobs(chance, winner):
    drawn = [1.0]
    market = Market(Hashes(), random=lambda: drawn[0])
    with opened(market=market) as network:
        network.offers("old", slots=2)
        for n in range(2):
            network.orders(f"w{n}")
            network.delivers(f"w{n}")
            network.passes(SECOND)
            network.judges(f"w{n}")
        network.offers("new", "supplier:gpu")
        drawn[0] = chance
        network.orders()
        assert network.task().resource == winner


def test_tasks_of_one_consumer_leave_room_for_others(monkeypatch, network):
    monkeypatch.setattr(matching, "WAITING_PER_CONSUMER", 3)
    network.joins("consumer:bob")
    for n in range(8):
        network.orders(f"a{n}", incentive=DOLLAR)
    network.orders("b", consumer="consumer:bob")

    def waiting(market):
        return [each.id for each in market._matching.queue]

    assert sorted(network.writer.ask(waiting).result(60)) == [
        *("a0:0", "a1:0", "a2:0"),
        "b:0",
    ]
    why = network.writer.ask(lambda market: market.why_waiting("a7", 0)).result(60)
    assert why.held_back
    network.give(jobs.CancelJob("a5", "consumer:alice"))
    network.ended()
    network.offers("r1")
    assert served(network) == ["a0", "a1", "a2", "a3", "a4", "a6", "a7", "b"]
    network.ended()


def test_orders_that_nobody_can_serve_are_in_nobodys_way(network):
    """However many, and however different; a price too low is one of the ways."""
    network.offers("r1")
    network.joins("consumer:bob")
    for n in range(60):
        network.orders(f"model-{n}", needs=(Need("training", model=f"m{n}"),))
        network.orders(f"far-{n}", needs=(Need("training", regions=(f"r{n}",)),))
        network.orders(f"many-{n}", needs=(Need("training", count=1000 + n),))
        network.orders(f"cheap-{n}", unit_price=DOLLAR // 4)
    network.orders("b", consumer="consumer:bob")
    assert network.task("b").resource == "r1"
    network.ended()


@pytest.mark.parametrize("most", ["writer.FOLLOWED_MAX", "market.matching.TRIED_MAX"])
def test_more_than_one_commit_can_match_is_matched_in_the_next(
    monkeypatch, network, most
):
    monkeypatch.setattr(f"coopera.service.{most}", 3)
    for n in range(10):
        network.orders(f"far-{n}", needs=(Need("training", regions=("us",)),))
        network.orders(f"j{n}")
    network.offers("r1", slots=10)
    network.rests()
    assert {network.task(f"j{n}").resource for n in range(10)} == {"r1"}
    network.ended()


# Who gets it next


def test_declined_task_goes_to_another(network):
    network.offers("r1")
    network.orders()
    network.offers("r2")
    network.give(jobs.DeclineTask("j1", 0, "supplier:gpu"))
    assert network.task().resource == "r2"
    network.give(jobs.DeclineTask("j1", 0, "supplier:gpu"))
    assert network.task().stage is TaskStage.CREATED
    network.ended()


def test_task_that_is_not_accepted_goes_to_another(network):
    network.offers("r1")
    network.orders()
    network.offers("r2")
    network.passes(MINUTE)
    assert network.task().resource == "r2"
    assert network.track("r1").outcomes == "0"
    network.ended()


def test_failed_work_goes_to_another_and_a_third_is_paid_back():
    with opened(validators=24) as network:
        for name in ("r1", "r2"):
            network.offers(name)
        network.orders()
        for n in range(2):
            network.delivers()
            while network.task().stage is TaskStage.DELIVERED:
                network.passes(SECOND)
                network.judges(says=False)
                network.rests()
            assert n or network.task().resource == "r2"
        assert network.job().stage is JobStage.REFUNDED
        assert by_the_network(network.kinds())
        network.ended()


def test_slot_that_is_freed_is_given_to_who_waits(network):
    network.offers("r1")
    network.orders("j1")
    network.orders("j2")
    network.give(jobs.CancelJob("j1", "consumer:alice"))
    assert network.task("j2").resource == "r1"
    network.ended()


def test_resource_that_changes_its_price_or_leaves_is_followed(network):
    network.offers("r1", price=5 * DOLLAR, slots=1)
    network.orders()
    assert network.task().stage is TaskStage.CREATED
    network.give(supply.RepriceResource("r1", "supplier:gpu", DOLLAR, 3))
    assert network.task().resource == "r1"
    network.orders("j2")
    network.give(supply.RepriceResource("r1", "supplier:gpu", DOLLAR, 1))
    network.orders("j3")
    network.ended()
    network.give(supply.RevokeCertificate("r1", "asleep"))
    network.give(jobs.CancelJob("j1", "consumer:alice"))
    network.give(jobs.CancelJob("j2", "consumer:alice"))
    assert network.task("j3").stage is TaskStage.CREATED
    network.ended()


def test_dormant_resource_gets_nothing_until_it_is_certified_anew():
    with opened(settings={"market": {"dormant_days": 2}}) as network:
        network.offers("r1")
        network.give(CloseDay(0), CloseDay(1))
        network.orders("j1")
        assert network.task("j1").resource == "r1"
        network.give(jobs.CancelJob("j1", "consumer:alice"), CloseDay(2))
        network.orders("j2")
        assert network.task("j2").stage is TaskStage.CREATED
        why = network.writer.ask(lambda market: market.why_no_jobs("r1")).result(60)
        assert why.dormant
        network.ended()
        network.give(supply.CertifyResource("r1", "seen again"))
        assert network.task("j2").resource == "r1"
        network.ended()


def test_task_whose_time_to_accept_is_gone_is_left_to_its_end(network):
    network.orders(deadline=network.now + 61 * SECOND)
    network.passes(SECOND)
    network.offers("r1")
    network.rests()
    assert network.task().stage is TaskStage.CREATED
    why = network.writer.ask(lambda market: market.why_waiting("j1", 0)).result(60)
    assert why.late
    network.passes(MINUTE)
    assert network.job().stage is JobStage.REFUNDED
    network.ended()


# Links and panels


def test_nobody_comes_between_a_link_and_what_is_drawn_by_it(network):
    network.offers("r1", slots=8)
    for n in range(8):
        network.orders(f"j{n}")
        network.accepts(f"j{n}")
    network.passes(SECOND)
    since = network.store.head().receipt
    futures = []
    for n in range(8):
        futures.append(
            network.send(jobs.DeliverTask(f"j{n}", 0, "supplier:gpu", "ab" * 32))
        )
        futures += [
            network.send(OpenAccounts(f"holder:h{n}-{each}")) for each in range(20)
        ]
    for future in futures:
        future.result(60)
    network.passes(SECOND)
    kinds = [kind for kind, _ in network.kinds(since)]
    drawn = 0
    while "reveal_link" in kinds:
        kinds = kinds[kinds.index("reveal_link") + 1 :]
        one = next((i for i, k in enumerate(kinds) if k != "draw_validators"), 99)
        drawn += min(one, len(kinds))
    assert drawn == 8
    network.ended()


def test_links_are_a_second_apart_and_what_is_delivered_meanwhile_shares_one(network):
    network.offers("r1", slots=8)
    for n in range(4):
        network.orders(f"j{n}")

    def links():
        return network.record(Beacon, "current").number

    network.delivers("j0")
    assert links() == 1
    for n in (1, 2, 3):
        network.delivers(f"j{n}")
    network.rests()
    assert links() == 1
    assert network.audit("j1") is None
    network.passes(SECOND)
    assert links() == 2
    assert all(network.audit(f"j{n}").panel for n in range(4))
    network.ended()


def test_work_waits_for_validators_and_spends_few_links_on_it():
    with opened(validators=0) as network:
        network.offers("r1")
        network.orders()
        network.delivers()
        for _ in range(25):
            network.passes(SECOND)
        assert network.audit() is None
        assert network.record(Beacon, "current").number <= 4
        network.checks(3)
        for _ in range(22):
            network.passes(SECOND)
        assert len(network.audit().panel) == 3
        network.ended()


def test_validators_who_disagree_are_followed_by_more():
    with opened(validators=12) as network:
        network.offers("r1")
        network.orders()
        network.delivers()
        network.rests()
        first = network.audit().panel[0].resource
        owner = network.owner(first)
        network.commits(says=True)
        network.give(
            validation.RevealVerdict("j1", 0, first, owner, passed=True, salt=SALT)
        )
        network.passes(599 * SECOND)
        assert network.audit().round == 1
        network.passes(SECOND)
        network.passes(SECOND)
        audit = network.audit()
        assert (audit.round, len(audit.panel)) == (2, 7)
        assert network.record(Beacon, "current").number == 2
        network.judges()
        assert network.job().stage is JobStage.SETTLED
        assert by_the_network(network.kinds())
        network.ended()


def test_silent_validators_are_not_waited_for_longer_than_their_time():
    with opened(validators=12) as network:
        network.offers("r1")
        network.orders()
        network.delivers()
        network.passes(599 * SECOND)
        assert network.audit().round == 1
        network.passes(SECOND)
        # Nobody has committed, so that there is nothing to reveal either.
        assert network.audit().round == 2
        network.ended()


def test_audit_is_concluded_when_the_last_has_revealed(network):
    network.offers("r1")
    network.orders()
    network.delivers()
    network.rests()
    network.commits()
    assert network.job().stage is JobStage.OPEN
    network.ended()
    network.reveals()
    assert network.job().stage is JobStage.SETTLED


def test_without_links_the_operator_reveals_them_and_the_rest_follows():
    with opened(market=Market(random=never)) as network:
        hashes = Hashes()
        network.give(validation.OpenBeacon(hashes.successor(None)))
        network.offers("r1")
        network.orders()
        network.delivers()
        network.passes(SECOND)
        assert network.audit() is None
        link = hashes.after(network.record(Beacon, "current"))
        network.give(validation.RevealLink(link))
        assert network.audit().panel
        network.judges()
        assert network.job().stage is JobStage.SETTLED


class Gone:
    """Links that cannot be had, or are wrong."""

    def __init__(self, link=""):
        self.link = link

    def after(self, _beacon):
        if not self.link:
            raise OSError("the disk is gone")
        return self.link

    def successor(self, beacon):
        return Hashes().successor(beacon)


@pytest.mark.parametrize("links", [Gone(), Gone("ab" * 32)], ids=["gone", "wrong"])
def test_matches_go_on_where_links_do_not(links):
    with opened(market=Market(links, random=never)) as network:
        network.offers("r1", slots=2)
        network.orders()
        network.delivers()
        network.passes(SECOND)
        network.orders("j2")
        assert network.task("j2").resource == "r1"
        assert network.audit() is None


# Canaries


class Birds:
    """Canaries in memory."""

    def __init__(self, outcomes=()):
        self.left = list(outcomes)
        self.known = {}

    def recall(self, posted):
        self.asked = posted

    def next(self):
        if not self.left:
            return None
        passed = self.left.pop()
        name = f"bird-{len(self.left)}"
        self.known[name] = (passed, SALT)
        digest = validation.canary_digest(name, SALT, passed=passed)
        need = Need("training")
        return validation.PostCanary(
            name, "training", need, "cd" * 32, digest, 10, DOLLAR
        )

    def outcome(self, job):
        return self.known.get(job)


def test_canaries_are_posted_judged_and_revealed():
    market = Market(Hashes(), Birds([True, False]), random=lambda: 0.0)
    with opened(market=market, validators=4) as network:
        network.offers("r1", slots=2)
        for n in range(2):
            network.orders(f"j{n}")
            network.delivers(f"j{n}")
        network.passes(SECOND)
        network.passes(SECOND)
        for name, says in ("bird-1", True), ("bird-0", True):
            network.judges(name, says=says)
            assert network.job(name).stage is JobStage.SETTLED
        network.rests()
        # All said that it was right, and one of them was wrong.
        wrong = {each.resource for each in network.audit("bird-1").panel}
        assert all("0" in network.track(name).outcomes for name in wrong)
        kinds = [kind for kind, who in network.kinds() if who == "market"]
        assert kinds.count("post_canary") == kinds.count("reveal_canary") == 2
        network.ended()


def test_canaries_are_so_many_of_all_that_is_checked():
    z = 0.25
    drawn = iter([0.32, 0.34, 0.33, 0.9] * 100)
    chances = []

    def random():
        chances.append(next(drawn))
        return chances[-1]

    market = Market(Hashes(), Birds([True] * 50), random=random)
    rates = {"market": {"exploration_rate": 0}, "validation": {"canary_rate": z}}
    with opened(market=market, validators=9, settings=rates) as network:
        network.offers("r1", slots=12)
        for n in range(12):
            network.orders(f"j{n}")
            network.delivers(f"j{n}")
        for _ in range(5):
            network.passes(SECOND)
        posted = [kind for kind, _ in network.kinds()].count("post_canary")
        assert len(chances) == 12
        # A quarter of all is a third of the others.
        assert posted == sum(each < 1 / 3 for each in chances) == 6


def test_network_without_prepared_canaries_goes_on():
    market = Market(Hashes(), Birds(), random=lambda: 0.0)
    with opened(market=market) as network:
        network.offers("r1")
        network.orders()
        network.delivers()
        network.rests()
        network.judges()
        assert network.job().stage is JobStage.SETTLED


# Why


def test_consumer_is_told_what_stands_in_its_way(network):
    network.offers("r1", region="us")
    network.orders("j1")
    network.orders("j2", incentive=DOLLAR)
    network.orders("j3", needs=(Need("training", regions=("eu",)),), incentive=9)

    def ask(name, index=0):
        return network.writer.ask(lambda m: m.why_waiting(name, index)).result(60)

    why = ask("j3")
    assert (why.ahead, why.held_back, why.late) == (1, False, False)
    assert why.offers.left["count"] == 1
    assert why.offers.left["regions"] == 0
    assert ask("j2").offers.remedies == ("slots",)
    with pytest.raises(WrongStage, match="j1 is matched by r1"):
        ask("j1")
    with pytest.raises(UnknownRecord):
        ask("j9")
    with pytest.raises(UnknownRecord, match="no task 5"):
        ask("j3", 5)


def test_supplier_is_told_why_it_has_no_jobs(network):
    network.offers("best", slots=3)
    network.offers("r1", price=3 * DOLLAR)
    network.offers("r2", region="us")
    for n in range(3):
        needs = (Need("training", regions=("eu",) if n else ()),)
        network.orders(f"j{n}", needs=needs)

    def ask(name):
        return network.writer.ask(lambda m: m.why_no_jobs(name)).result(60)

    assert ask("best").busy == ask("best").slots == 3
    assert ask("best").needs == 3
    dear = ask("r1")
    assert {k: n for k, n in dear.failed.items() if n} == {"price": 3}
    assert (dear.alone, dear.ahead) == (dear.failed, ())
    far = ask("r2")
    assert far.alone["regions"] == 2
    # Whom it stood behind is full by now.
    assert far.ahead == (0,)
    network.give(supply.RevokeCertificate("r2", "asleep"))
    assert (ask("r2").stage, ask("r2").ahead) == (supply.Stage.REVOKED, ())
    with pytest.raises(UnknownRecord):
        ask("r3")


def test_writer_without_a_market_answers_no_question():
    with Writer(MemoryStore()) as writer:
        with pytest.raises(Unavailable, match="no market"):
            writer.ask(lambda market: market).result(60)
        writer.rested().result(60)


# Failures


class Disturbed:
    """A store whose commits fail when told, before or after they were made."""

    def __init__(self, store):
        self._store = store
        self.fails = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    def write(self, batch):
        fate = self.fails.pop(0) if self.fails else "goes"
        if fate == "before":
            raise StoreFailed("the cable was cut")
        self._store.write(batch)
        if fate == "after":
            raise StoreFailed("the cable was cut")


@pytest.mark.parametrize("fate", ["before", "after"])
@pytest.mark.parametrize("commit", range(1, 9))
def test_commit_that_fails_leaves_market_and_books_agreeing(fate, commit):
    """Each commit of a story fails once."""
    store = Disturbed(MemoryStore())
    with opened(store) as network:
        network.offers("r1", slots=2)
        network.rests()
        store.fails = ["goes"] * (commit - 1) + [fate]
        network.orders("j1")
        network.orders("j2")
        for name in ("j1", "j2"):
            network.delivers(name)
            network.passes(SECOND)
            network.ended()
        for name in ("j1", "j2"):
            network.judges(name)
        network.ended()
        assert not store.fails
        stages = {name: network.job(name).stage for name in ("j1", "j2")}
        assert set(stages.values()) == {JobStage.SETTLED}
        kinds = [kind for kind, _ in network.kinds()]
        assert all(kinds.count(each) == 2 for each in ("match_task", "conclude_audit"))


def test_market_goes_on_by_itself_after_an_outage():
    """The commit that fails has no command of anybody but the market."""
    store = Disturbed(MemoryStore())
    with opened(store) as network:
        network.offers("r1")
        network.orders("j1")
        network.orders("j2")
        network.delivers("j1")
        network.rests()
        store.fails = ["before", "before"]
        network.passes(1200 * SECOND)
        network.ended()
        assert network.audit("j1").round == 2
        assert not store.fails


class Broken:
    """Offers that fail at a match, for a while."""

    broken = False

    def __init__(self, made):
        self.made = made

    def __getattr__(self, name):
        if self.broken and name == "match":
            raise ZeroDivisionError
        return getattr(self.made, name)

    def __contains__(self, name):
        return name in self.made

    def __len__(self):
        return len(self.made)


def test_failure_of_the_market_harms_no_command(monkeypatch):
    def load(*books) -> Any:
        return Broken(load_few(*books))

    with opened(market=Market(Hashes(), load=load, random=never)) as network:
        network.offers("r1", slots=2)
        monkeypatch.setattr(Broken, "broken", True)
        network.orders("j1")
        assert network.task("j1").stage is TaskStage.CREATED
        network.orders("j2")
        monkeypatch.setattr(Broken, "broken", False)
        network.rests()
        network.rests()
        until = time.monotonic() + 20
        while not network.task("j2").resource and time.monotonic() < until:
            time.sleep(0.05)
        assert network.task("j1").resource == network.task("j2").resource == "r1"
        network.ended()


@pytest.mark.parametrize("what", ["refused", "load", "follow"])
def test_market_that_fails_in_the_middle_of_an_outage_harms_no_command(
    monkeypatch, what
):
    store = Disturbed(MemoryStore())
    with opened(store) as network:
        network.offers("r1", slots=2)
        with monkeypatch.context() as patched:
            refusing = jobs.what_is_unmet

            def unmet(*given):
                return refusing(*given) or "mood"

            def fails(*_):
                raise ZeroDivisionError

            patched.setattr(jobs, "what_is_unmet", unmet)
            patched.setattr(Market, what, fails)
            store.fails = ["before"]
            network.orders("j1")
            network.orders("j2")
            assert {network.task(name).resource for name in ("j1", "j2")} == {""}
        network.orders("j3")
        until = time.monotonic() + 20
        while not network.task("j2").resource and time.monotonic() < until:
            network.rests()
        network.ended()


def test_match_that_is_refused_is_not_tried_for_ever(network, monkeypatch):
    """A rule of the books that the market does not know."""
    rule = jobs.what_is_unmet

    def stricter(params, day, task, resource, track):
        mood = "" if resource.id != "r1" else "mood"
        return rule(params, day, task, resource, track) or mood

    monkeypatch.setattr(jobs, "what_is_unmet", stricter)
    network.offers("r1")
    network.orders()
    network.rests()
    assert network.task().stage is TaskStage.CREATED
    network.offers("r2")
    # It is tried again only when its job changes.
    assert network.task().stage is TaskStage.CREATED
    network.orders("j2")
    assert network.task("j2").resource in ("", "r2")


# Restarts

STAGES = ("ordered", "matched", "accepted", "delivered", "drawn", "committed", "told")


def live(network, stage):
    """Take a job one stage further."""
    if stage == "ordered":
        network.orders()
    elif stage == "matched":
        network.offers("r1")
    elif stage == "accepted":
        network.accepts()
    elif stage == "delivered":
        network.delivers()
    elif stage == "drawn":
        network.passes(SECOND)
    elif stage == "committed":
        network.commits()
    else:
        network.reveals()


@pytest.mark.parametrize("load", [load_few, load_many])
@pytest.mark.parametrize("last", range(len(STAGES)))
def test_network_that_is_stopped_at_any_stage_goes_on(last, load):
    store = MemoryStore()
    first = Network(store, Market(Hashes(), random=never, load=load))
    first.opens("consumer:alice", "supplier:gpu")
    first.checks()
    for stage in STAGES[: last + 1]:
        live(first, stage)
    first.close()
    again = Network(store, Market(Hashes(), random=never, load=load), now=first.now)
    try:
        again.rests()
        for stage in STAGES[last + 1 :]:
            live(again, stage)
        again.rests()
        assert again.job().stage is JobStage.SETTLED
        again.ended()
    finally:
        again.close()


def test_what_was_ordered_without_a_market_is_served_by_one():
    store = MemoryStore()
    first = Network(store, Market(Hashes(), random=never))
    first.opens("consumer:alice", "supplier:gpu")
    first.checks()
    first.offers("r1", slots=2)
    first.close()
    with Writer(store, clock=lambda: first.now) as writer:
        for n in range(3):
            order = first.order(f"j{n}", incentive=n)
            writer.execute(Request(f"by-hand-{n}", "operator", order))
    again = Network(store, Market(Hashes(), random=never))
    try:
        again.rests()
        assert [again.task(f"j{n}").resource for n in range(3)] == ["", "r1", "r1"]
        again.ended()
    finally:
        again.close()
