"""Rows count once, for the one who declared them first, and as they were committed."""

from typing import Any

import pytest
from tests.protocol.conftest import IN_ORDER
from tests.protocol.training import (
    CREATOR,
    GIVERS,
    PROOF,
    SALT,
    SCHEMA,
    Royal,
    digest,
    royal,
)

from coopera.errors import (
    AlreadyExists,
    DigestSeen,
    InsufficientBalance,
    Malformed,
    NotAllowed,
    NotAsCommitted,
    NotEligible,
    UnknownAccount,
    UnknownRecord,
    WrongStage,
)
from coopera.params.chapters import DataShare
from coopera.protocol.data import (
    AuditData,
    CommitHistogram,
    DataSet,
    DeclareRows,
    OfferData,
    RegisterData,
    ReturnDataStake,
    StakeData,
    histogram_digest,
)
from coopera.protocol.money import Deposit
from coopera.protocol.training import FinishTraining
from coopera.units import MICRO, WAD

DAN, ELI, FAY = GIVERS
READY = royal(IN_ORDER)


@pytest.fixture
def world():
    return Royal(READY.params, READY.state)


def registering(name="d1", giver=DAN, **changes):
    given = {
        "training": "digits",
        "contributor": giver,
        "digest": digest(name),
        "schema": SCHEMA,
        "upload": f"0x{digest(name)}",
        "proof": PROOF,
    }
    return RegisterData(name, **{**given, **changes})


def data(world, name="d1"):
    return world.state.record(DataSet, name)


def rows(*names):
    return tuple(digest("row", name) for name in names)


@pytest.mark.parametrize(
    ("refusal", "changes"),
    [
        (UnknownRecord, {"training": "none"}),
        (Malformed, {"digest": "short"}),
        (Malformed, {"upload": digest("no prefix")}),
        (Malformed, {"contributor": "supplier:gpu-1"}),
        (UnknownAccount, {"contributor": "contributor:new"}),
        (NotEligible, {"schema": digest("another")}),
    ],
)
def test_data_is_registered_as_the_training_wants_it(world, refusal, changes):
    world.refuses(refusal, registering(**changes))


def test_an_upload_is_registered_once(world):
    world.do(registering(), DAN)
    world.refuses(AlreadyExists, registering())
    refused = world.refuses(DigestSeen, registering("d2", ELI, digest=digest("d1")))

    assert "registered as d1" in str(refused)
    assert world.training().data == 1


def test_a_row_counts_for_the_first_who_declares_it(world):
    world.do(registering(), DAN)
    world.do(registering("d2", ELI), ELI)
    world.do(DeclareRows("d1", DAN, rows("a", "b", "a")), DAN)
    world.do(DeclareRows("d2", ELI, rows("b", "c")), ELI)
    world.do(DeclareRows("d1", DAN, rows("c", "d")), DAN)

    assert (data(world).rows, data(world).copies) == (3, 2)
    assert (data(world, "d2").rows, data(world, "d2").copies) == (2 - 1, 1)


def test_rows_of_data_found_invalid_are_anybodys(world):
    world.register("d1", (1, 1, 0, 0))
    taken = tuple(digest("d1", n) for n in range(2))
    world.do(registering("d2", ELI), ELI)
    world.do(DeclareRows("d2", ELI, taken[:1]), ELI)
    assert data(world, "d2").rows == 0
    world.do(AuditData("d1", 2, 0))
    world.do(DeclareRows("d2", ELI, taken), ELI)
    assert data(world, "d2").rows == 2
    world.do(registering("d3", FAY), FAY)
    world.do(DeclareRows("d3", FAY, taken), FAY)

    assert data(world, "d3").rows == 0


def test_an_upload_and_a_row_of_another_training_are_new(world):
    world.begin("letters")
    world.do(registering(), DAN)
    world.do(registering("d2", training="letters", digest=digest("d1")), DAN)
    for name in "d1", "d2":
        world.do(DeclareRows(name, DAN, rows("a")), DAN)

    assert data(world, "d2").rows == 1


def test_a_copy_of_all_rows_has_nothing_to_offer(world):
    world.do(registering(), DAN)
    world.do(registering("d2", ELI), ELI)
    for name, giver in ("d1", DAN), ("d2", ELI):
        world.do(DeclareRows(name, giver, rows("a", "b")), giver)
    refused = world.refuses(WrongStage, CommitHistogram("d2", ELI, digest("any")))

    assert "no rows that count" in str(refused)


def test_who_does_not_own_data_cannot_touch_it(world):
    world.do(registering(), DAN)
    for command in (
        DeclareRows("d1", ELI, rows("a")),
        CommitHistogram("d1", ELI, digest("any")),
        OfferData("d1", ELI, 1, (1, 0, 0, 0), SALT),
    ):
        world.refuses(NotAllowed, command, ELI)
    world.refuses(NotAllowed, DeclareRows("d1", DAN, rows("a")), ELI)
    world.refuses(NotAllowed, AuditData("d1", 1, 1), DAN)


def test_rows_are_digests_and_not_too_many(world):
    world.do(registering(), DAN)
    world.refuses(Malformed, DeclareRows("d1", DAN, ()))
    world.refuses(Malformed, DeclareRows("d1", DAN, ("a row",)))
    world.refuses(Malformed, DeclareRows("d1", DAN, rows(*range(1001))))


def test_committed_data_has_no_more_rows(world):
    world.register("d1", (1, 2, 3, 4))
    world.refuses(WrongStage, DeclareRows("d1", DAN, rows("late")))
    world.refuses(WrongStage, CommitHistogram("d1", DAN, digest("another")))


def test_what_is_offered_is_what_was_committed_to(world):
    world.start()
    world.register("d1", (1, 2, 3, 4))
    world.do(AuditData("d1", 10, 10))
    for counts, salt in (
        ((2, 1, 3, 4), SALT),
        ((1, 2, 3, 4), "00" * 32),
    ):
        world.refuses(NotAsCommitted, OfferData("d1", DAN, 1, counts, salt))
    wrong: Any
    for wrong in (1, 2, 3), (1, 2, 3, 4, 0), (0, 0, 0, 0), (1.0, 2, 3, 4):
        world.refuses(Malformed, OfferData("d1", DAN, 1, wrong, SALT))
    world.do(OfferData("d1", DAN, 1, (1, 2, 3, 4), SALT), DAN)
    world.refuses(WrongStage, OfferData("d1", DAN, 1, (1, 2, 3, 4), SALT))


def test_a_histogram_has_as_many_rows_as_were_declared(world):
    world.start()
    world.register("d1", (10, 20, 30, 40), rows=range(5))
    world.do(AuditData("d1", 5, 5))
    counts = (10, 20, 30, 40)
    refused = world.refuses(NotAsCommitted, OfferData("d1", DAN, 1, counts, SALT))

    assert "has 5 that count" in str(refused)


def test_data_is_offered_to_a_round_that_takes_some(world):
    world.register("d1", (1, 2, 3, 4))
    world.do(AuditData("d1", 10, 10))
    offer = OfferData("d1", DAN, 1, (1, 2, 3, 4), SALT)
    world.refuses(UnknownRecord, offer)
    world.start()
    world.work()
    world.aggregate()
    world.refuses(WrongStage, offer)


@pytest.mark.parametrize(("checked", "valid"), [(0, 0), (10, 8)])
def test_data_that_is_not_found_valid_is_not_taken(world, checked, valid):
    world.start()
    world.register("d1", (1, 2, 3, 4))
    if checked:
        world.do(AuditData("d1", checked, valid))
    world.refuses(NotEligible, OfferData("d1", DAN, 1, (1, 2, 3, 4), SALT))


def test_an_audit_is_of_rows_that_there_are(world):
    world.do(registering(), DAN)
    world.refuses(WrongStage, AuditData("d1", 1, 1))
    world.register("d2", (1, 2, 3, 4))
    world.refuses(Malformed, AuditData("d2", 11, 11))
    world.refuses(Malformed, AuditData("d2", 9, 9))
    world.refuses(Malformed, AuditData("d2", 10, 11))


def test_a_stake_answers_for_rows_from_the_commitment_on(world):
    world.set(rows_per_token=5 * WAD)
    world.do(Deposit(f"{DAN}:token", "token", 10 * MICRO, "0xd"))
    world.start()
    with pytest.raises(NotEligible):
        world.register("d1", (1, 2, 3, 4))
    commit = CommitHistogram("d1", DAN, histogram_digest("d1", SALT, (1, 2, 3, 4)))
    world.do(StakeData("digits", DAN, 1_999999), DAN)
    assert "answers for 9" in str(world.refuses(NotEligible, commit))
    world.do(StakeData("digits", DAN, 1), DAN)
    world.do(commit, DAN)
    # Who could take the stake back now would have nothing to lose by an audit.
    refused = world.refuses(WrongStage, ReturnDataStake("digits", DAN))
    assert "10 rows that are not looked at" in str(refused)
    with pytest.raises(NotEligible):
        world.register("d2", (1, 0, 0, 0))
    world.do(AuditData("d1", 10, 10))
    world.do(ReturnDataStake("digits", DAN), DAN)
    offer = OfferData("d1", DAN, 1, (1, 2, 3, 4), SALT)
    world.refuses(NotEligible, offer)
    world.do(StakeData("digits", DAN, 2_000000), DAN)
    world.do(offer, DAN)
    world.refuses(WrongStage, ReturnDataStake("digits", DAN))
    world.register("d3", (1, 0, 0, 0))
    world.do(AuditData("d3", 1, 1))
    world.refuses(NotEligible, OfferData("d3", DAN, 1, (1, 0, 0, 0), SALT))
    world.work()
    world.aggregate()
    world.share()
    world.do(ReturnDataStake("digits", DAN), DAN)

    assert world.held(f"{DAN}:token") == 10 * MICRO
    world.refuses(WrongStage, ReturnDataStake("digits", DAN))
    world.refuses(InsufficientBalance, StakeData("digits", DAN, 11 * MICRO))


def test_false_rows_cost_the_stake(world):
    world.do(Deposit(f"{DAN}:token", "token", 10 * MICRO, "0xd"))
    world.do(StakeData("digits", DAN, 4 * MICRO), DAN)
    world.register("d1", (1, 2, 3, 4))
    free = world.held("reserve:token:float")
    world.do(AuditData("d1", 10, 8))

    assert world.held("locked:data:digits") == 0
    assert world.held("reserve:token:float") == free + 4 * MICRO
    world.refuses(WrongStage, ReturnDataStake("digits", DAN))


def test_data_found_invalid_stays_so_and_costs_one_stake(world):
    world.do(Deposit(f"{DAN}:token", "token", 10 * MICRO, "0xd"))
    world.do(StakeData("digits", DAN, 4 * MICRO), DAN)
    world.register("d1", (1, 2, 3, 4))
    world.do(AuditData("d1", 10, 9))
    world.do(AuditData("d1", 10, 8))
    world.do(StakeData("digits", DAN, 4 * MICRO), DAN)
    for valid in 7, 10:
        world.refuses(WrongStage, AuditData("d1", 10, valid))
    assert world.held("locked:data:digits") == 4 * MICRO
    world.start()
    world.refuses(NotEligible, OfferData("d1", DAN, 1, (1, 2, 3, 4), SALT))


def test_a_finished_training_takes_no_data(world):
    world.do(FinishTraining("digits", CREATOR), CREATOR)
    world.refuses(WrongStage, registering())
    world.refuses(WrongStage, StakeData("digits", FAY, MICRO))


def test_a_commitment_hides_and_binds():
    counts = (1, 2, 3, 4)
    same = histogram_digest("d1", SALT, counts)
    assert same == histogram_digest("d1", SALT, counts)
    assert same != histogram_digest("d1", "00" * 32, counts)
    assert same != histogram_digest("d2", SALT, counts)
    assert same != histogram_digest("d1", SALT, (1, 2, 34))


def test_no_more_data_is_taken_than_is_measured(world, monkeypatch):
    monkeypatch.setattr("coopera.protocol.data.OFFERS_MEASURED_MAX", 1)
    world.set(data_share=DataShare.SHAPLEY)
    world.start()
    world.give("d1", (1, 2, 3, 4))
    with pytest.raises(WrongStage, match="measured one by one"):
        world.give("d2", (1, 2, 3, 4))
