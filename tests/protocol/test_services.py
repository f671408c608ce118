"""A charge leaves the consumer as one sum, and reaches everybody to the last unit."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import (
    AccountClosed,
    AmountTooLarge,
    InsufficientBalance,
    Malformed,
    NegativeAmount,
    PartsExceedWhole,
    UnknownAccount,
    UnknownKind,
    UnknownRecord,
    UnknownService,
    ZeroAmount,
)
from coopera.params.chapters import BuybackBase
from coopera.protocol.holds import OpenHold
from coopera.protocol.listing import ListAgent, ListData, ListGpu, ListModel, Retire
from coopera.protocol.money import Deposit, GrantCredit, OpenAccounts
from coopera.protocol.rehearsal import CloseEpoch, Sale
from coopera.protocol.services import (
    PARTIES_MAX,
    CallAgent,
    CallModel,
    PayJob,
    Train,
)
from coopera.units import MICRO, WAD, MicroUsd, Wad

ALICE = "consumer:alice:credit"
GRANT = "consumer:alice:grant"
BOB = "consumer:bob:credit"
GPU_1 = "supplier:gpu-1:usd"
GPU_2 = "supplier:gpu-2:usd"
TAXES = "settlement:taxes"
OPERATIONS = "reserve:usd:operations"
CAPITAL = "reserve:usd:buyback"
WAITING = "settlement:buyback"
FLOAT = "reserve:token:float"

SERVED = (("supplier:gpu-1", 1), ("supplier:gpu-2", 2))
CALL_AGENT = CallAgent(
    "consumer:alice",
    "writer",
    1200,
    800,
    SERVED,
    (("creator:tool-1", 2), ("creator:tool-2", 1)),
)
CALL_MODEL = CallModel("consumer:alice", "own", 2600, 0, SERVED)


def received(moves, payer=ALICE) -> Counter[str]:
    """Sum what each was paid by a payer."""
    totals: Counter[str] = Counter()
    for debit, credit, amount in moves:
        assert debit == payer
        totals[credit] += amount
    return totals


def with_fees(world, **fees) -> None:
    """Set fees as governance might."""
    world.params = replace(world.params, fees=replace(world.params.fees, **fees))


# Calls of agents


def test_fee_of_an_agent_s_call_reaches_all_who_made_it_possible(world):
    # $3 and $15 a million: 3,600 + 12,000 micro-dollars.
    assert world.do(CALL_AGENT) == [
        (ALICE, TAXES, 780),  # 5 %
        (ALICE, "creator:dev:usd", 1092),  # 10 %, less what tools get
        (ALICE, "creator:tool-1:usd", 312),  # two thirds of 30 % of the 10 %
        (ALICE, "creator:tool-2:usd", 156),
        (ALICE, TAXES, 780),  # 10 % of the 50 % for serving
        (ALICE, "creator:ann:usd", 1560),  # 20 % of it, to the model's owner
        (ALICE, GPU_1, 1820),  # the rest of it, one to two
        (ALICE, GPU_2, 3640),
        (ALICE, "creator:eve:usd", 5460),  # 35 %
    ]
    assert world.held(ALICE) == 100 * MICRO - 15600


def test_agent_without_tools_leaves_their_part_to_the_template(world):
    paid = received(world.do(replace(CALL_AGENT, tools=())))

    assert paid["creator:dev:usd"] == 1560
    assert paid["creator:eve:usd"] == 5460
    assert paid.total() == 15600


def test_agent_without_a_template_leaves_its_part_to_the_creator(world):
    paid = received(world.do(replace(CALL_AGENT, agent="plain", tools=())))

    assert paid == {TAXES: 1560, GPU_1: 2340, GPU_2: 4680, "creator:eve:usd": 7020}


def test_tools_are_paid_out_of_the_template_s_part_alone(world):
    paid = received(world.do(replace(CALL_AGENT, agent="plain")))

    assert "creator:tool-1:usd" not in paid
    assert paid["creator:eve:usd"] == 7020


def test_serving_within_a_call_is_split_as_a_call_of_the_model(world):
    within = world.do(CALL_AGENT)
    # 2,600 prompt tokens at $3 a million cost half of what the agent charged.
    alone = world.do(CALL_MODEL)

    assert sum(amount for _, _, amount in alone) == 7800
    assert within[4:8] == alone


def test_who_is_paid_for_several_reasons_is_paid_for_each(world):
    world.do(ListAgent("solo", "creator:ann", "own", 3_000000, 15_000000))
    command = replace(CALL_AGENT, agent="solo", tools=(("creator:ann", 1),))

    assert received(world.do(command))["creator:ann:usd"] == 1560 + 7020


def test_fee_of_one_unit_is_the_tax(world):
    world.do(ListAgent("cheap", "creator:eve", "own", 1, 1))
    command = replace(CALL_AGENT, agent="cheap", input_tokens=1, output_tokens=0)

    assert world.do(command) == [(ALICE, TAXES, 1)]


@given(
    st.integers(0, 10**6),
    st.integers(1, 10**6),
    st.lists(st.integers(0, 5), min_size=2, max_size=2).filter(any),
    st.lists(st.integers(0, 5), max_size=2).filter(lambda n: not n or any(n)),
    st.sampled_from(["writer", "plain"]),
)
def test_parts_of_any_call_sum_to_its_fee(
    in_order_again, read, wrote, work, calls, agent
):
    command = CallAgent(
        "consumer:alice",
        agent,
        read,
        wrote,
        tuple(zip(("supplier:gpu-1", "supplier:gpu-2"), work, strict=True)),
        tuple(zip(("creator:tool-1", "creator:tool-2"), calls, strict=False)),
    )
    moves = in_order_again().do(command)

    assert received(moves).total() == read * 3 + wrote * 15
    assert min(amount for _, _, amount in moves) > 0


def test_fractions_of_the_fee_float(world):
    with_fees(
        world,
        api_launchpad_tax=Wad(WAD // 4),
        api_template_fraction=Wad(WAD // 4),
        api_serving_fraction=Wad(WAD // 2),
        api_tools_fraction=WAD,
        serving_platform_tax=Wad(0),
    )
    paid = received(world.do(CALL_AGENT))

    # The model keeps the fraction that it was listed with.
    assert paid == {
        TAXES: 3900,
        "creator:tool-1:usd": 2600,
        "creator:tool-2:usd": 1300,
        "creator:ann:usd": 1560,
        GPU_1: 2080,
        GPU_2: 4160,
    }


def test_network_that_takes_all_pays_nobody(world):
    with_fees(
        world,
        api_launchpad_tax=WAD,
        api_template_fraction=Wad(0),
        api_serving_fraction=Wad(0),
    )
    assert world.do(CALL_AGENT) == [(ALICE, TAXES, 15600)]


# Calls of models


def test_open_model_takes_no_part(world):
    paid = received(world.do(replace(CALL_MODEL, model="open")))

    assert paid == {TAXES: 780, GPU_1: 2340, GPU_2: 4680}


def test_owned_model_takes_the_part_that_it_was_listed_with(world):
    world.do(ListModel("half", "creator:ann", 3_000000, 0, fraction=WAD // 2))
    paid = received(world.do(replace(CALL_MODEL, model="half")))

    assert paid == {TAXES: 780, "creator:ann:usd": 3900, GPU_1: 1040, GPU_2: 2080}


def test_later_default_does_not_change_a_listed_model(world):
    with_fees(world, serving_model_fraction=Wad(0))
    assert received(world.do(CALL_MODEL))["creator:ann:usd"] == 1560

    world.do(ListModel("own", "creator:ann", 3_000000, 0))
    assert "creator:ann:usd" not in received(world.do(CALL_MODEL))


def test_model_whose_part_no_longer_fits_is_refused_until_listed_again(world):
    world.do(ListModel("most", "creator:ann", 3_000000, 0, fraction=9 * WAD // 10))
    command = replace(CALL_MODEL, model="most")
    world.do(command)
    with_fees(world, serving_platform_tax=Wad(WAD // 10 + 1))

    world.refuses(PartsExceedWhole, command)
    world.do(ListModel("most", "creator:ann", 3_000000, 0, fraction=WAD // 2))
    world.do(command)


def test_compute_is_paid_by_the_work_it_did(world):
    work = (("supplier:gpu-1", 0), ("supplier:gpu-2", 3), ("supplier:gpu-1", 1))
    paid = received(world.do(replace(CALL_MODEL, model="open", compute=work)))

    assert (paid[GPU_1], paid[GPU_2]) == (1755, 5265)


def test_remainder_goes_to_the_larger_and_then_to_the_earlier(world):
    world.do(ListModel("cheap", "", 1_000000, 0))
    work = tuple((f"supplier:gpu-{i}", 1) for i in (2, 1))
    command = replace(CALL_MODEL, model="cheap", input_tokens=2, compute=work)

    # One of the two is the tax.
    assert world.do(command) == [(ALICE, TAXES, 1), (ALICE, GPU_2, 1)]


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"model": "nothing"}, UnknownRecord),
        ({"model": ""}, UnknownRecord),
        ({"model": None}, UnknownRecord),
        ({"input_tokens": 0}, ZeroAmount),
        ({"input_tokens": 10**15}, AmountTooLarge),
        ({"compute": ()}, Malformed),
        ({"compute": (("supplier:gpu-1", 0),)}, Malformed),
        ({"compute": (("creator:ann", 1),)}, Malformed),
        ({"compute": (("gpu-1", 1),)}, Malformed),
        ({"compute": (("escrow:credit", 1),)}, Malformed),
        ({"compute": (("supplier:gpu-1", -1), ("supplier:gpu-2", 2))}, NegativeAmount),
        ({"compute": (("supplier:gpu-1", 1),) * (PARTIES_MAX + 1)}, Malformed),
        ({"compute": (("supplier:nobody", 1),)}, UnknownAccount),
        ({"compute": (("supplier:gone", 1),)}, AccountClosed),
        ({"consumer": "consumer:nobody"}, UnknownAccount),
        ({"consumer": "consumer:gone"}, AccountClosed),
        ({"consumer": "consumer:bob"}, InsufficientBalance),
        ({"hold": "nothing"}, UnknownRecord),
    ],
)
def test_call_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(CALL_MODEL, **changes))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"agent": "nothing"}, UnknownRecord),
        ({"agent": "own"}, UnknownRecord),
        ({"input_tokens": 0, "output_tokens": 0}, ZeroAmount),
        ({"tools": (("supplier:gpu-1", 1),)}, Malformed),
        ({"tools": (("creator:tool-1", 0),)}, Malformed),
        ({"tools": (("creator:nobody", 1),)}, UnknownAccount),
        ({"compute": ()}, Malformed),
        ({"consumer": "consumer:bob"}, InsufficientBalance),
    ],
)
def test_call_of_an_agent_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(CALL_AGENT, **changes))


def test_call_is_charged_to_the_last_credit_and_not_beyond(world):
    world.do(Deposit(BOB, "usd", 7799, "x"))
    command = replace(CALL_MODEL, consumer="consumer:bob")

    refusal = world.refuses(InsufficientBalance, command)
    assert refusal.available < refusal.required
    world.do(Deposit(BOB, "usd", 1, "y"))
    world.do(command)
    assert world.held(BOB) == 0


def test_full_account_can_still_be_charged_out_of_a_hold(world):
    small = "consumer:small:credit"
    world.do(OpenAccounts("consumer:small", 100))
    world.do(Deposit(small, "usd", 100, "x"))
    world.do(OpenHold("h", "consumer:small", 60, 2**52))
    world.do(Deposit(small, "usd", 60, "y"))
    world.do(ListModel("cheap", "", 1_000000, 0))

    command = CallModel("consumer:small", "cheap", 50, 0, SERVED, "h")
    world.do(command)
    assert world.held(small) == 110


def test_supplier_at_its_limit_refuses_the_whole_charge(world):
    world.do(OpenAccounts("supplier:small", 100))
    command = replace(CALL_MODEL, compute=(("supplier:small", 1),))

    world.refuses(AmountTooLarge, command)


@pytest.mark.parametrize(
    "retired",
    [Retire("agent", "writer", "creator:eve"), Retire("model", "own", "creator:ann")],
)
def test_call_of_what_was_retired_is_refused(world, retired):
    world.do(OpenHold("h", "consumer:alice", 20_000, 2**52))
    world.do(retired)
    world.refuses(UnknownRecord, CALL_AGENT)
    world.refuses(UnknownRecord, replace(CALL_AGENT, hold="h"))
    if retired.kind == "model":
        world.refuses(UnknownRecord, CALL_MODEL)
    # Others are called as before.
    world.do(replace(CALL_AGENT, agent="plain"))
    world.do(replace(CALL_MODEL, model="open"))


def test_later_price_is_charged(world):
    world.do(ListModel("own", "creator:ann", 6_000000, 0))
    assert received(world.do(CALL_MODEL)).total() == 15600


# Training


TRAIN = Train(
    "consumer:alice",
    (("supplier:gpu-1", "a100", 1800), ("supplier:gpu-2", "h100", 900)),
    (("contributor:dan", "text", 100),),
)
"""$1.25 and $1 of compute, $6 of data."""


def test_training_is_paid_in_proportion_to_what_each_supplied(world):
    assert world.do(TRAIN) == [
        (ALICE, TAXES, 825000),
        (ALICE, GPU_1, 1_125000),
        (ALICE, GPU_2, 900000),
        (ALICE, "contributor:dan:usd", 5_400000),
    ]


def test_ratios_weigh_the_sides_of_a_training(world):
    with_fees(world, training_gpu_ratio=Wad(2 * WAD), training_data_ratio=Wad(WAD // 2))
    # $2.50 and $2 of compute, $3 of data.
    assert received(world.do(TRAIN)) == {
        TAXES: 750000,
        GPU_1: 2_250000,
        GPU_2: 1_800000,
        "contributor:dan:usd": 2_700000,
    }


def test_side_that_counts_for_nothing_is_paid_nothing(world):
    with_fees(world, training_data_ratio=Wad(0))
    assert received(world.do(TRAIN)) == {TAXES: 225000, GPU_1: 1_125000, GPU_2: 900000}


def test_training_may_have_one_side(world):
    assert received(world.do(replace(TRAIN, data=()))).total() == 2_250000
    assert received(world.do(replace(TRAIN, compute=()))).total() == 6_000000


@given(
    st.lists(st.integers(0, 10**5), min_size=2, max_size=2).filter(any),
    st.integers(0, 1000),
)
def test_parts_of_any_training_sum_to_its_fee(in_order_again, seconds, units):
    world = in_order_again()
    command = replace(
        TRAIN,
        compute=tuple(
            (owner, gpu, time)
            for (owner, gpu, _), time in zip(TRAIN.compute, seconds, strict=True)
        ),
        data=(("contributor:dan", "text", units),),
    )
    gpus = Fraction(2_500000 * seconds[0] + 4_000000 * seconds[1], 3600)
    fee = -(-gpus.numerator // gpus.denominator) + 60000 * units
    world.do(Deposit(ALICE, "usd", 10**12, "more"))
    paid = received(world.do(command))
    rest = fee - paid[TAXES]

    assert paid.total() == fee
    assert paid[TAXES] == -(-fee // 10)
    exact = Fraction(rest * 60000 * units) / (gpus + 60000 * units)
    assert abs(paid["contributor:dan:usd"] - exact) < 1


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"compute": (), "data": ()}, ZeroAmount),
        ({"compute": (("supplier:gpu-1", "a100", 0),), "data": ()}, ZeroAmount),
        ({"compute": (("supplier:gpu-1", "tpu", 1),)}, UnknownRecord),
        ({"data": (("contributor:dan", "video", 1),)}, UnknownRecord),
        ({"data": (("contributor:dan", "a100", 1),)}, UnknownRecord),
        ({"compute": (("contributor:dan", "a100", 1),)}, Malformed),
        ({"data": (("supplier:gpu-1", "text", 1),)}, Malformed),
        ({"data": (("contributor:nobody", "text", 1),)}, UnknownAccount),
        ({"data": (("contributor:dan", "text", 10**15),)}, AmountTooLarge),
        ({"data": (("contributor:dan", "text", 10**6),)}, InsufficientBalance),
        ({"data": (("contributor:dan", "text", 1),) * (PARTIES_MAX + 1)}, Malformed),
        ({"hold": "nothing"}, UnknownRecord),
    ],
)
def test_training_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(TRAIN, **changes))


# Jobs


JOB = PayJob(
    "consumer:alice",
    "serving",
    10 * MICRO,
    (
        ("training", "supplier:gpu-1", 1),
        ("inference", "supplier:gpu-2", 3),
        ("inference", "contributor:dan", 1),
    ),
)


def test_job_runs_the_network_and_buys_back_before_it_pays(world):
    assert world.do(JOB) == [
        (ALICE, OPERATIONS, 3 * MICRO),  # 30 %
        (ALICE, WAITING, 3_500000),  # half of what is left
        (ALICE, GPU_1, 1_400000),  # 40 % of the other half
        (ALICE, GPU_2, 1_575000),  # three quarters of 60 % of it
        (ALICE, "contributor:dan:usd", 525000),
    ]


def test_job_of_gross_income_withholds_nothing(world):
    payments = replace(world.params.payments, buyback_base=BuybackBase.GROSS)
    world.params = replace(world.params, payments=payments)
    paid = received(world.do(JOB))

    assert OPERATIONS not in paid
    assert paid[WAITING] == 5 * MICRO
    assert paid[GPU_1] == 2 * MICRO


@pytest.mark.parametrize(("rate", "capital"), [(0, 0), (WAD, 7 * MICRO)])
def test_job_pays_in_dollars_or_in_tokens_alone(world, rate, capital):
    buyback = replace(world.params.buyback, buyback_rate=Wad(rate))
    world.params = replace(world.params, buyback=buyback)
    paid = received(world.do(JOB))

    assert paid[WAITING] == capital
    assert paid.total() == 10 * MICRO
    assert paid[GPU_1] == (0 if rate else 2_800000)


def test_every_row_of_the_payment_matrix_is_paid_as_it_says(world, paper):
    world.params = replace(world.params, matrix=paper.matrix)
    assert len(paper.matrix.rows) > 5
    for pipeline, row in paper.matrix.rows.items():
        kinds = [k for k, part in zip(paper.matrix.kinds, row, strict=True) if part]
        for kind in kinds:
            owner = f"supplier:{pipeline}-{kind}".replace("_", "-")
            world.do(OpenAccounts(owner))
        work = tuple(
            (kind, f"supplier:{pipeline}-{kind}".replace("_", "-"), 7) for kind in kinds
        )
        world.do(Deposit(ALICE, "usd", 100 * MICRO, pipeline))
        paid = received(world.do(PayJob("consumer:alice", pipeline, 100 * MICRO, work)))

        expected = {OPERATIONS: 30 * MICRO, WAITING: 35 * MICRO}
        for kind, owner, _ in work:
            part = row[paper.matrix.kinds.index(kind)]
            expected[f"{owner}:usd"] = int(Fraction(35 * MICRO * part, WAD))
        assert paid == expected
        assert paid.total() == 100 * MICRO


@pytest.mark.parametrize("price", [1, 2, 3, 7, 99, 10**6 + 1, 99_999_999])
def test_job_of_any_price_is_paid_out_to_the_last_unit(world, price):
    moves = world.do(replace(JOB, price=price))

    paid = received(moves)
    assert paid.total() == price
    assert paid[OPERATIONS] == -(-3 * price // 10)
    assert paid[WAITING] == (price - paid[OPERATIONS]) // 2


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"pipeline": "nothing"}, UnknownService),
        ({"pipeline": None}, UnknownService),
        ({"price": 0}, ZeroAmount),
        ({"work": ()}, UnknownKind),
        ({"work": JOB.work[:1]}, UnknownKind),
        ({"work": JOB.work[1:]}, UnknownKind),
        ({"work": (("training", "supplier:gpu-1", 0), *JOB.work[1:])}, UnknownKind),
        ({"work": (*JOB.work, ("storage", "supplier:gpu-1", 1))}, UnknownKind),
        ({"pipeline": "training"}, UnknownKind),
        ({"work": (*JOB.work, ("training", "creator:ann", 1))}, Malformed),
        ({"work": (*JOB.work, ("training", "supplier:nobody", 1))}, UnknownAccount),
        ({"work": JOB.work * PARTIES_MAX}, Malformed),
        ({"consumer": "consumer:bob"}, InsufficientBalance),
        ({"hold": "nothing"}, UnknownRecord),
    ],
)
def test_job_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(JOB, **changes))


@pytest.mark.parametrize(
    "consumer",
    [
        "",
        "alice",
        "escrow",
        "escrow:credit",
        "reserve:usd",
        "market:usd",
        "settlement",
        "consumers:developers",
        "supplier:gpu-1",
        "consumer:Alice",
        None,
        5,
        True,
        b"consumer:alice",
    ],
)
@pytest.mark.parametrize("command", [CALL_AGENT, CALL_MODEL, TRAIN, JOB])
def test_nobody_but_a_consumer_is_charged(world, command, consumer):
    # An escrow that were charged would owe what others have reserved.
    world.do(OpenHold("h", "consumer:alice", 50 * MICRO, 2**52))
    world.refuses(Malformed, replace(command, consumer=consumer))
    world.refuses(Malformed, replace(command, consumer=consumer, hold="h"))


@pytest.mark.parametrize(
    ("command", "fee"),
    [(CALL_AGENT, 15600), (CALL_MODEL, 7800), (TRAIN, 8_250000), (JOB, 10 * MICRO)],
)
def test_every_charge_spends_the_grant_first(world, command, fee):
    without = world.do(command)
    world.do(GrantCredit("consumer:alice", fee - 1, "welcome"))
    left = world.held(ALICE)

    first, *rest = world.do(command)
    assert first == (GRANT, ALICE, fee - 1)
    # Who is paid is paid the same, whoever gave the credits.
    assert rest == without
    assert (world.held(GRANT), world.held(ALICE)) == (0, left - 1)


# The close of the day


QUIET = CloseEpoch(0, (), MicroUsd(0), (0, 0), (0, 0))
SALE = Sale("developers", "training", "demo", MicroUsd(10 * MICRO), jobs=10)
SOLD = replace(QUIET, sales=(SALE,), sentiment=MicroUsd(100 * MICRO))
"""A day with an income of $100: 30 to operations, 35 of capital."""


def test_taxes_of_the_day_run_the_network_and_buy_back(world):
    world.do(CALL_AGENT)
    world.do(TRAIN)
    taxes = 1560 + 825000
    assert world.held(TAXES) == taxes
    moved = world.do(SOLD)

    # Half of 826,560, and what is left.
    assert (TAXES, CAPITAL, 413280) in moved
    assert (TAXES, OPERATIONS, 413280) in moved
    assert world.held(TAXES) == 0
    assert world.held(OPERATIONS) == 1000 * MICRO + 30 * MICRO + 413280
    assert not [move for move in world.do(replace(SOLD, day=1)) if TAXES in move]


def test_odd_unit_of_the_taxes_stays_with_operations(world):
    world.do(replace(CALL_MODEL, input_tokens=1, model="open"))
    assert world.held(TAXES) == 1
    moved = world.do(SOLD)

    assert (TAXES, OPERATIONS, 1) in moved
    assert world.held(OPERATIONS) == 1030 * MICRO + 1
    assert world.state.epoch().capital == 35 * MICRO


def test_capital_of_the_day_s_jobs_buys_tokens_with_that_of_its_sales(world):
    world.do(JOB)
    assert world.held(WAITING) == 3_500000
    moved = world.do(SOLD)

    assert (WAITING, CAPITAL, 3_500000) in moved
    assert world.held(WAITING) == 0
    assert world.state.epoch().capital == 38_500000
    # All of it bought tokens: none stays behind.
    assert world.held(CAPITAL) == 0
    assert (CAPITAL, "market:usd", 38_500000) in moved


def test_day_without_income_leaves_taxes_and_capital_waiting(world):
    world.do(JOB)
    world.do(TRAIN)
    waiting = {TAXES: 825000, WAITING: 3_500000}
    assert {path: world.held(path) for path in waiting} == waiting
    failed = replace(SALE, failed=10)
    for day, sales in enumerate([(), (failed,), ()]):
        moved = world.do(replace(SOLD, day=day, sales=sales))
        assert not [move for move in moved if {*move} & {TAXES, WAITING, CAPITAL}]
        assert world.state.epoch().capital == 0

    world.do(replace(SOLD, day=3))
    assert world.state.epoch().capital == 35 * MICRO + 412500 + 3_500000
    assert not any(map(world.held, (*waiting, CAPITAL)))


def test_price_does_not_count_dollars_that_wait(world, in_order_again):
    quiet = replace(QUIET, sentiment=MicroUsd(100 * MICRO))
    other = in_order_again()
    other.do(quiet)
    world.do(JOB)
    world.do(CALL_MODEL)
    world.do(quiet)

    assert world.state.epoch().bought == 0
    assert world.state.epoch().token_demand == other.state.epoch().token_demand
    assert world.state.epoch().price == other.state.epoch().price


def test_price_counts_the_dollars_that_buy_on_the_day_they_do(world, in_order_again):
    other = in_order_again()
    other.do(SOLD)
    world.do(JOB)
    world.do(TRAIN)
    world.do(SOLD)

    more = world.state.epoch().token_demand - other.state.epoch().token_demand
    assert more == 412500 + 3_500000


def test_taxes_buy_back_by_the_rate_of_governance(world):
    buyback = replace(world.params.buyback, buyback_rate=Wad(WAD // 4))
    world.params = replace(world.params, buyback=buyback)
    world.do(TRAIN)
    moved = world.do(SOLD)

    assert (TAXES, CAPITAL, 206250) in moved
    assert (TAXES, OPERATIONS, 618750) in moved


def test_taxes_and_sales_of_a_day_do_not_mix(world):
    world.do(TRAIN)
    moved = world.do(SOLD)

    assert ("settlement:usd", OPERATIONS, 30 * MICRO) in moved
    assert ("settlement:usd", CAPITAL, 35 * MICRO) in moved
    assert (TAXES, CAPITAL, 412500) in moved
    assert (TAXES, OPERATIONS, 412500) in moved
    assert world.state.epoch().income == 100 * MICRO
    assert world.state.epoch().capital == 35 * MICRO + 412500
    # All of it bought tokens: none stays behind.
    assert world.held(CAPITAL) == 0


def test_credits_grants_and_holds_live_through_the_close(world):
    world.do(GrantCredit("consumer:bob", 5, "welcome"))
    world.do(OpenHold("h", "consumer:alice", 7, 2**52))
    world.do(SOLD)

    assert world.held("consumer:bob:grant") == 5
    assert world.held(BOB) == 0
    assert world.held(ALICE) == 100 * MICRO - 7
    assert world.held("escrow:credit") == 7


def test_names_of_prices_are_taken_again_to_change_them(world):
    world.do(ListGpu("a100", 1))
    world.do(ListData("text", 1))
    assert received(world.do(TRAIN)).total() == 1_000001 + 100
