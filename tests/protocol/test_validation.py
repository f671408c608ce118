"""Delivered work is checked by whom chance has drawn, and verdicts have a price."""

from collections import Counter
from contextlib import suppress
from dataclasses import fields, replace
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest
from tests.protocol.conftest import NOW
from tests.protocol.market import (
    ANCHOR,
    CHAIN,
    DEADLINE,
    PRICE,
    ROOT,
    SALT,
    STAKE,
    VALIDATORS,
    Market,
    chain,
    offer,
    order,
)

from coopera.accounting.explain import recomputed
from coopera.errors import (
    AlreadyExists,
    InsufficientBalance,
    Malformed,
    NotAllowed,
    NotDrawn,
    NotRefundable,
    PriceTooHigh,
    ResourceBusy,
    TooEarly,
    TooLate,
    UnknownRecord,
    WrongStage,
    ZeroAmount,
)
from coopera.params.chapters import SlashDestination
from coopera.protocol.commands import OPERATOR, execute
from coopera.protocol.jobs import (
    AcceptTask,
    CancelJob,
    DeliverTask,
    ExpireTask,
    MatchTask,
    RequestCertification,
)
from coopera.protocol.live import CloseDay, PayEarnings
from coopera.protocol.money import (
    Deposit,
    GrantCredit,
    OpenAccounts,
    RefundCharge,
)
from coopera.protocol.orders import (
    Audit,
    Beacon,
    Earning,
    Job,
    JobStage,
    Link,
    Need,
    TaskStage,
)
from coopera.protocol.state import Diff
from coopera.protocol.supply import (
    BENCH,
    CertifyResource,
    Resource,
    RetireResource,
    RevokeCertificate,
    Roll,
    Stage,
    StakeCertificate,
    Track,
)
from coopera.protocol.validation import (
    CommitVerdict,
    ConcludeAudit,
    DrawValidators,
    OpenBeacon,
    PostCanary,
    RevealCanary,
    RevealLink,
    RevealVerdict,
    canary_digest,
    verdict_digest,
)
from coopera.units import MICRO, WAD

ALICE = "consumer:alice:credit"
GPU_1 = "supplier:gpu-1"
BONDS = "escrow:bonds"
STAKES = "escrow:stakes"
FLOAT = "reserve:token:float"
OPERATIONS = "reserve:usd:operations"
BOND = 5 * MICRO
"""Bond for the usual job."""
VERDICT = 5 * MICRO
"""Bond for a verdict on it."""
REWARD = 270_000
"""Pay for a verdict on it."""
NEXT = tuple(chain(3, b"of another chain"))
"""Anchor and links of a chain to come."""
MINUTES = 600 * MICRO
"""Time to commit to a verdict, and to reveal it."""
PASSED = {"bond returned", "job settled", "job"}
"""What moves when a job is done."""
BOTH = (Need("training"), Need("inference"))


def govern(market, **changes):
    """Change what governance has set for validation."""
    rules = replace(market.params.validation, **changes)
    market.params = replace(market.params, validation=rules)


def slash_to(market, destination):
    rules = replace(market.params.bonding, slash_destination=destination)
    market.params = replace(market.params, bonding=rules)


def owner_of(market, name):
    return market.record(Resource, name).owner


def tokens_of(market, name):
    """Tell what a validator has: at hand, and at stake beyond what everybody has."""
    resource = market.record(Resource, name)
    return market.held(f"{resource.owner}:token") + resource.stake - STAKE


def audit_of(market, job="j1", index=0):
    return market.record(Audit, f"{job}:{index}")


def busy(market):
    """Tell who has something to do."""
    tracks = market.state.records(Track).values()
    return {each.id: each.busy for each in tracks if each.busy}


def commitment(market, name, *, passed=True, salt=SALT, job="j1", index=0):
    digest = verdict_digest(job, index, name, salt, passed=passed)
    return CommitVerdict(job, index, name, owner_of(market, name), digest)


def revelation(market, name, *, passed=True, salt=SALT, job="j1", index=0):
    owner = owner_of(market, name)
    return RevealVerdict(job, index, name, owner, passed, salt)


def delivered(market, **changes):
    market.orders(**changes)
    market.delivers()


def drawn(market):
    """Deliver work, and draw its first panel."""
    delivered(market)
    return market.draws()


def bench_of(market, most):
    """Leave only so many validators on the bench."""
    for n in range(most, VALIDATORS):
        market.do(RetireResource(f"v{n}", f"supplier:val-{n}"))


def next_link(market):
    return RevealLink(CHAIN[market.record(Beacon, "current").number])


def canary(name="c1", *, passed=False, units=10):
    digest = canary_digest(name, SALT, passed=passed)
    return PostCanary(name, "training", Need("training"), ROOT, digest, units, PRICE)


# The beacon


def test_links_are_revealed_one_by_one_back_from_the_anchor(market):
    assert market.record(Beacon, "current") == Beacon("current", 0, ANCHOR)
    for number, (link, after) in enumerate(pairwise(CHAIN[:4]), 1):
        market.refuses(Malformed, RevealLink(after))
        market.do(RevealLink(link))
        assert market.record(Beacon, "current") == Beacon("current", number, link)
        market.refuses(Malformed, RevealLink(link))


@pytest.mark.parametrize("link", ["", "AB" * 32, "ab" * 31, None])
def test_what_is_no_link_is_refused(market, link):
    market.refuses(Malformed, RevealLink(link))
    market.refuses(Malformed, OpenBeacon(link))


def test_beacon_is_the_operators(market):
    market.refuses(NotAllowed, RevealLink(CHAIN[0]), GPU_1)
    market.refuses(NotAllowed, OpenBeacon(ANCHOR), GPU_1)


def test_link_before_any_chain_is_refused(world):
    world.refuses(UnknownRecord, RevealLink(CHAIN[0]))


def test_next_chain_begins_after_another_link_of_the_old_one(market):
    anchor, links = NEXT
    market.do(next_link(market))
    market.do(OpenBeacon(anchor))
    market.refuses(Malformed, RevealLink(links[0]))
    market.do(next_link(market))
    market.do(RevealLink(links[0]))

    beacon = market.record(Beacon, "current")
    assert (beacon.number, beacon.link) == (3, links[0])
    market.do(RevealLink(links[1]))
    market.refuses(Malformed, RevealLink(CHAIN[2]))


def test_old_chain_is_left_one_link_after_the_next_one_is_announced(market):
    market.do(OpenBeacon(NEXT[0]))
    market.do(RevealLink(CHAIN[0]))
    market.refuses(Malformed, RevealLink(CHAIN[1]))
    market.do(RevealLink(NEXT[1][0]))


def test_operator_does_not_choose_between_two_chains(market):
    market.do(OpenBeacon(NEXT[0]))
    market.do(next_link(market))
    delivered(market)
    drawn_by = []
    for link in (CHAIN[1], NEXT[1][0]):
        other = Market(market.params, market.state)
        with suppress(Malformed):
            other.do(RevealLink(link))
            drawn_by += panels(other)

    assert len(drawn_by) == 1


def test_next_chain_is_announced_once(market):
    market.do(OpenBeacon(NEXT[0]))
    market.refuses(WrongStage, OpenBeacon(ANCHOR))
    for link in (CHAIN[0], NEXT[1][0]):
        market.do(RevealLink(link))
    market.do(OpenBeacon(ANCHOR))


def test_chain_whose_links_are_used_up_can_be_abandoned(market):
    for link in CHAIN:
        market.do(RevealLink(link))
    market.do(OpenBeacon(NEXT[0], abandon=True))
    market.do(RevealLink(NEXT[1][0]))


def test_work_that_waited_for_an_abandoned_chain_is_drawn_for_by_the_next(market):
    market.do(next_link(market))
    delivered(market)
    unclear: Any = 1
    market.refuses(Malformed, OpenBeacon(NEXT[0], abandon=unclear))
    market.do(OpenBeacon(NEXT[0], abandon=True))
    market.refuses(TooEarly, DrawValidators("j1", 0))
    market.refuses(Malformed, next_link(market))
    market.do(RevealLink(NEXT[1][0]))
    later = Market(market.params, market.state)
    later.do(RevealLink(NEXT[1][1]))

    assert len(set(panels(market, later))) == 1


def test_link_that_was_known_before_the_delivery_draws_nobody(market):
    market.do(next_link(market))
    delivered(market)
    market.refuses(TooEarly, DrawValidators("j1", 0))
    market.do(next_link(market))
    market.do(DrawValidators("j1", 0))


def test_work_that_is_done_again_waits_for_another_link(market):
    delivered(market)
    market.validates(passed=False)
    market.delivers("t2")
    market.refuses(TooEarly, DrawValidators("j1", 0))


def panels(*markets):
    """Draw in each of several markets, as far as they allow it."""
    for market in markets:
        with suppress(TooEarly):
            market.do(DrawValidators("j1", 0))
            yield audit_of(market).verdicts


def test_operator_does_not_choose_a_panel_by_waiting_for_another_link(market):
    delivered(market)
    market.do(next_link(market))
    later = Market(market.params, market.state)
    later.do(next_link(later))
    assert len(set(panels(market, later))) == 1


def test_operator_does_not_choose_a_panel_by_a_chain_made_after_the_delivery(market):
    delivered(market)
    others = []
    for n in range(3):
        other = Market(market.params, market.state)
        link = sha256(b"%d" % n).digest()
        other.do(OpenBeacon(sha256(link).hexdigest()))
        other.refuses(Malformed, RevealLink(link.hex()))
        other.do(next_link(other))
        others.append(other)

    assert len(set(panels(*others))) == 1


# The draw


def test_panel_is_drawn_once_and_is_busy(market):
    before = market.state.records(Track)
    panel = drawn(market)

    assert len(set(panel)) == 3
    audit = audit_of(market)
    assert (audit.round, audit.over) == (1, False)
    assert (audit.commit_by, audit.reveal_by) == (NOW + MINUTES, NOW + 2 * MINUTES)
    for each in audit.verdicts:
        assert (each.certificate, each.bond, each.digest) == (1, VERDICT, "")
        assert each.passed is None
        assert market.track(each.resource).busy == before[each.resource].busy + 1
    market.refuses(AlreadyExists, DrawValidators("j1", 0))


def test_only_delivered_work_is_drawn_for(market):
    market.orders()
    market.do(next_link(market))
    market.refuses(WrongStage, DrawValidators("j1", 0))
    market.accepts()
    market.refuses(WrongStage, DrawValidators("j1", 0))
    market.refuses(UnknownRecord, DrawValidators("j1", 1))
    market.refuses(UnknownRecord, DrawValidators("j2", 0))
    market.do(DeliverTask("j1", 0, GPU_1, ROOT))
    market.refuses(NotAllowed, DrawValidators("j1", 0), GPU_1)


def draws_of(market, seeds, job="j1"):
    """Draw once for each of many seeds: what each draw changes."""
    market.do(next_link(market))
    number = str(market.record(Beacon, "current").number)
    for n in range(seeds):
        link = Link(number, sha256(b"%d" % n).hexdigest())
        records = {**market.state.records_, (Link, number): link}
        state = replace(market.state, records_=records)
        yield execute(state, market.params, OPERATOR, DrawValidators(job, 0))


def panels_of(market, seeds):
    """Draw once for each of many seeds: the audits."""
    for diff in draws_of(market, seeds):
        yield next(each for each in diff.records if isinstance(each, Audit))


def test_every_validator_is_drawn_as_often_as_any_other(market):
    seeds = 2000
    delivered(market)
    counts = Counter(
        each.resource for audit in panels_of(market, seeds) for each in audit.verdicts
    )

    assert len(counts) == VALIDATORS
    # Three of twelve: one in four. Five standard deviations, of fixed seeds.
    mean = seeds / 4
    slack = 5 * (seeds / 4 * 3 / 4) ** 0.5
    assert all(abs(count - mean) < slack for count in counts.values())


def test_who_owns_the_work_or_has_ordered_it_is_never_drawn(market):
    market.do(OpenAccounts("consumer:val-3"))
    market.do(Deposit("consumer:val-3:credit", "usd", PRICE, "ch_val"))
    market.offers("w1", "validator", GPU_1)
    market.offers("t9", owner="supplier:val-5")
    market.orders(consumer="consumer:val-3")
    market.delivers("t9")
    seen = {
        each.resource for audit in panels_of(market, 300) for each in audit.verdicts
    }

    assert seen == {f"v{n}" for n in range(VALIDATORS)} - {"v3", "v5"} | {"w1"}


def test_no_owner_is_on_a_panel_twice(market):
    for n in range(20):
        market.offers(f"w{n}", "validator", "supplier:val-0", device="cpu")
    delivered(market)
    for audit in panels_of(market, 200):
        owners = [owner_of(market, each.resource) for each in audit.verdicts]
        assert len(set(owners)) == len(owners)


def test_who_is_busy_is_drawn_all_the_same(market):
    records = dict(market.state.records_)
    for n in range(3):
        records[Track, f"v{n}"] = replace(market.track(f"v{n}"), busy=9)
    market.state = replace(market.state, records_=records)
    delivered(market)
    seen = {
        each.resource for audit in panels_of(market, 300) for each in audit.verdicts
    }

    # Else whoever keeps the others busy would choose the panel.
    assert seen == {f"v{n}" for n in range(VALIDATORS)}


def test_who_is_staked_when_the_link_is_known_is_not_drawn_by_it(market):
    bench_of(market, 3)
    delivered(market)
    market.do(next_link(market))
    for n in range(9):
        owner = f"supplier:val-{3 + n}"
        market.offers(f"late{n}", "validator", owner, device="cpu")
    market.do(DrawValidators("j1", 0))

    panel = {each.resource for each in audit_of(market).panel}
    assert panel <= {"v0", "v1", "v2"}
    assert len(panel) > 1


def test_who_lost_its_certificate_is_not_drawn(market):
    market.do(RevokeCertificate("v4", "asleep"))
    market.do(RetireResource("v9", "supplier:val-9"))
    delivered(market)
    seen = {
        each.resource for audit in panels_of(market, 300) for each in audit.verdicts
    }

    assert seen == {f"v{n}" for n in range(VALIDATORS)} - {"v4", "v9"}


@pytest.mark.parametrize("bench", [0, 1])
def test_work_that_too_few_can_check_waits_for_another_link(market, bench):
    bench_of(market, bench)
    delivered(market)
    for _ in range(2):
        market.do(next_link(market))
        assert market.do(DrawValidators("j1", 0)) == []
        market.refuses(TooEarly, DrawValidators("j1", 0))
    assert busy(market) == {"t1": 1}
    for n in range(2 - bench):
        market.offers(f"w{n}", "validator", f"supplier:val-{10 + n}")
    market.refuses(TooEarly, DrawValidators("j1", 0))

    assert len(market.draws()) == 2


def test_majority_of_a_panel_is_enough_to_begin(market):
    bench_of(market, 2)
    assert sorted(drawn(market)) == ["v0", "v1"]


@pytest.mark.parametrize(("audited", "units"), [(1, 10), (4, 10), (10, 10), (99, 7)])
def test_units_to_look_at_are_different_ones_of_the_work(market, audited, units):
    govern(market, units_audited=audited)
    delivered(market, units=units)
    seen = set()
    for audit in panels_of(market, 150):
        assert len(set(audit.units)) == len(audit.units) == min(audited, units)
        seen.update(audit.units)

    assert seen == set(range(units))


def test_work_of_a_billion_units_is_sampled_all_over(market):
    govern(market, units_audited=20)
    delivered(market, units=10**9)
    drawn_units = [unit for audit in panels_of(market, 50) for unit in audit.units]

    assert max(drawn_units) < 10**9
    tenths = Counter(unit * 10 // 10**9 for unit in drawn_units)
    assert set(tenths) == set(range(10))
    assert max(tenths.values()) < 2 * min(tenths.values())


# Work that is not looked at


def test_work_passes_unseen_where_nothing_is_to_be_checked(market):
    govern(market, validation_rate=0)
    delivered(market)
    before = market.held(f"{GPU_1}:token")
    market.refuses(TooEarly, DrawValidators("j1", 0))
    market.do(next_link(market))
    market.do(DrawValidators("j1", 0))

    assert market.record(Job, "j1").stage is JobStage.SETTLED
    assert market.state.record(Audit, "j1:0") is None
    assert market.held("income:demo:training") == PRICE
    assert market.held(f"{GPU_1}:token") == before + BOND
    assert market.track("t1").outcomes == "1"
    assert busy(market) == {}
    market.refuses(WrongStage, DrawValidators("j1", 0))


def test_so_much_of_the_work_is_checked_as_governance_wants(market):
    govern(market, validation_rate=3 * WAD // 10)
    delivered(market)
    checked = 0
    for diff in draws_of(market, 1000):
        found = any(isinstance(each, Audit) for each in diff.records)
        moved = {each.reason for each in diff.transfers}
        assert moved == (set() if found else PASSED)
        checked += found

    # Five standard deviations, of fixed seeds.
    assert abs(checked - 300) < 73


def test_tests_and_canaries_are_always_checked(market):
    govern(market, validation_rate=0)
    market.do(offer("n1"))
    market.do(RequestCertification("n1", GPU_1))
    market.do(DeliverTask("certify:n1:1", 0, GPU_1, ROOT))
    market.do(canary())
    for name in ("certify:n1:1", "c1"):
        assert len(market.draws(name)) == 3


# Commitments


def test_verdict_says_what_it_may_cost(market):
    delivered(market)
    panel = market.draws()
    command = commitment(market, panel[0])
    assert market.do(command, owner_of(market, panel[0])) == []

    verdict = audit_of(market).verdicts[0]
    assert (verdict.bond, verdict.digest) == (VERDICT, command.digest)
    assert verdict.passed is None
    # It is lost out of the stake, and not moved before.
    assert market.held(STAKES) == VALIDATORS * STAKE
    assert market.held(BONDS) == BOND


def test_verdict_is_committed_to_once(market):
    first = drawn(market)[0]
    market.do(commitment(market, first))
    market.refuses(WrongStage, commitment(market, first))
    market.refuses(WrongStage, commitment(market, first, passed=False))


def test_who_was_not_drawn_has_no_verdict(market):
    panel = drawn(market)
    other = next(f"v{n}" for n in range(VALIDATORS) if f"v{n}" not in panel)
    market.refuses(NotDrawn, commitment(market, other))
    market.refuses(NotDrawn, revelation(market, other))
    market.refuses(NotDrawn, commitment(market, "t1"))
    market.refuses(UnknownRecord, replace(commitment(market, other), validator="v99"))
    market.refuses(UnknownRecord, replace(commitment(market, other), job="j2"))


def test_verdict_before_the_draw_is_refused(market):
    delivered(market)
    market.refuses(UnknownRecord, commitment(market, "v1"))
    market.refuses(UnknownRecord, ConcludeAudit("j1", 0))


def test_nobody_speaks_for_another(market):
    first, second, _ = drawn(market)
    other = owner_of(market, second)
    for command in (commitment(market, first), revelation(market, first)):
        market.refuses(NotAllowed, command, other)
        market.refuses(NotAllowed, replace(command, owner=other), other)


@pytest.mark.parametrize("digest", ["", "12", "AB" * 32, None])
def test_commitment_to_nothing_is_refused(market, digest):
    first = drawn(market)[0]
    market.refuses(Malformed, replace(commitment(market, first), digest=digest))


def test_commitment_comes_in_time(market):
    first, second, _ = drawn(market)
    market.at(NOW + MINUTES - 1)
    market.do(commitment(market, first))
    market.at(NOW + MINUTES)
    market.refuses(TooLate, commitment(market, second))


# Revelations


def test_verdict_is_not_revealed_while_others_may_copy_it(market):
    first, second, third = drawn(market)
    market.refuses(WrongStage, revelation(market, first))
    market.do(commitment(market, first))
    market.do(commitment(market, second))
    market.at(NOW + MINUTES - 1)
    market.refuses(TooEarly, revelation(market, first))
    market.at(NOW + MINUTES)
    market.do(revelation(market, first))
    market.refuses(WrongStage, revelation(market, third))


def test_verdicts_are_revealed_at_once_where_all_are_committed_to(market):
    panel = drawn(market)
    for name in panel:
        market.do(commitment(market, name))
    assert audit_of(market).reveal_by == NOW + MINUTES
    for name in panel:
        market.do(revelation(market, name))
    market.do(ConcludeAudit("j1", 0))


def test_verdict_is_revealed_in_time(market):
    first = drawn(market)[0]
    market.do(commitment(market, first))
    market.at(NOW + 2 * MINUTES)
    market.refuses(TooLate, revelation(market, first))


def test_verdict_is_revealed_once_and_as_it_was_committed_to(market):
    first = drawn(market)[0]
    market.do(commitment(market, first))
    market.at(NOW + MINUTES)
    market.refuses(Malformed, revelation(market, first, passed=False))
    market.refuses(Malformed, revelation(market, first, salt="00" * 32))
    market.refuses(Malformed, revelation(market, first, salt="short"))
    market.refuses(Malformed, revelation(market, first, passed=1))
    market.do(revelation(market, first))
    market.refuses(WrongStage, revelation(market, first))

    assert audit_of(market).verdicts[0].passed is True


def test_digest_of_another_validator_reveals_nothing(market):
    first, second, _ = drawn(market)
    command = commitment(market, first)
    market.do(command)
    copied = replace(commitment(market, second), digest=command.digest)
    market.do(copied)
    market.at(NOW + MINUTES)
    market.do(revelation(market, first))

    # The salt is known by now, and is of no use.
    market.refuses(Malformed, revelation(market, second))
    market.at(NOW + 2 * MINUTES)
    market.do(ConcludeAudit("j1", 0))
    assert audit_of(market).round == 2


def test_digest_of_another_task_reveals_nothing(market):
    first = drawn(market)[0]
    digest = verdict_digest("j2", 0, first, SALT, passed=True)
    market.do(replace(commitment(market, first), digest=digest))
    market.at(NOW + MINUTES)
    market.refuses(Malformed, revelation(market, first))


def test_validator_with_work_is_not_certified_anew(market):
    first, *_ = drawn(market)
    market.refuses(ResourceBusy, CertifyResource(first, "another device"))


def test_verdict_goes_with_the_certificate_that_was_drawn(market):
    first, second, _ = drawn(market)
    market.do(commitment(market, first))
    for name in (first, second):
        market.do(RevokeCertificate(name, "another device"))
    market.refuses(NotDrawn, commitment(market, second))
    market.at(NOW + MINUTES)
    market.refuses(NotDrawn, revelation(market, first))


# Conclusions


def test_audit_ends_when_nobody_may_speak_any_more(market):
    panel = drawn(market)
    market.refuses(TooEarly, ConcludeAudit("j1", 0))
    for name in panel[:2]:
        market.do(commitment(market, name))
    market.at(NOW + MINUTES - 1)
    market.refuses(TooEarly, ConcludeAudit("j1", 0))
    market.at(NOW + MINUTES)
    market.refuses(TooEarly, ConcludeAudit("j1", 0))
    market.do(revelation(market, panel[0]))
    market.refuses(TooEarly, ConcludeAudit("j1", 0))
    market.do(revelation(market, panel[1]))
    market.do(ConcludeAudit("j1", 0))

    assert market.record(Job, "j1").stage is JobStage.SETTLED
    market.refuses(WrongStage, ConcludeAudit("j1", 0))


def test_audit_in_which_nobody_spoke_ends_with_the_time_to_commit(market):
    govern(market, panel_max=3)
    drawn(market)
    market.at(NOW + MINUTES)
    market.do(ConcludeAudit("j1", 0))

    assert market.task().stage is TaskStage.CREATED


@pytest.mark.parametrize("passed", [True, False])
def test_verdicts_that_agree_decide_are_paid_and_get_their_bonds_back(market, passed):
    panel = drawn(market)
    mine = market.held(f"{GPU_1}:token")
    moved = market.concludes([passed] * 3)
    if not passed:
        assert (moved, market.task().stage) == ([], TaskStage.DELIVERED)
        more = market.draws()
        moved = market.concludes([passed] * 7)
        panel += more

    assert {tokens_of(market, name) for name in panel} == {30 * MICRO}
    for name in panel:
        track = market.track(name)
        assert (track.outcomes, track.total, track.busy) == ("1", 1, 0)
        (earning,) = track.unpaid
        assert market.record(Earning, earning) == Earning(earning, name, REWARD)
        assert earning.startswith("0:-:validator:")
    assert market.held(f"{GPU_1}:token") == mine + BOND * passed
    assert ((BONDS, FLOAT, BOND) in moved) is not passed
    assert market.track("t1").outcomes == ("1" if passed else "0")
    assert market.held(BONDS) == 0
    assert audit_of(market).over
    assert busy(market) == {}


def test_quorum_of_one_mind_decides_without_the_others(market):
    panel = drawn(market)
    market.concludes([True, True, None])

    assert market.record(Job, "j1").stage is JobStage.SETTLED
    # Who said nothing has lost its bond, and has no pay.
    assert market.track(panel[2]).outcomes == "0"
    assert tokens_of(market, panel[2]) == 30 * MICRO - VERDICT
    assert market.track(panel[2]).unpaid == ()
    assert market.held(BONDS) == 0


def test_verdict_that_is_not_revealed_costs_its_bond(market):
    panel = drawn(market)
    for name in panel:
        market.do(commitment(market, name))
    for name in panel[:2]:
        market.do(revelation(market, name))
    market.at(NOW + MINUTES)
    moved = market.do(ConcludeAudit("j1", 0))

    assert (STAKES, FLOAT, VERDICT) in moved
    assert tokens_of(market, panel[2]) == 30 * MICRO - VERDICT
    assert market.track(panel[2]).outcomes == "0"
    assert market.record(Job, "j1").stage is JobStage.SETTLED


@pytest.mark.parametrize(
    "verdicts", [[True, False, True], [False, None, True], [True, None, None]]
)
def test_without_a_clear_outcome_twice_as_many_and_one_more_are_asked(market, verdicts):
    first = drawn(market)
    moved = market.concludes(verdicts)
    assert (moved, audit_of(market).panel) == ([], ())
    second = market.draws()

    audit = audit_of(market)
    assert (audit.round, audit.over, len(second)) == (2, False, 7)
    assert not set(first) & set(second)
    assert len(set(second)) == 7
    assert market.held(BONDS) == BOND
    assert busy(market) == dict.fromkeys([*first, *second, "t1"], 1)
    now = market.state.now()
    assert (audit.commit_by, audit.reveal_by) == (now + MINUTES, now + 2 * MINUTES)
    assert market.task().stage is TaskStage.DELIVERED


def test_first_panel_has_spoken_once_the_second_is_drawn(market):
    first = drawn(market)
    market.concludes([True, False, None])
    for name in first:
        market.refuses(NotDrawn, commitment(market, name))
        market.refuses(NotDrawn, revelation(market, name))


def test_no_owner_is_asked_again_with_another_resource(market):
    for n in range(VALIDATORS):
        market.offers(f"w{n}", "validator", f"supplier:val-{n}", device="cpu")
    first = drawn(market)
    market.concludes([True, False, True])
    owners = [owner_of(market, name) for name in (*first, *market.draws())]

    assert len(set(owners)) == len(owners) == 10


@pytest.mark.parametrize("passed", [True, False])
def test_second_panel_of_one_mind_overrules_the_first(market, passed):
    first = drawn(market)
    market.concludes([not passed, not passed, passed])
    second = market.draws()
    before = {name: tokens_of(market, name) for name in (*first, *second)}
    market.concludes([passed] * 7)

    assert market.track("t1").outcomes == ("1" if passed else "0")
    # All rounds are judged by the one outcome.
    for name in first[:2]:
        assert tokens_of(market, name) == before[name] - VERDICT
        assert market.track(name).outcomes == "0"
        assert market.track(name).unpaid == ()
    assert tokens_of(market, first[2]) == before[first[2]]
    assert {market.track(name).outcomes for name in (first[2], *second)} == {"1"}
    units = [each.units for each in market.state.records(Earning).values()]
    assert units.count(REWARD) == 8
    assert market.held(BONDS) == 0
    assert busy(market) == {}


@pytest.mark.parametrize(
    ("verdicts", "passed"), [([True, False, True], True), ([False, True, False], False)]
)
def test_majority_decides_where_nobody_else_may_be_asked(market, verdicts, passed):
    govern(market, panel_max=9)
    panel = drawn(market)
    market.concludes(verdicts)

    dissent = panel[1]
    assert market.track("t1").outcomes == ("1" if passed else "0")
    assert tokens_of(market, dissent) == 30 * MICRO - VERDICT
    assert [market.track(name).outcomes for name in panel] == ["1", "0", "1"]
    assert [bool(market.track(name).unpaid) for name in panel] == [True, False, True]


def test_all_rounds_count_for_the_majority(market):
    govern(market, panel_max=10)
    drawn(market)
    market.concludes([True, True, False])
    market.draws()
    market.concludes([True] * 3 + [False] * 4)

    # Five against five: nobody has shown that the work is right, or wrong.
    assert market.task().stage is TaskStage.CREATED
    assert market.held(f"{GPU_1}:token") == 30 * MICRO


def test_bench_that_is_too_small_to_ask_more_leaves_nobody_busy(market):
    drawn(market)
    market.concludes([True, True, False])
    market.draws()
    market.concludes([True] * 4 + [False] * 3)
    assert market.record(Job, "j1").stage is JobStage.OPEN
    assert market.draws() == []

    # Fifteen more were wanted, and two were left.
    assert market.record(Job, "j1").stage is JobStage.SETTLED
    assert busy(market) == {}


def test_later_round_is_drawn_by_a_link_that_nobody_knew_when_the_last_one_spoke(
    market,
):
    drawn(market)
    market.do(RevealLink(CHAIN[market.record(Beacon, "current").number]))
    market.concludes([True, True, False])

    market.refuses(TooEarly, DrawValidators("j1", 0))
    seed = audit_of(market).seed
    assert len(market.draws()) == 7
    assert audit_of(market).seed != seed
    market.refuses(AlreadyExists, DrawValidators("j1", 0))


def test_later_round_that_nobody_draws_leaves_it_to_the_majority(market):
    panel = drawn(market)
    market.concludes([True, True, False])
    market.refuses(TooEarly, ConcludeAudit("j1", 0))
    market.at(audit_of(market).commit_by)
    market.do(ConcludeAudit("j1", 0))

    assert market.record(Job, "j1").stage is JobStage.SETTLED
    assert [market.track(name).outcomes for name in panel] == ["1", "1", "0"]


def test_bond_for_a_verdict_grows_with_the_work(market):
    govern(market, verdict_bond_rate=WAD // 3)
    first = drawn(market)[0]
    market.do(commitment(market, first))

    assert audit_of(market).verdicts[0].bond == -(-PRICE // 3)


def test_bond_for_a_verdict_has_a_least(market):
    govern(market, verdict_bond_rate=0)
    first = drawn(market)[0]
    market.do(commitment(market, first))

    assert audit_of(market).verdicts[0].bond == MICRO // 2


def nothing_clear(market):
    """Hold the market to what follows where there is no outcome."""
    assert market.held(f"{GPU_1}:token") == 30 * MICRO
    assert market.held(BONDS) == 0
    assert market.held("escrow:jobs") == PRICE
    task = market.task()
    assert (task.stage, task.failed) == (TaskStage.CREATED, ("t1",))
    assert market.track("t1").outcomes == "0"
    assert market.state.records(Earning) == {}


def test_tie_passes_nothing_and_costs_nobody_anything(market):
    govern(market, validators_per_job=2, panel_max=2)
    panel = drawn(market)
    market.concludes([True, False])

    nothing_clear(market)
    assert all(tokens_of(market, name) == 30 * MICRO for name in panel)
    assert [market.track(name).outcomes for name in panel] == ["1", "1"]


def test_too_few_verdicts_pass_nothing(market):
    govern(market, panel_max=3)
    panel = drawn(market)
    market.concludes([True, None, None])

    nothing_clear(market)
    assert tokens_of(market, panel[0]) == 30 * MICRO
    assert [market.track(name).outcomes for name in panel] == ["1", "0", "0"]


def test_one_validator_is_enough_where_governance_wants_one(market):
    govern(market, validators_per_job=1)
    assert len(drawn(market)) == 1
    market.concludes([True])

    assert market.record(Job, "j1").stage is JobStage.SETTLED


def test_second_try_has_validators_and_units_of_its_own(market):
    govern(market, units_audited=5)
    drawn(market)
    before = audit_of(market)
    market.concludes([False] * 3)
    market.draws()
    market.concludes([False] * 7)
    market.delivers("t2")
    market.draws()
    after = audit_of(market)

    assert (after.round, after.over) == (1, False)
    assert after.seed != before.seed
    assert after.units != before.units
    market.concludes([True] * len(after.verdicts))
    assert market.record(Job, "j1").stage is JobStage.SETTLED


def test_validator_earns_more_with_each_verdict_of_a_day(market):
    bench_of(market, 3)
    for name in ("j1", "j2"):
        market.orders(name)
        market.delivers(job=name)
        market.validates(job=name)

    units = [
        each.units
        for each in market.state.records(Earning).values()
        if ":-:" in each.id
    ]
    assert units == [2 * REWARD] * 3


@pytest.mark.parametrize("passed", [True, False])
@pytest.mark.parametrize("how", ["expired", "failed"])
def test_job_that_is_called_off_waits_for_who_is_being_judged(market, how, passed):
    credit = market.held(ALICE)
    market.orders(pipeline="serving", needs=BOTH, unit_price=4 * MICRO)
    market.at(DEADLINE - 100 * MICRO if how == "expired" else NOW)
    market.delivers("s1", index=1)
    panel = market.draws(index=1)
    if how == "expired":
        market.at(DEADLINE)
        market.do(ExpireTask("j1", 0))
    else:
        for resource in ("t1", "t2"):
            market.delivers(resource)
            market.validates(passed=False)
    job = market.record(Job, "j1")
    assert (job.stage, market.held("escrow:jobs")) == (JobStage.OPEN, 20 * MICRO)
    assert job.tasks[0].stage is TaskStage.CANCELLED
    market.concludes([passed] * len(panel), index=1)
    if not passed:
        panel = market.draws(index=1)
        market.concludes([False] * len(panel), index=1)

    # The server is paid for what it did, and the consumer gets the rest.
    job = market.record(Job, "j1")
    assert job.stage is JobStage.REFUNDED
    assert market.held(ALICE) == credit - (12 * MICRO if passed else 0)
    assert market.held("income:demo:inference") == (12 * MICRO if passed else 0)
    assert bool(market.track("s1").unpaid) is passed
    assert market.held("escrow:jobs") == market.held(BONDS) == 0
    assert busy(market) == {}


# Canaries


def test_canary_is_judged_by_what_the_operator_knew(market):
    market.do(canary(passed=False))
    panel = market.draws("c1")
    market.says([True, True, False], "c1")
    market.refuses(WrongStage, ConcludeAudit("c1", 0))
    moved = market.do(RevealCanary("c1", passed=False, salt=SALT))

    assert sorted(moved) == sorted(
        [
            (STAKES, FLOAT, VERDICT),
            (STAKES, FLOAT, VERDICT),
        ]
    )
    assert [market.track(name).outcomes for name in panel] == ["0", "0", "1"]
    assert [bool(market.track(name).unpaid) for name in panel] == [0, 0, 1]
    assert market.record(Job, "c1").stage is JobStage.SETTLED
    assert busy(market) == {}
    market.refuses(WrongStage, RevealCanary("c1", passed=False, salt=SALT))


def test_canary_of_good_work_costs_who_rejects_it(market):
    market.do(canary(passed=True))
    panel = market.draws("c1")
    market.says([True, False, None], "c1")
    market.do(RevealCanary("c1", passed=True, salt=SALT))

    assert [market.track(name).outcomes for name in panel] == ["1", "0", "0"]
    assert [tokens_of(market, name) for name in panel] == [
        30 * MICRO,
        30 * MICRO - VERDICT,
        30 * MICRO - VERDICT,
    ]
    assert market.held(BONDS) == 0


def test_canary_is_revealed_as_it_was_posted_and_not_before_all_have_spoken(market):
    market.do(canary(passed=False))
    early = RevealCanary("c1", passed=False, salt=SALT)
    market.refuses(UnknownRecord, early)
    market.draws("c1")
    market.refuses(TooEarly, early)
    market.says([True] * 3, "c1")
    market.refuses(Malformed, RevealCanary("c1", passed=True, salt=SALT))
    market.refuses(Malformed, RevealCanary("c1", passed=False, salt="00" * 32))
    unclear: Any = 0
    market.refuses(Malformed, replace(early, passed=unclear))
    market.refuses(NotAllowed, early, GPU_1)
    market.do(early)


def test_canarys_digest_is_of_no_use_for_another(market):
    digest = canary_digest("c2", SALT, passed=True)
    market.do(replace(canary(), digest=digest))
    market.draws("c1")
    market.says([True] * 3, "c1")
    market.refuses(Malformed, RevealCanary("c1", passed=True, salt=SALT))


def test_ordinary_work_is_not_ended_as_a_canary(market):
    drawn(market)
    market.says([True] * 3)
    market.refuses(WrongStage, RevealCanary("j1", passed=True, salt=SALT))


def test_canary_shares_its_names_with_jobs(market):
    market.orders("c1")
    market.refuses(AlreadyExists, canary())


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"id": "C 1"}, Malformed),
        ({"root": "ab"}, Malformed),
        ({"digest": ""}, Malformed),
        ({"units": 0}, ZeroAmount),
        ({"units": 1.0}, Malformed),
    ],
)
def test_canary_with_one_bad_field_is_refused(market, changes, refusal):
    market.refuses(refusal, replace(canary(), **changes))


def test_canary_is_the_operators_and_nobody_takes_it_back(market):
    market.refuses(NotAllowed, canary(), GPU_1)
    market.do(canary())
    for command in (
        CancelJob("c1", ""),
        MatchTask("c1", 0, "t1"),
        AcceptTask("c1", 0, GPU_1),
    ):
        market.refuses(WrongStage, command)


@pytest.mark.parametrize("said", [[True, False, None], [True, True, True], [None] * 3])
def test_canary_whose_file_is_lost_ends_without_a_judgement(market, said):
    market.do(canary())
    panel = market.draws("c1")
    market.refuses(TooEarly, ExpireTask("c1", 0))
    reveal_by = market.record(Audit, "c1:0").reveal_by
    market.says(said, "c1")
    market.refuses(NotAllowed, ExpireTask("c1", 0), GPU_1)
    market.at(max(reveal_by, market.state.now()))
    before = {path: market.held(path) for path in (STAKES, FLOAT)}

    assert market.do(ExpireTask("c1", 0)) == []
    assert {path: market.held(path) for path in before} == before
    assert market.record(Job, "c1").stage is JobStage.REFUNDED
    assert market.record(Job, "c1").due is None
    assert market.record(Audit, "c1:0").due is None
    assert busy(market) == {}
    assert [market.track(name).outcomes for name in panel] == [""] * 3
    assert [market.track(name).unpaid for name in panel] == [()] * 3
    market.refuses(WrongStage, RevealCanary("c1", passed=False, salt=SALT))
    market.refuses(WrongStage, ExpireTask("c1", 0))


def test_canary_that_nobody_was_drawn_for_ends_when_orders_would(market):
    market.do(canary())
    over = NOW + 30 * 24 * 3600 * MICRO
    assert market.record(Job, "c1").due == over
    market.at(over - 1)
    market.refuses(TooEarly, ExpireTask("c1", 0))
    market.at(over)
    market.do(ExpireTask("c1", 0))

    assert market.record(Job, "c1").stage is JobStage.REFUNDED
    assert busy(market) == {}


def test_validator_of_a_canary_that_was_ended_may_leave(market):
    market.do(canary())
    first, *_ = market.draws("c1")
    owner = market.record(Resource, first).owner
    market.at(market.record(Audit, "c1:0").reveal_by)
    market.refuses(ResourceBusy, RetireResource(first, owner))
    market.do(ExpireTask("c1", 0))
    market.do(RetireResource(first, owner))


def test_audit_of_a_canary_looks_like_any_other(market):
    delivered(market)
    market.do(canary())
    market.draws("j1")
    market.do(DrawValidators("c1", 0))
    real, false = audit_of(market), audit_of(market, "c1")

    different = {
        each.name
        for each in fields(Audit)
        if getattr(real, each.name) != getattr(false, each.name)
    }
    assert different <= {"id", "seed", "units", "verdicts"}
    assert len(real.units) == len(false.units)
    assert len(real.verdicts) == len(false.verdicts)


# Validators that are of no use


def test_validator_that_is_silent_three_times_is_no_longer_drawn(market):
    govern(market, panel_max=3)
    silent = drawn(market)[0]
    track = replace(market.track(silent), outcomes="00")
    market.state = market.state.after(Diff(records=(track,)))
    bench = market.record(Roll, BENCH).count
    panel = [each.resource for each in market.panel()]
    says = [None if name == silent else True for name in panel]
    market.concludes(says)

    gone = market.record(Resource, silent)
    assert (gone.stage, gone.place) == (Stage.CERTIFIED, 0)
    assert market.record(Roll, BENCH).count == bench - 1
    market.do(StakeCertificate(silent, gone.owner))
    assert market.record(Roll, BENCH).count == bench


def test_validator_that_is_silent_twice_is_drawn_again(market):
    govern(market, panel_max=3)
    silent = drawn(market)[0]
    track = replace(market.track(silent), outcomes="10")
    market.state = market.state.after(Diff(records=(track,)))
    panel = [each.resource for each in market.panel()]
    says = [None if name == silent else True for name in panel]
    market.concludes(says)

    assert market.record(Resource, silent).stage is Stage.STAKED


# Where lost bonds go


def lost(market, destination):
    """Let a job and one of its verdicts be found wrong: what moved."""
    slash_to(market, destination)
    govern(market, panel_max=3)
    drawn(market)
    return market.concludes([False, False, True])


@pytest.mark.parametrize(
    ("destination", "to"),
    [
        (SlashDestination.RESERVE, FLOAT),
        (SlashDestination.BURN, "burned"),
        (SlashDestination.VALIDATORS, "validators:token"),
        (SlashDestination.CONSUMER, FLOAT),
    ],
)
def test_lost_bonds_go_where_governance_wants_them(market, destination, to):
    moved = lost(market, destination)
    slashed = [each for each in moved if each[1] == to]

    assert sorted(slashed) == [(BONDS, to, BOND), (STAKES, to, VERDICT)]
    assert market.held(BONDS) == 0


def test_consumer_gets_the_worth_of_the_suppliers_bond_in_credits(market):
    credit, dollars = market.held(ALICE), market.held(OPERATIONS)
    moved = lost(market, SlashDestination.CONSUMER)

    # A token is worth a dollar; nothing is paid for the validator's bond.
    assert moved.count((OPERATIONS, ALICE, BOND)) == 1
    assert market.held(OPERATIONS) == dollars - BOND
    assert market.held(ALICE) == credit - PRICE + BOND


def test_worth_of_a_bond_is_that_of_the_last_close(market):
    slash_to(market, SlashDestination.CONSUMER)
    govern(market, panel_max=3)
    drawn(market)
    epoch = replace(market.state.epoch(), price=WAD // 3)
    market.state = replace(market.state, epoch_=epoch)
    moved = market.concludes([False] * 3)

    assert (OPERATIONS, ALICE, BOND // 3) in moved


def drained(market, left):
    """Leave the network so many operations dollars."""
    spent = market.held(OPERATIONS) - left
    market.do(GrantCredit("consumer:bob", spent, "generous"))


@pytest.mark.parametrize("left", [0, 1, 2 * MICRO])
def test_consumer_gets_as_much_as_the_operations_dollars_allow(market, left):
    drained(market, left)
    before = market.held(ALICE)
    lost(market, SlashDestination.CONSUMER)

    assert market.held(OPERATIONS) == 0
    assert market.held(ALICE) == before - PRICE + left


def test_what_a_working_found_is_what_moves(market):
    drained(market, 2 * MICRO)
    slash_to(market, SlashDestination.CONSUMER)
    govern(market, panel_max=3)
    drawn(market)
    market.says([False] * 3)
    command = ConcludeAudit("j1", 0)
    diff = execute(market.state, market.params, OPERATOR, command)

    for each in diff.transfers:
        if each.working >= 0:
            formula, arguments = diff.workings[each.working]
            assert recomputed(formula, arguments)[each.part] == each.amount, formula


def test_consumer_whose_account_is_full_holds_up_no_audit(market):
    slash_to(market, SlashDestination.CONSUMER)
    market.do(OpenAccounts("consumer:small", PRICE))
    for reference in ("ch_1a", "ch_1b"):
        market.do(Deposit("consumer:small:credit", "usd", PRICE, reference))
        if reference == "ch_1a":
            market.orders(consumer="consumer:small")
    market.delivers()
    market.validates(passed=False)

    assert market.held("consumer:small:credit") == PRICE
    assert market.task().stage is TaskStage.CREATED


def test_supplier_that_loses_its_certificate_is_judged_all_the_same(market):
    drawn(market)
    market.do(RevokeCertificate("t1", "wrong device"))
    market.concludes([False] * 3)

    assert market.record(Resource, "t1").stage is Stage.REVOKED
    assert market.held(f"{GPU_1}:token") == 30 * MICRO - BOND


@pytest.mark.parametrize("amount", [1, PRICE // 2, PRICE])
def test_income_stays_what_was_earned_when_a_job_is_refunded_later(market, amount):
    drawn(market)
    market.concludes([True] * 3)
    with suppress(NotRefundable):
        market.do(RefundCharge(market.receipt, amount, "complaint"))

    earned = sum(
        each.units
        for each in market.state.records(Earning).values()
        if each.id.startswith("0:demo:training:")
    )
    assert market.held("income:demo:training") == earned


def test_what_a_stake_does_not_cover_is_owed(market):
    bench_of(market, 3)
    market.orders("j1")
    market.delivers(job="j1")
    market.validates("j1")
    poor = {**market.state.records_}
    poor[Resource, "v0"] = replace(market.record(Resource, "v0"), stake=MICRO)
    market.state = replace(market.state, records_=poor)
    market.do(canary(passed=False))
    panel = market.draws("c1")
    market.says([each == "v0" for each in panel], "c1")
    market.do(RevealCanary("c1", passed=False, salt=SALT))

    # Of a bond of five tokens one was at stake.
    v0 = market.record(Resource, "v0")
    assert (v0.stake, v0.owed) == (0, VERDICT - MICRO)
    assert v0.stage is Stage.CERTIFIED
    before = tokens_of(market, "v0")
    market.do(CloseDay(0, 100 * MICRO))
    market.do(PayEarnings("0:-:validator"))
    assert market.record(Resource, "v0").owed == VERDICT - MICRO - REWARD
    assert tokens_of(market, "v0") == before


def test_work_for_which_too_little_is_at_stake_is_refused(market):
    # Half of $200 is a whole stake, at a dollar a token; Alice has only half of that.
    market.refuses(PriceTooHigh, order(quantity=100 * MICRO + 1))
    market.refuses(InsufficientBalance, order(quantity=100 * MICRO))
