"""
Random trainings: units go to whose work was found valid, and money follows the units.

Trainings, data, rounds, revenue and claims go on in any order, while governance changes
its mind. Beside them runs a model that shares each payment in fractions among those who
have units, and remembers whose work was found valid. In the end all that was begun is
brought to its end, everybody claims, and no stake is left behind.
"""

from collections import Counter, defaultdict
from fractions import Fraction

from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.protocol.conftest import IN_ORDER
from tests.protocol.training import (
    CREATOR,
    GIVERS,
    HOLDERS,
    NODES,
    PROOF,
    SALT,
    SCHEMA,
    TARGET,
    TRANSCRIPT,
    Royal,
    check_workings,
    digest,
    royal,
)

from coopera.errors import Refusal
from coopera.formulas.royalty import released_units
from coopera.params.chapters import ComputeSplit, DataShare, EmptySide
from coopera.protocol.claims import (
    Claimable,
    leaf_hashes,
    merkle_path,
    merkle_tree,
    written,
)
from coopera.protocol.commands import OPERATOR, execute
from coopera.protocol.data import (
    AuditData,
    CommitHistogram,
    DataSet,
    DataStake,
    DeclareRows,
    Offer,
    OfferData,
    RegisterData,
    ReturnDataStake,
    StakeData,
    histogram_digest,
)
from coopera.protocol.draft import Draft
from coopera.protocol.invariants import check_books, check_vault
from coopera.protocol.money import Deposit
from coopera.protocol.training import (
    AggregateRound,
    ChallengeRound,
    FinishTraining,
    FinishWork,
    Node,
    NodeStage,
    ResolveChallenge,
    Round,
    RoundStage,
    SelectNodes,
    ShareRound,
    StartRound,
    Training,
    VerifyWork,
    target_digest,
)
from coopera.protocol.vaults import (
    ClaimRoot,
    ClaimRoyalty,
    CollectRevenue,
    Holding,
    MoveUnits,
    PayRoyalty,
    PublishClaims,
    Vault,
    settled,
)
from coopera.units import MICRO, WAD

MODELS = ("digits", "letters", "secret")
MONEY = ("usd", "token")
CELLS = len(TARGET)
UNITS = 1000
"""Of a vault."""
OPEN = (RoundStage.STARTED, RoundStage.RUNNING)


def opened() -> Royal:
    """Begin three trainings, one of them of the other two; everybody has money."""
    world = royal(IN_ORDER)
    world.set(royalty_units=UNITS)
    world.begin("letters", rounds=3)
    parents = (("letters", WAD // 3), ("digits", WAD // 7))
    world.begin("secret", method="encrypted", parents=parents)
    for n, owner in enumerate((CREATOR, *GIVERS)):
        world.do(Deposit(f"{owner}:token", "token", 100 * MICRO, f"tokens-{n}"))
    return world


OPENED = opened()
SUPPLY = {name: OPENED.vault(name).supply for name in MODELS}

numbers = st.integers(0, 10**6)
"""To choose from what there is at the moment."""
models = st.sampled_from(MODELS)
givers = st.sampled_from(GIVERS)
amounts = st.one_of(st.integers(1, 9), st.integers(1, MICRO))
cells = st.lists(st.integers(0, 9), min_size=CELLS, max_size=CELLS)
measures = st.lists(st.integers(-9, 9), min_size=9, max_size=9)
governed = st.fixed_dictionaries(
    {},
    optional={
        "data_share": st.sampled_from(DataShare),
        "compute_split": st.sampled_from(ComputeSplit),
        "empty_side": st.sampled_from(EmptySide),
        "kl_max": st.sampled_from([WAD // 10, WAD, 6 * WAD]),
        "full_reduction": st.sampled_from([0, WAD // 100, WAD]),
        "rows_per_token": st.sampled_from([0, 10 * WAD]),
        "min_validity": st.sampled_from([WAD // 2, WAD]),
        "challenge_seconds": st.sampled_from([0, 3600]),
        "lambda_data": st.sampled_from([WAD // 20, 10 * WAD]),
    },
)


class Royalties(RuleBasedStateMachine):
    """Train at random; units and money must stay as the model says."""

    def __init__(self) -> None:
        super().__init__()
        self.world = Royal(OPENED.params, OPENED.state)
        self.names = 0
        self.rows: dict[tuple[str, int], str] = {}
        """Data that declared a row of a training first."""
        self.valid: dict[str, bool] = {}
        """Whether data was found valid when it was looked at last."""
        self.worked: set[tuple[str, str]] = set()
        """Rounds and nodes whose work was found valid."""
        self.have: defaultdict[str, Counter[str]] = defaultdict(Counter)
        """Units, by vault and member."""
        self.shares: defaultdict[tuple[str, str], Counter[str]]
        self.shares = defaultdict(Counter)
        """What units have earned in fractions, by vault, asset and member."""
        self.reserve: Counter[tuple[str, str]] = Counter()
        self.closed: set[str] = set()
        self.inherited: set[str] = set()
        self.earned: Counter[tuple[str, str, str]] = Counter()
        """What members were told before; it never falls."""
        self.paid: Counter[tuple[str, str]] = Counter()
        """What members claimed, by member and asset."""
        self.lost: Counter[str] = Counter()
        """Stakes that contributors have lost."""
        self.given: Counter[str] = Counter()
        self.claims: tuple[list[Claimable], list[bytes]] | None = None

    @initialize(changes=governed, played=st.lists(st.tuples(models, cells), max_size=3))
    def begin(self, changes, played) -> None:
        """Let governance have set what it will; some rounds are over already."""
        self.world.set(**changes)
        for name, counts in played:
            self.play(name, counts)

    # What there is to choose from

    @property
    def state(self):
        return self.world.state

    def all_of(self, kind):
        return list(self.state.records(kind).values())

    def rounds(self, *stages):
        return [each for each in self.all_of(Round) if each.stage in stages]

    def one_of(self, choices, number):
        return choices[number % len(choices)]

    # What is done

    def does(self, command) -> bool:
        """Give a command: whether it was done. A refusal changes nothing."""
        before = self.state
        try:
            diff = execute(before, self.world.params, OPERATOR, command)
            after = before.after(diff)
        except Refusal as refusal:
            event(f"{type(command).__name__}: {refusal.code}")
            return False
        event(f"{type(command).__name__}: done")
        check_workings(diff)
        check_books(after, self.world.params)
        self.world.state = after
        for each in diff.transfers:
            self.follow(command, each)
        if isinstance(command, OfferData):
            assert self.valid[command.data]
        for vault in self.all_of(Vault):
            check_vault(self.state, vault, HOLDERS)
            if vault.closed and vault.id not in self.closed:
                self.closed.add(vault.id)
                for asset in MONEY:
                    left = self.reserve.pop((vault.id, asset), Fraction(0))
                    self.share(vault.id, asset, left)
        return True

    def follow(self, command, transfer) -> None:
        """Let the model follow what moved."""
        debit, credit, amount, reason = transfer[:4]
        if reason == "revenue recorded":
            _, vault, asset = credit.split(":")
            self.share(vault, asset, Fraction(amount))
        elif reason == "stake of data lost":
            assert isinstance(command, AuditData)
            assert self.valid.get(command.data) is not False, "one stake for data"
            self.lost[self.state.record(DataSet, command.data).contributor] += amount
        elif reason == "royalty claimed":
            member, _, asset = credit.rpartition(":")
            self.paid[member, asset] += amount
        elif credit.startswith("units:"):
            _, vault, member = credit.split(":", 2)
            # What was paid before is shared by those who had units before.
            assert not any(self.world.held(f"vault:{vault}:inflow:{a}") for a in MONEY)
            if debit.startswith("units:"):
                assert isinstance(command, MoveUnits)
                self.have[vault][debit.split(":", 2)[2]] -= amount
            else:
                self.issued(command, debit, vault, member)
            self.have[vault][member] += amount

    def issued(self, command, debit, vault, member) -> None:
        """Hold it against what was found valid; and nobody may challenge any more."""
        assert vault == command.training
        if isinstance(command, FinishTraining):
            # Nobody has earned any, and the creator gets all.
            assert member == CREATOR
            assert not any(self.have[vault][each] for each in HOLDERS if each != member)
            self.inherited.add(vault)
            return
        assert isinstance(command, ShareRound)
        round_ = self.world.round(command.number, vault)
        assert self.state.now() >= round_.challenge_by > 0
        assert not round_.challengers
        if debit == f"vault:{vault}:compute":
            assert (round_.id, member) in self.worked
        else:
            offers = [
                self.state.record(Offer, f"{round_.id}:offer:{n + 1}")
                for n in range(round_.offers)
            ]
            assert any(
                each.contributor == member and self.valid[each.data] for each in offers
            )

    def share(self, vault, asset, amount) -> None:
        units = self.have[vault]
        sharing = sum(units.values()) if vault in self.closed else SUPPLY[vault]
        for member, each in units.items():
            self.shares[vault, asset][member] += amount * each / sharing
        unissued = sharing - sum(units.values())
        self.reserve[vault, asset] += amount * unissued / sharing

    def total(self, vault, asset, member) -> int:
        """Tell what a member has earned, ever."""
        holding = self.state.record(Holding, f"{vault}:{member}")
        if holding is None:
            return 0
        now = settled(self.state, Draft(self.state), self.world.vault(vault), holding)
        return int(getattr(now, asset).total)

    def reaches(self, moment) -> None:
        self.world.at(max(self.state.now(), moment))

    def new_name(self, letter) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    # Rounds

    @rule(name=models)
    def start(self, name) -> None:
        number = self.world.training(name).round + 1
        aims = target_digest(name, number, SALT, TARGET)
        self.does(StartRound(name, CREATOR, number, aims))

    @precondition(lambda self: self.rounds(RoundStage.STARTED))
    @rule(which=numbers, nodes=st.permutations(NODES), many=st.integers(1, 3))
    def select(self, which, nodes, many) -> None:
        round_ = self.one_of(self.rounds(RoundStage.STARTED), which)
        many = 1 if round_.training == "secret" else many
        self.does(
            SelectNodes(round_.training, CREATOR, round_.number, tuple(nodes[:many]))
        )

    @precondition(lambda self: self.rounds(RoundStage.RUNNING))
    @rule(which=numbers, node=st.sampled_from(NODES), samples=st.integers(0, 9))
    def hand_in(self, which, node, samples) -> None:
        round_ = self.one_of(self.rounds(RoundStage.RUNNING), which)
        self.does(
            FinishWork(round_.training, round_.number, node, digest(node), samples)
        )

    def verifies(self, round_, node, *, valid, samples=9) -> None:
        place = round_.training, round_.number
        if self.does(VerifyWork(*place, node, valid, samples)) and valid:
            self.worked.add((round_.id, node))

    @precondition(lambda self: self.rounds(RoundStage.RUNNING))
    @rule(which=numbers, node=st.sampled_from(NODES), valid=st.booleans())
    def verify(self, which, node, valid) -> None:
        round_ = self.one_of(self.rounds(RoundStage.RUNNING), which)
        self.verifies(round_, node, valid=valid)

    @precondition(lambda self: self.rounds(RoundStage.RUNNING))
    @rule(which=numbers, values=measures)
    def aggregate(self, which, values) -> None:
        round_ = self.one_of(self.rounds(RoundStage.RUNNING), which)
        self.aggregates(round_, values)

    def aggregates(self, round_, values) -> bool:
        """End the work of a round; all of its nodes and data are measured."""
        measured = list(round_.nodes)
        if round_.rules.data_share is DataShare.SHAPLEY:
            offers = (f"{round_.id}:offer:{n + 1}" for n in range(round_.offers))
            measured += [self.state.record(Offer, each).data for each in offers]
        given = tuple(zip(measured, values, strict=False))
        place = round_.training, CREATOR, round_.number
        return self.does(AggregateRound(*place, TARGET, SALT, TRANSCRIPT, given))

    @precondition(lambda self: self.rounds(RoundStage.AGGREGATING))
    @rule(which=numbers, who=st.sampled_from((*GIVERS, *NODES)), same=st.booleans())
    def challenge(self, which, who, same) -> None:
        round_ = self.one_of(self.rounds(RoundStage.AGGREGATING), which)
        mine = round_.transcript if same else digest("measured again")
        self.does(ChallengeRound(round_.training, round_.number, who, mine))
        round_ = self.state.record(Round, round_.id)
        # Everybody once, whatever becomes of it.
        challenged = (*round_.challengers, *round_.rejected)
        assert len(set(challenged)) == len(challenged)
        assert len(round_.challengers) == len(round_.transcripts)

    @precondition(lambda self: self.rounds(RoundStage.AGGREGATING))
    @rule(which=numbers, upheld=st.booleans())
    def resolve(self, which, upheld) -> None:
        round_ = self.one_of(self.rounds(RoundStage.AGGREGATING), which)
        self.does(ResolveChallenge(round_.training, round_.number, upheld))

    @precondition(lambda self: self.rounds(*OPEN))
    @rule(which=numbers, upheld=st.booleans(), values=measures)
    def dispute(self, which, upheld, values) -> None:
        """Bring a round to what was measured of it, and have that challenged."""
        round_ = self.one_of(self.rounds(*OPEN), which)
        self.ends(round_, values, far=RoundStage.AGGREGATING)
        place = round_.training, round_.number
        mine = digest("measured again")
        if self.does(ChallengeRound(*place, GIVERS[0], mine)):
            assert not self.does(ShareRound(*place))
            assert self.does(ResolveChallenge(*place, upheld))

    @precondition(lambda self: self.all_of(Round))
    @rule(which=numbers, wait=st.booleans())
    def step(self, which, wait) -> None:
        """Go on with a round, whether its time has come or not."""
        round_ = self.one_of(self.all_of(Round), which)
        if wait:
            self.reaches(round_.challenge_by)
        self.does(ShareRound(round_.training, round_.number))

    @precondition(lambda self: self.rounds(*set(RoundStage) - {RoundStage.FINISHED}))
    @rule(which=numbers, values=measures)
    def bring_to_an_end(self, which, values) -> None:
        open_rounds = self.rounds(*set(RoundStage) - {RoundStage.FINISHED})
        self.ends(self.one_of(open_rounds, which), values)

    def ends(self, round_, values, far=RoundStage.FINISHED) -> None:
        """Bring a round to its end, or so far, whatever has happened to it."""
        place = round_.training, round_.number
        if round_.stage is RoundStage.STARTED:
            nodes = NODES[:1] if round_.training == "secret" else NODES
            assert self.does(
                SelectNodes(round_.training, CREATOR, round_.number, nodes)
            )
        if round_.stage in OPEN:
            round_ = self.state.record(Round, round_.id)
            for name in round_.nodes:
                node = self.state.record(Node, f"{round_.id}:{name}")
                if node.stage is NodeStage.FINISHED:
                    self.verifies(round_, name, valid=True)
            assert self.aggregates(round_, values)
        if far is RoundStage.AGGREGATING:
            return
        round_ = self.state.record(Round, round_.id)
        if round_.challengers:
            assert self.does(ResolveChallenge(*place, upheld=False))
        self.reaches(round_.challenge_by)
        for _ in range(9):
            if self.state.record(Round, round_.id).stage is RoundStage.FINISHED:
                return
            assert self.does(ShareRound(*place))
        raise AssertionError(f"round {round_.id} never ends")

    @rule(name=models, counts=cells, giver=givers)
    def play_a_round(self, name, counts, giver) -> None:
        self.play(name, counts, giver)

    def play(self, name, counts, giver=GIVERS[0]) -> None:
        """Play a whole round, where one can begin."""
        self.start(name)
        round_ = self.world.round(self.world.training(name).round, name)
        if round_ is None or round_.stage is not RoundStage.STARTED:
            return
        if any(counts):
            self.gives(name, giver, range(sum(counts)), counts, good=True)
        nodes = NODES[:1] if name == "secret" else NODES
        assert self.does(SelectNodes(name, CREATOR, round_.number, nodes))
        for node in nodes[:2]:
            handed = FinishWork(name, round_.number, node, digest(node), 9)
            assert self.does(handed)
        self.ends(self.state.record(Round, round_.id), (3, 2, 1, 5, 4))

    # Data

    @rule(
        name=models,
        giver=givers,
        rows=st.lists(st.integers(0, 20), min_size=1, max_size=9),
        counts=cells,
        good=st.sampled_from([True, True, False]),
    )
    def give(self, name, giver, rows, counts, good) -> None:
        self.gives(name, giver, rows, counts, good=good)

    def gives(self, name, giver, rows, counts, *, good) -> None:
        """Bring data as far as it goes; rows that somebody had do not count."""
        data = self.new_name("d")
        upload = digest(data)
        if not self.does(
            RegisterData(data, name, giver, upload, SCHEMA, f"0x{upload}", PROOF)
        ):
            return
        self.does(DeclareRows(data, giver, tuple(digest("row", n) for n in rows)))
        for row in rows:
            if not self.valid.get(self.rows.get((name, row), ""), True):
                del self.rows[name, row]
            self.rows.setdefault((name, row), data)
        mine = sum(self.rows[name, row] == data for row in set(rows))
        assert self.state.record(DataSet, data).rows == mine
        held = self.laid_out(counts, mine)
        committed = histogram_digest(data, SALT, held)
        if not self.does(CommitHistogram(data, giver, committed)):
            return
        checked = min(mine, 20)
        valid = checked if good else 0
        assert self.does(AuditData(data, checked, valid))
        self.valid[data] = good
        number = self.world.training(name).round
        self.does(OfferData(data, giver, number, held, SALT))

    @staticmethod
    def laid_out(counts, rows) -> tuple[int, ...]:
        """Lay rows out in cells, roughly as wished."""
        held = [0] * CELLS
        order = [cell for cell, many in enumerate(counts) for _ in range(many)] or [0]
        for n in range(rows):
            held[order[n % len(order)]] += 1
        return tuple(held)

    @precondition(lambda self: self.all_of(DataSet))
    @rule(which=numbers, good=st.booleans())
    def look_again(self, which, good) -> None:
        data = self.one_of(self.all_of(DataSet), which)
        checked = max(1, min(data.rows, 20))
        invalid = not self.valid.get(data.id, True)
        if self.does(AuditData(data.id, checked, checked if good else 0)):
            assert not invalid
            self.valid[data.id] = good

    @precondition(lambda self: self.all_of(DataSet))
    @rule(which=numbers, counts=cells)
    def offer_again(self, which, counts) -> None:
        """Offer data that waits, or was offered before, by any counts."""
        data = self.one_of(self.all_of(DataSet), which)
        number = self.world.training(data.training).round
        held = self.laid_out(counts, data.rows)
        self.does(OfferData(data.id, data.contributor, number, held, SALT))

    @rule(name=models, giver=givers, amount=amounts)
    def stake(self, name, giver, amount) -> None:
        self.does(StakeData(name, giver, amount))

    @rule(name=models, giver=givers)
    def take_stake_back(self, name, giver) -> None:
        self.does(ReturnDataStake(name, giver))

    # Revenue

    @rule(name=models, asset=st.sampled_from(MONEY), amount=amounts)
    def earn(self, name, asset, amount) -> None:
        if self.does(PayRoyalty(name, f"{CREATOR}:{asset}", asset, amount)):
            self.given[asset] += amount

    @rule(name=models)
    def collect(self, name) -> None:
        self.does(CollectRevenue(name))

    @precondition(lambda self: self.all_of(Holding))
    @rule(which=numbers, receiver=st.sampled_from(HOLDERS), part=st.integers(1, 3))
    def move(self, which, receiver, part) -> None:
        vault, _, holder = self.one_of(self.all_of(Holding), which).id.partition(":")
        units = self.have[vault][holder] // part
        self.does(MoveUnits(vault, holder, receiver, units))

    @rule()
    def publish(self) -> None:
        """Publish all that everybody has earned."""
        claims = [
            Claimable(vault, asset, member, total)
            for vault in MODELS
            for asset in MONEY
            for member in HOLDERS
            if (total := self.total(vault, asset, member))
        ]
        if not claims:
            return
        tree = merkle_tree(leaf_hashes(claims))
        last = self.state.record(ClaimRoot, "current")
        epoch = last.epoch + 1 if last else 1
        assert self.does(PublishClaims(epoch, written(tree[0]), len(claims)))
        self.claims = claims, tree

    @precondition(lambda self: self.claims)
    @rule(which=numbers)
    def claim(self, which) -> None:
        assert self.claims is not None
        self.pays(self.one_of(self.claims[0], which))

    def pays(self, claim) -> None:
        """Pay a claim: all that it says beyond what was paid before, once."""
        assert self.claims is not None
        (leaf,) = leaf_hashes((claim,))
        path = merkle_path(self.claims[1], self.claims[1].index(leaf))
        epoch = self.state.record(ClaimRoot, "current").epoch
        holding = self.state.record(Holding, f"{claim.vault}:{claim.account}")
        before = getattr(holding, claim.asset).claimed
        had = self.paid[claim.account, claim.asset]
        order = ClaimRoyalty(
            *(claim.account, claim.vault, claim.asset, claim.cumulative, epoch, path)
        )
        assert self.does(order) == (claim.cumulative > before)
        got = self.paid[claim.account, claim.asset] - had
        assert got == max(0, claim.cumulative - before)
        assert not self.does(order)

    # Governance, and the end of a training

    @rule(changes=governed)
    def vote(self, changes) -> None:
        self.world.set(**changes)

    @rule(name=models, late=st.sampled_from([True, False, False, False]))
    def finish(self, name, late) -> None:
        if late:
            self.does(FinishTraining(name, CREATOR))

    # What must hold

    @invariant()
    def money_follows_the_units(self) -> None:
        """Nobody earns less by waiting, nor by claiming at once."""
        for vault in MODELS:
            for asset in MONEY:
                for member in HOLDERS:
                    total = self.total(vault, asset, member)
                    exact = self.shares[vault, asset][member]
                    assert 0 <= exact - total < 2, (vault, asset, member)
                    assert total >= self.earned[vault, asset, member]
                    self.earned[vault, asset, member] = total

    @invariant()
    def units_are_those_that_were_issued(self) -> None:
        for vault in MODELS:
            for member in HOLDERS:
                units = self.world.units(member, vault)
                assert units == self.have[vault][member] >= 0

    @invariant()
    def no_more_is_issued_than_is_released(self) -> None:
        for training in self.all_of(Training):
            vault = self.world.vault(training.id)
            rounds = training.round, training.rounds
            sides = {
                "compute": (vault.compute, training.compute_decay),
                "data": (vault.supply - vault.compute, training.data_decay),
            }
            for side, (pool, decay) in sides.items():
                left = self.world.held(f"vault:{training.id}:{side}")
                released = released_units(pool, decay, *rounds)
                inherited = training.id in self.inherited
                assert pool - left <= (pool if inherited else released + 1)

    @invariant()
    def members_have_what_they_claimed(self) -> None:
        for member in HOLDERS:
            for asset in MONEY:
                now = self.world.held(f"{member}:{asset}")
                before = OPENED.held(f"{member}:{asset}") + self.paid[member, asset]
                if member == CREATOR:
                    before -= self.given[asset]
                elif asset == "token" and member in GIVERS:
                    before -= self.lost[member] + self.staked(member)
                assert now == before

    def staked(self, member) -> int:
        return sum(
            each.amount
            for each in self.all_of(DataStake)
            if each.id.partition(":")[2] == member
        )

    @invariant()
    def stakes_are_where_they_are_locked(self) -> None:
        for name in MODELS:
            locked = self.world.held(f"locked:data:{name}")
            stakes = self.all_of(DataStake)
            assert locked == sum(
                each.amount for each in stakes if each.id.startswith(f"{name}:")
            )

    # The end

    def teardown(self) -> None:
        """Bring all that was begun to its end: nothing is kept for ever."""
        for round_ in self.rounds(*set(RoundStage) - {RoundStage.FINISHED}):
            self.ends(round_, (3, 2, 1, 5, 4))
        for stake in self.all_of(DataStake):
            given_back = ReturnDataStake(*stake.id.split(":", 1))
            assert self.does(given_back) == (stake.amount > 0)
        for training in self.all_of(Training):
            finished = FinishTraining(training.id, CREATOR)
            assert self.does(finished) != training.finished
        # What a child passes on waits in its parents.
        for name in reversed(MODELS):
            assert self.does(CollectRevenue(name))
        self.publish()
        for claim in self.claims[0] if self.claims else ():
            self.pays(claim)

        for name in MODELS:
            self.nothing_is_left(name)
        self.money_follows_the_units()
        self.members_have_what_they_claimed()

    def nothing_is_left(self, name) -> None:
        """Make sure that a vault is empty, but for less than anybody can be paid."""
        assert self.world.held(f"locked:data:{name}") == 0
        for asset in MONEY:
            assert self.world.held(f"vault:{name}:inflow:{asset}") == 0
            left = self.world.held(f"vault:{name}:{asset}")
            assert not any(self.have[name].values()) or left <= len(HOLDERS)


TestRoyalties = Royalties.TestCase
TestRoyalties.settings = settings(
    max_examples=300,
    stateful_step_count=40,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
)
