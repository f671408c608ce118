"""What attacks are measured with is right."""

from dataclasses import replace
from fractions import Fraction
from hashlib import sha256

import pytest

from coopera.attacks.checking import SEATS, drawn_with, root
from coopera.attacks.network import PRICE, Network
from coopera.attacks.outcome import Outcome, expected
from coopera.attacks.people import EVE, bond_money, chosen, honest_job
from coopera.errors import NotAllowed
from coopera.ledger import account
from coopera.protocol import jobs
from coopera.protocol.commands import execute
from coopera.protocol.invariants import check_books
from coopera.protocol.orders import Beacon
from coopera.protocol.supply import ClaimSeat
from coopera.protocol.validation import DrawValidators, RevealLink
from coopera.units import WAD


@pytest.fixture
def network(defaults):
    """Return a network with a consumer and a supplier who have paid in."""
    network = Network(defaults)
    network.joins("alice", usd=PRICE)
    network.joins("bob", tokens=bond_money(network, PRICE))
    return network


def test_who_has_only_paid_in_has_no_profit(network):
    assert network.profit("alice") == network.profit("bob") == 0


def test_what_is_in_escrow_still_belongs_to_who_paid_it(network):
    resource = network.offers("bob")
    job = network.order("alice")
    assert network.profit("alice") == 0

    network.accepts(job, 0, resource)
    assert network.task(job).bond > 0
    assert network.profit("alice") == network.profit("bob") == 0


def test_stake_still_belongs_to_its_validator_and_comes_back(network, defaults):
    network.validator(EVE)

    assert network.profit(EVE) == 0
    assert network.state.balance(account("supplier", EVE, "token")) == 0
    network.leaves(EVE)
    back = network.state.balance(account("supplier", EVE, "token"))
    assert back == defaults.validation.validator_stake
    assert network.profit(EVE) == pytest.approx(0, abs=1000)  # The token's rounding.


def test_wrong_verdict_costs_its_bond_out_of_the_stake(network, defaults):
    resource = network.offers("bob")
    job = network.order("alice")
    network.delivers(job, 0, resource)
    wrong = network.draws(job)[0]
    network.says(job, 0, lambda name: name != wrong)
    network.judged(job, 0, lambda _: True)

    worth = PRICE * defaults.validation.verdict_bond_rate // WAD
    lost = network.profit(network.owner(wrong).partition(":")[2])
    assert lost == pytest.approx(-worth, rel=0.001)


def test_pay_that_is_held_back_counts(network, defaults):
    outfit = network.outfit("bob")
    network.serves(network.order("alice"), outfit)
    network.close()
    held = network.profit("bob")
    network.leaves("bob")

    assert held == network.profit("bob") > 0


def test_seat_counts_in_phase_1_and_cannot_be_claimed(defaults):
    network = Network(defaults, phase=1)
    network.joins(EVE)
    project = defaults.projects[0].name
    resource = network.offers(EVE, defaults.matrix.kinds[0], project)
    network.close()

    assert network.profit(EVE) > 0
    with pytest.raises(NotAllowed):
        network.do(ClaimSeat(resource, f"supplier:{EVE}"))


def test_books_are_in_order_and_commands_given_by_those_concerned(network, defaults):
    outfit = network.outfit("bob")
    job = network.order("alice")
    with pytest.raises(NotAllowed):
        execute(
            network.state,
            defaults,
            "consumer:eve",
            jobs.CancelJob(job, "consumer:alice"),
        )
    network.serves(job, outfit)
    network.leaves("bob")

    check_books(network.state, network.params)


def test_token_costs_the_same_on_ordinary_days(network):
    outfit = network.outfit("bob")
    network.serves(network.order("alice"), outfit)
    prices = []
    for _ in range(3):
        network.close()
        prices.append(network.price / network.usual_price)

    assert prices == pytest.approx([1, 1, 1], abs=1e-6)


def test_honest_work_pays(defaults):
    assert honest_job(defaults) > 0


def test_jobs_go_to_the_best_name_and_exploration_to_newcomers(network):
    network.joins("alice", usd=PRICE)
    outfit = network.outfit("bob")
    kind = network.kinds[0]
    network.serves(network.order("alice"), outfit)
    newcomer = network.offers("carol", kind)
    network.joins("carol")

    assert chosen(network, kind) == outfit[kind]
    assert chosen(network, kind, newcomers=True) == newcomer
    assert chosen(network, kind, without=(outfit[kind], newcomer)) == ""


def test_outcomes_are_weighed_exactly():
    third = Fraction(1, 3)
    lottery = ((third, Outcome(0, 1, 0)), (1 - third, Outcome(0, -1, 0)))

    assert expected(lottery).profit == -1  # -1/3, rounded down
    assert expected(lottery).costs


@pytest.mark.parametrize("colluding", [0, 1, 18, 59, 60])
def test_chances_of_all_panels_add_up_to_one(colluding, weighed):
    ways = [drawn_with(SEATS, colluding, 7, n) for n in range(8)]

    assert sum(ways) == 1
    # Outcomes are weighed only by chances that do.
    assert weighed.stubborn(colluding).honest == weighed.careful(colluding).honest


def test_fraud_passes_if_and_only_if_most_of_who_was_drawn_collude(weighed):
    for path, end in weighed.ends.items():
        colluding, drawn = sum(path), sum(weighed.sizes[: len(path)])
        of_one_mind = path[-1] in (0, weighed.sizes[len(path) - 1])
        if of_one_mind:
            assert (end.profit > 0) == (path[-1] > 0)
        else:
            assert (end.profit > 0) == (2 * colluding > drawn)


def test_draws_follow_the_chances_that_coalitions_are_weighed_by(network, defaults):
    """Panels of the real rules; 400 draws, within four standard errors."""
    resource = network.offers("bob")
    job = network.order("alice")
    begun = network.state
    third = {f"honest-{n}" for n in range(10)}
    draws, found = 400, 0
    for n in range(draws):
        network.state = begun
        network.delivers(job, 0, resource, root=root(n))
        panel = network.draws(job)
        found += sum(network.owner(each).partition(":")[2] in third for each in panel)

    seats = draws * defaults.validation.validators_per_job
    error = (seats * (1 / 3) * (2 / 3)) ** 0.5
    assert abs(found - seats / 3) < 4 * error


def test_choosing_the_root_by_a_guess_of_the_link_changes_nothing(network, defaults):
    """
    Of ten roots, the one that a guessed link favours most; 60 times.

    The guess is favourable far more often than chance, the draw no more.
    """
    resource = network.offers("bob")
    job = network.order("alice")
    third = {f"honest-{n}" for n in range(10)}

    def own(panel):
        return sum(network.owner(each).partition(":")[2] in third for each in panel)

    def drawn(name, guessed=""):
        begun = network.state
        network.delivers(job, 0, resource, root=name)
        if guessed:
            beacon = network.state.records(Beacon)["current"]
            anchor = sha256(bytes.fromhex(guessed)).hexdigest()
            other = replace(beacon, link=anchor)
            records = {**network.state.records_, (Beacon, "current"): other}
            network.state = replace(network.state, records_=records)
            network.do(RevealLink(guessed))
            network.do(DrawValidators(job, 0))
        else:
            network.draws(job)
        seats = own(network.panel(job))
        network.state = begun
        return seats

    guesses = found = 0
    tries = 60
    for n in range(tries):
        guess = sha256(f"guess {n}".encode()).hexdigest()
        best = max((drawn(root(10 * n + m), guess), m) for m in range(10))
        guesses += best[0]
        found += drawn(root(10 * n + best[1]))
        network.links()

    seats = tries * defaults.validation.validators_per_job
    error = (seats * (1 / 3) * (2 / 3)) ** 0.5
    assert guesses > seats / 3 + 4 * error
    assert abs(found - seats / 3) < 4 * error
